"""Whether scores of untrained networks are the same in single and double precision, on random cells of each space.

    python benchmarks/proxy_precision.py [--cells 20] [--side 16] [--folder runs/cifar10] [--seconds 3000]

Both networks have the same weights and images, so that scores differ only because of rounding. It also counts the
networks that end in BatchNorm in such a way that gradients cancel over a batch. It writes
`benchmarks/results/proxy_precision.md`, with the spaces that it had time for.
"""

from __future__ import annotations

import copy
import math
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from nasforge import SearchSpace, build, isolated
from nasforge_plugins.estimator.zero_cost.probe import Probe
from nasforge_plugins.estimator.zero_cost.proxies import PROXIES
from nasforge_plugins.estimator.zero_cost.spectrum import Degenerate
from reporting import parser, write
from searches import cifar10_root

SPACES = ("nasbench201", "darts", "reolon", "tsenas", "transnas_micro", "transnas_macro", "nasbench_macro", "mobilenet")
NAMES = ("jacob_cov", "epe_nas", "gradient_image_correlation", "activation_overlap", "naswot", "ntk_condition", "snip",
         "grad_norm", "fisher", "grasp", "synflow")  # fmt: skip
IMAGES, CHANNELS, CELLS = 16, 8, 3
ALLOWED = 0.01


def images(folder: Path, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalized crops of photographs, and their labels."""
    data = build("data", {"name": "cifar10", "root": str(cifar10_root(folder)), "download": False}).for_search(0)
    pixels, labels = data.train[torch.arange(IMAGES)]
    values = pixels.float().permute(0, 3, 1, 2) if pixels.shape[-1] == 3 else pixels.float()
    start = (values.shape[-1] - side) // 2
    crops = values[:, :, start : start + side, start : start + side].contiguous()
    return (crops - crops.mean((0, 2, 3), keepdim=True)) / crops.std((0, 2, 3), keepdim=True), labels


def value(name: str, probe: Probe) -> float | str:
    """The score, or why there is none."""
    try:
        with isolated(0):
            return PROXIES[name].measure(probe)
    except Degenerate as reason:
        return str(reason)


def differs(single: float | str, double: float | str) -> bool:
    """Whether two scores differ by more than the share that is allowed."""
    if isinstance(single, str) or isinstance(double, str):
        return single != double
    return not math.isclose(single, double, rel_tol=ALLOWED)


def compared(space: SearchSpace, cells: int, batch: tuple[torch.Tensor, torch.Tensor]) -> Counter[str]:
    """The number of cells whose scores differ, by proxy, and of those whose gradients `cancel`."""
    rng, found = np.random.default_rng(0), Counter[str]()
    shape = tuple(batch[0].shape[1:])
    for number in range(cells):
        architecture = space.sample(rng)
        with isolated(number):
            network = space.build(architecture, shape, 10, channels=CHANNELS, cells=max(CELLS, space.least_cells))
        single, double = (
            Probe(copy.deepcopy(network).to(kind), batch[0].to(kind), batch[1])
            for kind in (torch.float32, torch.float64)
        )
        found.update(name for name in NAMES if differs(value(name, single), value(name, double)))
        try:
            found["cancel"] += single.cancels
        except Degenerate:
            found["none"] += 1
    return found


def lines(cells: int, batch: tuple[torch.Tensor, torch.Tensor], seconds: float) -> Iterator[str]:
    """A table of counts, with a row for each space."""
    yield "| space | gradients cancel | " + " | ".join(NAMES) + " |"
    yield "| --- | " + " | ".join(["---"] * (1 + len(NAMES))) + " |"
    began = time.monotonic()
    for name in SPACES:
        if time.monotonic() - began > seconds:
            yield f"| {name} | not measured |" + " |" * len(NAMES)
            continue
        found = compared(build("space", {"name": name}), cells, batch)
        yield f"| {name} | {found['cancel']} | " + " | ".join(str(found[each]) for each in NAMES) + " |"


if __name__ == "__main__":
    arguments = parser(__doc__, cells=20, side=16, folder="runs/cifar10", seconds=3000.0).parse_args()
    torch.set_num_threads(1)
    batch = images(Path(arguments.folder), arguments.side)
    about = (
        f"Of {arguments.cells} random cells of each space, how many have a score that differs by more than "
        f"{ALLOWED:.0%} between float32 and float64: {IMAGES} images of CIFAR-10, cropped to {arguments.side} pixels, "
        f"{CHANNELS} channels, {CELLS} cells or the fewest of the space, torch {torch.__version__}, a CPU. The first "
        "column counts networks in which BatchNorm cancels the gradients of logits summed over a batch; the three "
        "proxies on the left then take statistics as constants."
    )
    write(
        "proxy_precision",
        "Scores in single and double precision",
        about,
        list(lines(arguments.cells, batch, arguments.seconds)),
    )
