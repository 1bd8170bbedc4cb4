"""What torchvision's policies cost, image by image, as a share of a training step.

    python benchmarks/augmentation_policies.py [--batch 96] [--channels 36] [--cells 8] [--repeats 3] [--device cpu]

A policy draws its operations once per call. Called on a whole batch it would distort all its images alike, so nasforge
calls it for each image; the last column is what one call per batch would take. Images are random, 3 x 32 x 32; the
step is that of DARTS_V2. Each repeat interleaves everything, on one thread. Writes
`benchmarks/results/augmentation_policies.md`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from nasforge import Preprocessing, build
from nasforge.experiment.forecast import step_seconds
from nasforge.randomness import generator_of
from nasforge.training.augmentation import policy_of, with_policy
from reporting import device_of, parser, write_of_device

POLICIES: list[Any] = ["autoaugment", "randaugment", "trivialaugment"]
PLAIN = Preprocessing((0.5,) * 3, (0.25,) * 3, pad=4, flip=True)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def main() -> None:
    options = parser(__doc__, batch=96, channels=36, cells=8, repeats=3, device="cpu").parse_args()
    device, words = device_of(options.device, threads=1)
    space = build("space", {"name": "darts"})
    network = space.build(
        space.presets["DARTS_V2"], (3, 32, 32), 10, channels=options.channels, cells=options.cells, auxiliary=False
    ).to(device)
    pixels = torch.randint(0, 256, (options.batch, 3, 32, 32), dtype=torch.uint8, generator=generator_of("pixels"))
    pixels = pixels.to(device)
    images = PLAIN.normalize(pixels)
    draw = generator_of("draw")
    work: dict[str, Callable[[], object]] = {"crop and flip": partial(PLAIN.augment, pixels, draw)}
    work |= {name: partial(with_policy(PLAIN, name).augment, pixels, draw) for name in POLICIES}
    work |= {f"{name}, one call": partial(policy_of(name), pixels) for name in POLICIES}
    shares: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(options.repeats):
        step = step_seconds(network, images)
        for name, function in work.items():
            shares[name].append(seconds(function, device) / step)
    medians = {name: statistics.median(values) for name, values in shares.items()}
    rows = ["| augmentation | share of a training step | policy called once per batch |", "| --- | --- | --- |"]
    rows += [f"| crop and flip | {medians['crop and flip']:.2%} | |"]
    rows += [f"| and {name} | {medians[name]:.2%} | {medians[f'{name}, one call']:.2%} |" for name in POLICIES]
    about = (
        f"{words}; a step of DARTS_V2 with {options.channels} channels and {options.cells} cells on "
        f"{options.batch} images of 32 x 32; medians of {options.repeats} repeats."
    )
    write_of_device("augmentation_policies", device, "The cost of augmentation policies", about, rows)


if __name__ == "__main__":
    main()
