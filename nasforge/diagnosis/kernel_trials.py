"""Whether this processor computes rightly: modules are tried against double precision, in a process that may die of it.

A library's kernels differ from processor to processor, and a wrong one may write outside its memory. So trials run in a
child process, which says how each of them went; where it dies, the next child goes on behind the deadly one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from nasforge.errors import RunError
from nasforge.networks.operations import OPERATIONS, operation

LAYOUTS: Mapping[str, torch.memory_format] = {
    "channels_first": torch.contiguous_format,
    "channels_last": torch.channels_last,
}
"""The orders in memory in which maps lie: NCHW, as torch makes them, and NHWC, the faster one on a CPU."""
TOLERANCE = 1e-3
"""A relative error above this is wrong; single precision, computed rightly, stays below 1e-5 in one operation."""
HEAP_CHECK = {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3"}
"""Environment variables by which glibc ends a process that has written outside its memory."""

Compute = Callable[[nn.Module, Tensor], Tensor]


def called(module: nn.Module, x: Tensor) -> Tensor:
    """The plain call."""
    out: Tensor = module(x)
    return out


def worst_error(module: nn.Module, x: Tensor, layout: torch.memory_format, compute: Compute = called) -> float:
    """The greatest relative error of `module`'s output and gradients in single precision and in `layout`.

    Args:
        module: computes in training mode; its double is what it is compared with.
        x: (B, C, H, W).
        compute: calls the module where it takes more than `x`.

    Returns:
        |error| / |right value|, both Euclidean norms, of the output or of all gradients together, whichever is greater.
        (By itself a gradient may be zero but for rounding, as before a BatchNorm.)
    """
    exact = deepcopy(module).double()
    found = _output_and_gradient(module.to(memory_format=layout), x.contiguous(memory_format=layout), compute)
    right = _output_and_gradient(exact, x.double(), compute)
    return max(_relative(one, other) for one, other in zip(found, right, strict=True))


def _output_and_gradient(module: nn.Module, x: Tensor, compute: Compute) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    out = compute(module.train(), x)
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(out.shape, generator=generator, dtype=torch.double).to(out.dtype)
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    gradients = torch.autograd.grad((out * direction).sum(), [x, *weights], allow_unused=True)
    return out.detach(), torch.cat([gradient.flatten() for gradient in gradients if gradient is not None])


def _relative(one: Tensor, right: Tensor) -> float:
    error, size = (one.double() - right).norm(), right.norm()
    return float(error / size) if size > 0 else float(error)


def outcomes(command: Sequence[str], cases: int, environment: Mapping[str, str] | None = None) -> list[float | str]:
    """What a child process says of each of its cases: the worst error, or the name of the signal it died by.

    Args:
        command: starts the child; the place of the first case to try is appended. It prints one error a line.
        environment: variables besides this process's own.
    """
    found: list[float | str] = []
    while len(found) < cases:
        child = subprocess.run(
            [*command, str(len(found))],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        )
        found += map(float, child.stdout.split())
        if len(found) < cases:
            if child.returncode >= 0:
                raise RunError(f"the trial of kernels ended with status {child.returncode}: {child.stderr[-500:]}")
            found.append(signal.Signals(-child.returncode).name)
    return found


def report(errors: Iterator[float]) -> None:
    """In the child: say each error as soon as it is known."""
    for error in errors:
        print(error, flush=True)


LIBRARY = "a strided 1x1 convolution of torch's own"


def operation_cases() -> list[tuple[str, int, int, str]]:
    """What `nasforge doctor` tries: (name, stride, channels, layout) of every candidate operation, and one of torch's
    own modules that nasforge avoids but a guest may use."""
    return [
        (name, stride, channels, layout)
        for name in [*OPERATIONS, LIBRARY]
        for stride in ((1, 2) if name != LIBRARY else (2,))
        for channels in (4, 16)
        for layout in LAYOUTS
    ]


def _error(name: str, stride: int, channels: int, layout: str) -> float:
    """Three times, since what is written outside its memory may not show at once."""
    torch.manual_seed(0)
    made = nn.Conv2d(channels, channels, 1, stride) if name == LIBRARY else operation(name, channels, stride)
    return max(worst_error(made, torch.randn(8, channels, 8, 8), LAYOUTS[layout]) for _ in range(3))


def broken_operations() -> dict[str, str]:
    """By name of the operation: how and in which layout this processor gets it wrong."""
    cases = operation_cases()
    faults: dict[str, str] = {}
    command = [sys.executable, "-m", "nasforge.diagnosis.kernel_trials"]
    for (name, _, _, layout), outcome in zip(cases, outcomes(command, len(cases), HEAP_CHECK), strict=True):
        if isinstance(outcome, str):
            faults.setdefault(name, f"kills the process ({outcome}) where maps lie in {layout} order")
        elif not outcome < TOLERANCE:
            faults.setdefault(name, f"is wrong by {outcome:.0%} where maps lie in {layout} order")
    return faults


if __name__ == "__main__":
    report(_error(*case) for case in operation_cases()[int(sys.argv[1]) :])
