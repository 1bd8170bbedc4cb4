"""Does every operation, network and supernet compute rightly with the kernels of each kind of processor?

    python benchmarks/processor_kernels.py              # all cases: hours; --cases=300 takes the first ones

Each is built small (2 to 16 channels, even and odd sides, batches of 1, 2, 63 and 64), in both memory layouts; output
and gradients in single precision are compared with double precision in NCHW. The trials run in child processes under
ONEDNN_MAX_CPU_ISA, by which a newer processor takes an older one's kernels, and under glibc's heap check, which ends a
process that has written outside its memory. A whole network magnifies rounding: if its error exceeds the tolerance, it
is wrong only if random errors of the size of rounding, added to each layer's output in double precision, do less.
Writes results/processor_kernels.md.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nasforge import OPERATIONS, WeightSharing, build, operation
from nasforge.diagnosis.kernel_trials import (
    HEAP_CHECK,
    LAYOUTS,
    LIBRARY,
    Compute,
    called,
    outcomes,
    output_and_gradient,
    relative_error,
    report,
    worst_error,
)
from nasforge.registry.entry_points import registry
from reporting import parser, write

INSTRUCTIONS = ("SSE41", "AVX", "AVX2", "AVX512_CORE", "DEFAULT")
BATCHES, CLASSES = (1, 2, 63, 64), 5
TOLERANCE = {"operation": 1e-3, "library": 1e-3, "network": 0.05, "supernet": 0.05}
"""Relative. In a whole network rounding may turn a ReLU near zero, and BatchNorm of few values magnifies that."""
ROUNDING = 3e-7
"""The relative error that single precision adds in each layer, as measured in the rows `operation` and `library`."""


class Case(NamedTuple):
    kind: str
    name: str
    stride: int
    channels: int
    side: int
    batch: int
    layout: str


def cases(count: int | None = None) -> list[Case]:
    """The first `count` of all cases in random order, the same at each call.

    Those of torch's own convolution come last: it may write out of bounds, and glibc may notice that only later.
    """
    layers = [("operation", name, stride) for name in OPERATIONS for stride in (1, 2)] + [("library", LIBRARY, 2)]
    small = [Case(*layer, channels, side, batch, layout) for layer in layers for channels in (2, 3, 4, 6, 8, 16)
             for side in (7, 8) for batch in BATCHES for layout in LAYOUTS
             if channels % 2 == 0 or layer[1] != "skip_connect"]  # fmt: skip  # which halves its channels
    large = [Case(*whole, 1, channels, side, batch, layout) for whole in wholes() for channels in (4, 8, 16)
             for side in (15, 16) for batch in BATCHES for layout in LAYOUTS]  # fmt: skip
    mixed = small + large
    random.Random(0).shuffle(mixed)
    return sorted(mixed[:count], key=lambda case: case.kind == "library")


def wholes() -> Iterator[tuple[str, str]]:
    """Published networks and sampled ones of every space, and its supernet."""
    for name in registry("space"):
        space = build("space", {"name": name})
        yield from (("network", f"{name} {which}") for which in [*space.presets, "sampled-0", "sampled-1"])
        if isinstance(space, WeightSharing):
            yield "supernet", name


def error(case: Case) -> float:
    torch.manual_seed(0)
    module, channels, compute = built(case)
    images = torch.randn(case.batch, channels, case.side, case.side)
    try:
        return max(worst_error(module, images, LAYOUTS[case.layout], compute) for _ in range(2))
    except ValueError as refusal:  # BatchNorm's, of one image whose map has been reduced to one pixel
        if case.batch > 1 or "more than 1 value per channel" not in str(refusal):
            raise
        return math.nan


@cache
def magnified_rounding(case: Case) -> float:
    """The worst of 20 errors of a whole network in double precision whose layers' outputs are off by `ROUNDING`."""
    torch.manual_seed(0)
    module, channels, compute = built(case)
    images = torch.randn(case.batch, channels, case.side, case.side).double()
    correct = output_and_gradient(module.double(), images, compute)
    generator = torch.Generator().manual_seed(0)
    rounded = deepcopy(module)
    for layer in rounded.modules():
        if next(layer.parameters(recurse=False), None) is not None:
            layer.register_forward_hook(partial(add_rounding, generator=generator))
    trials = [output_and_gradient(rounded, images, compute) for _ in range(20)]
    return max(relative_error(*pair) for trial in trials for pair in zip(trial, correct, strict=True))


