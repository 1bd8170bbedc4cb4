"""Test torch's kernels on this processor against double precision, in a process that a broken kernel may crash.

Kernels differ between processors, and a wrong one may write out of bounds. Therefore trials run in a child process,
which prints the result of each. If it dies, the next child continues after the trial that killed it.
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
"""The memory formats of feature maps: NCHW, torch's default, and NHWC, which is faster on a CPU."""
TOLERANCE = 1e-3
"""A larger relative error is wrong; correct single precision stays below 1e-5 in one operation."""
HEAP_CHECK = {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3"}
"""Environment variables that make glibc end a process that has written out of bounds."""

Compute = Callable[[nn.Module, Tensor], Tensor]


def called(module: nn.Module, x: Tensor) -> Tensor:
    """Call the module on `x`."""
    out: Tensor = module(x)
    return out


def worst_error(module: nn.Module, x: Tensor, layout: torch.memory_format, compute: Compute = called) -> float:
    """Return the largest relative error of `module`'s output and gradients in single precision and in `layout`.

    Args:
        module: computes in training mode; a copy in double precision gives the correct values.
        x: (B, C, H, W).
        compute: calls a module that takes more arguments than `x`.

    Returns:
        |error| / |correct value|, both Euclidean norms, for the output or for all gradients together, whichever is
        larger. (A single gradient may be zero up to rounding, for example before a BatchNorm.)
    """
    exact = deepcopy(module).double()
    actual = output_and_gradient(module.to(memory_format=layout), x.contiguous(memory_format=layout), compute)
    correct = output_and_gradient(exact, x.double(), compute)
    return max(relative_error(value, expected) for value, expected in zip(actual, correct, strict=True))


def output_and_gradient(module: nn.Module, x: Tensor, compute: Compute = called) -> tuple[Tensor, Tensor]:
    """Return `module`'s output in training mode, and the gradients of a fixed random projection of it, flattened."""
    x = x.detach().requires_grad_()
    out = compute(module.train(), x)
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(out.shape, generator=generator, dtype=torch.double).to(out.dtype)
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    gradients = torch.autograd.grad((out * direction).sum(), [x, *weights], allow_unused=True)
    return out.detach(), torch.cat([gradient.flatten() for gradient in gradients if gradient is not None])


def relative_error(value: Tensor, expected: Tensor) -> float:
    """Return |value - expected| / |expected|, Euclidean norms."""
    error, size = (value.double() - expected).norm(), expected.norm()
    return float(error / size) if size > 0 else float(error)


def outcomes(command: Sequence[str], cases: int, environment: Mapping[str, str] | None = None) -> list[float | str]:
    """Return the outcome of each case in a child process: its worst error, or the name of the signal that killed it.

    Args:
        command: starts the child; the index of the first case is appended. The child prints one error per line.
        environment: variables to add to this process's own.
    """
    results: list[float | str] = []
    while len(results) < cases:
        child = subprocess.run(
            [*command, str(len(results))],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        )
        results += map(float, child.stdout.split())
        if len(results) < cases:
            if child.returncode >= 0:
                raise RunError(f"the trial of kernels ended with status {child.returncode}: {child.stderr[-500:]}")
            results.append(signal.Signals(-child.returncode).name)
    return results


def report(errors: Iterator[float]) -> None:
    """In the child: print each error as soon as it is known."""
    for error in errors:
        print(error, flush=True)


LIBRARY = "torch's own strided 1x1 convolution"


def operation_cases() -> list[tuple[str, int, int, str]]:
    """Return the cases of `nasforge doctor`: (name, stride, channels, layout) of every candidate operation, and of one
    torch module that nasforge avoids but a plug-in may use."""
    return [
        (name, stride, channels, layout)
        for name in [*OPERATIONS, LIBRARY]
        for stride in ((1, 2) if name != LIBRARY else (2,))
        for channels in (4, 16)
        for layout in LAYOUTS
    ]


def _error(name: str, stride: int, channels: int, layout: str) -> float:
    """Return the worst error of three trials, because a write out of bounds may not show at once."""
    torch.manual_seed(0)
    module = nn.Conv2d(channels, channels, 1, stride) if name == LIBRARY else operation(name, channels, stride)
    return max(worst_error(module, torch.randn(8, channels, 8, 8), LAYOUTS[layout]) for _ in range(3))


def broken_operations() -> dict[str, str]:
    """Return what is wrong, and in which layout, for each operation that this processor computes wrongly."""
    cases = operation_cases()
    faults: dict[str, str] = {}
    command = [sys.executable, "-m", "nasforge.diagnosis.kernel_trials"]
    for (name, _, _, layout), outcome in zip(cases, outcomes(command, len(cases), HEAP_CHECK), strict=True):
        if isinstance(outcome, str):
            faults.setdefault(name, f"kills the process ({outcome}) for maps in {layout} order")
        elif not outcome < TOLERANCE:
            faults.setdefault(name, f"is wrong by {outcome:.0%} for maps in {layout} order")
    return faults


if __name__ == "__main__":
    report(_error(*case) for case in operation_cases()[int(sys.argv[1]) :])