def add_rounding(layer: nn.Module, inputs: object, output: Tensor, *, generator: torch.Generator) -> Tensor:
    return output * (1 + ROUNDING * torch.randn(output.shape, generator=generator, dtype=output.dtype))


def is_wrong(case: Case, outcome: float | str) -> bool:
    if isinstance(outcome, str) or case.kind not in ("network", "supernet"):
        return isinstance(outcome, str) or not outcome < TOLERANCE[case.kind]
    return not (outcome < TOLERANCE[case.kind] or outcome < magnified_rounding(case))


def built(case: Case) -> tuple[nn.Module, int, Compute]:
    """The module, how many channels it reads, and how it is called."""
    if case.kind == "library":
        return nn.Conv2d(case.channels, case.channels, 1, case.stride), case.channels, called
    if case.kind == "operation":
        return operation(case.name, case.channels, case.stride), case.channels, called
    name, _, which = case.name.partition(" ")
    space, shape = build("space", {"name": name}), (3, case.side, case.side)
    if case.kind == "supernet":
        supernet = space.supernet(shape, CLASSES, channels=case.channels, cells=3)
        alphas = {cell: torch.randn(size, dtype=torch.double) for cell, size in supernet.alpha_shapes.items()}
        return supernet, 3, partial(under, mix=space.mix(alphas))
    chosen = space.presets.get(which) or space.sample(np.random.default_rng(int(which[-1])))
    return space.build(chosen, shape, CLASSES, channels=case.channels, cells=3), 3, called


def under(module: nn.Module, images: Tensor, mix: Mapping[str, Tensor]) -> Tensor:
    logits: Tensor = module(images, {cell: weights.to(images.dtype) for cell, weights in mix.items()})
    return logits


def rows(instructions: str, tried: list[Case], found: list[float | str]) -> Iterator[str]:
    """One for each kind, then some of those that went wrong."""
    by_kind: dict[str, list[float | str]] = defaultdict(list)
    wrong: list[tuple[Case, float | str]] = []
    for case, outcome in zip(tried, found, strict=True):
        if isinstance(outcome, float) and math.isnan(outcome):  # BatchNorm refused the case
            continue
        by_kind[case.kind].append(outcome)
        if is_wrong(case, outcome):
            wrong.append((case, outcome))
    for kind, all_of_it in sorted(by_kind.items()):
        bad = sum(case.kind == kind for case, _ in wrong)
        largest = max((error for error in all_of_it if not isinstance(error, str)), default=0.0)
        yield f"| {instructions} | {kind} | {len(all_of_it)} | {bad} | {largest:.1e} |"
    for case, outcome in wrong[:5]:
        yield f"| {instructions} | {', '.join(map(str, case))} | | {outcome} | |"


def main(count: int | None) -> None:
    tried = cases(count)
    about = f"{len(tried)} of {len(cases())} cases, drawn at random; torch {torch.__version__.partition('+')[0]}"
    lines = ["| kernels | what | cases | wrong | largest error |", "| --- | --- | --- | --- | --- |"]
    for instructions in INSTRUCTIONS:
        command = [sys.executable, __file__, f"--cases={len(tried)}", "--child"]
        found = outcomes(command, len(tried), {"ONEDNN_MAX_CPU_ISA": instructions, **HEAP_CHECK})
        lines += rows(instructions, tried, found)
        write("processor_kernels", "The kernels of each kind of processor", about, lines)


if __name__ == "__main__":
    command_line = parser(__doc__)
    command_line.add_argument("--cases", type=int, help="how many of them; all if left out")
    command_line.add_argument("--child", type=int, help=argparse.SUPPRESS)
    given = command_line.parse_args()
    if given.child is None:
        main(given.cases)
    else:
        report(error(case) for case in cases(given.cases)[given.child :])
