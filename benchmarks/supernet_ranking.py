"""How a supernet ranks cells of NAS-Bench-201, and how much sooner than training each: real CIFAR-10 images.

    python benchmarks/supernet_ranking.py [--seeds 3] [--epochs 100] [--images 10000] [--side 16] [--cells 200]

Supernets are trained by uniform and fair single paths and by DARTS, for equally many passes of a path: a fair step
passes five paths, and a step of DARTS computes all five operations twice, for the alphas and for the weights. Each then
scores the same random cells on the validation half, with BatchNorm statistics of each cell's own. Every training and
every scoring is a run of nasforge, so the command goes on after a kill. Writes
`benchmarks/results/supernet_ranking.md` after each of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau

from nasforge import Architecture, Context, Estimator, SearchData, SearchSpace, isolated, rng_of
from nasforge.journal.journal import atomic, write_json
from nasforge.registry.entry_points import build
from reporting import parser, spread, write
from searches import cifar10_root, searched, test_accuracies

OPERATIONS = 5
METHODS = {
    "uniform paths (SPOS)": ("single_path", "strategy.sampling=uniform", 1),
    "fair paths (FairNAS)": ("single_path", "strategy.sampling=fair", OPERATIONS),
    "DARTS": ("darts", "strategy.order=1", 2 * OPERATIONS),
}
"""The strategy, an option of it, and how many passes of a path one of its steps costs."""
CONTROL = "control.samples=1"
RATE = "strategy.optimizer.learning_rate=0.1"
"""Four times the default, because there are few steps."""
UNUSED = 10
"""Test images: without any, a fifth of the training images would be held out."""
CALIBRATION_BATCHES = 4
TIMED, FEWER = 5, 5
"""How many cells are scored and trained to compare their times, and how many times fewer the images are for that."""


def small_cifar10(folder: Path, images: int, side: int) -> Path:
    """Write a class-balanced part of the training images, scaled to `side` pixels, to an `.npz`."""
    path = folder / f"cifar10_{images}_{side}.npz"
    if not path.exists():
        whole = build("data", {"name": "cifar10", "root": str(cifar10_root(folder)), "download": False})
        train, test = (part.subset(n, 0).scaled(side / 32) for part, n in ((whole.train, images), (whole.test, UNUSED)))
        arrays = {}
        for name, part in (("train", train), ("test", test)):
            pixels, labels = part[torch.arange(len(part))]
            arrays |= {f"{name}_images": pixels.permute(0, 2, 3, 1).numpy(), f"{name}_labels": labels.numpy()}
        with atomic(path) as temporary, open(temporary, "wb") as target:
            np.savez(target, classes=np.array(whole.class_names), **arrays)
    return path


def common(path: Path, channels: int) -> list[str]:
    """The words of every command."""
    return [
        "space=nasbench201", f"space.channels={channels}", "data=arrays", f"data.path={path}", "data.pad=2",
        "retrain.seeds=0", "executor.threads=1", "trainer.accelerator=cpu", CONTROL,
    ]  # fmt: skip


def scored(folder: Path, method: str, seed: int, words: Sequence[str], epochs: int, cells: int) -> dict[str, float]:
    """Train a supernet, then score random cells with it: accuracy by notation."""
    strategy, option, passes = METHODS[method]
    name = f"{strategy}_{option.partition('=')[2]}_{seed}"
    trained = folder / name
    small = ["strategy.evolution.population=2", "strategy.evolution.generations=1"] if strategy == "single_path" else []
    length = f"strategy.epochs={max(1, round(epochs / passes))}"
    searched(trained, [f"strategy={strategy}", option, length, RATE, f"seed={seed}", *small, *words])
    scores = folder / f"{name}_scores"
    estimator = ["estimator=supernet", f"estimator.supernet.run={trained}"]
    estimator.append(f"estimator.supernet.calibration_batches={CALIBRATION_BATCHES}")
    searched(scores, ["strategy=random_search", *estimator, f"budget.evaluations={cells}", *words])
    evaluations = json.loads((scores / "evaluations.json").read_text())
    return {evaluation["notation"]: evaluation["metrics"]["accuracy"] for evaluation in evaluations}


def seconds(estimator: Estimator, architectures: Sequence[Architecture], space: SearchSpace, data: SearchData) -> float:
    """CPU seconds of an estimate, the median over the architectures."""
    times = []
    for number, architecture in enumerate(architectures):
        with isolated(number):
            start = time.process_time()
            estimator.estimate(architecture, Context(space, data, "cpu", 1, number))
            times.append(time.process_time() - start)
    return float(np.median(times))


def times(folder: Path, path: Path, channels: int) -> Iterator[str]:
    """Rows about the time of a score, as a ratio to one epoch of training; measured once."""
    file = folder / "times.json"
    if not file.exists():
        space: SearchSpace = build("space", {"name": "nasbench201", "channels": channels})
        options: dict[str, Any] = {"name": "arrays", "path": str(path), "pad": 2}
        data = build("data", options).for_search(0)
        data = data.subset(len(data.train) // FEWER)
        rng = rng_of("supernet ranking")
        cells = [space.sample(rng) for _ in range(TIMED)]
        run = {"run": str(folder / "single_path_uniform_0"), "calibration_batches": CALIBRATION_BATCHES // FEWER or 1}
        score = seconds(build("estimator", {"name": "supernet", **run}), cells, space, data)
        sizes = {"the supernet's": (channels, 1), "the table's": (16, 5)}
        training = {"name": "training", "epochs": 1, "held_out": 0.5}
        ratios = {
            f"{whose} size, C={width}, N={depth}": seconds(
                build("estimator", {**training, "channels": width, "cells": depth}), cells, space, data
            )
            / score
            for whose, (width, depth) in sizes.items()
        }
        write_json(file, ratios)
    yield "| 1,000 candidates scored by one supernet, against training each for one epoch | times as fast |"
    yield "| --- | --- |"
    for size, ratio in json.loads(file.read_text()).items():
        yield f"| at {size} | **{ratio:.1f}** |"


def rows(taus: dict[str, list[tuple[float, float]]]) -> Iterator[str]:
    yield "| weights of | seeds | Kendall's tau, all cells | in the better half of them |"
    yield "| --- | --- | --- | --- |"
    for method, pairs in taus.items():
        if pairs:
            whole, half = zip(*pairs, strict=True)
            yield f"| {method} | {len(pairs)} | **{spread(whole)}** | {spread(half)} |"


def tau(scores: dict[str, float], truth: dict[str, float]) -> tuple[float, float]:
    """Kendall's tau with the table over all cells, and over those above the median in the table."""
    ours, table = (np.array([values[cell] for cell in scores]) for values in (scores, truth))
    better = table >= np.median(table)
    return float(kendalltau(ours, table).statistic), float(kendalltau(ours[better], table[better]).statistic)


def main() -> None:
    options = parser(
        __doc__, seeds=3, epochs=100, images=10_000, side=16, cells=200, channels=8, folder="runs/supernet_ranking"
    ).parse_args()
    folder = Path(options.folder).absolute()
    path = small_cifar10(folder, options.images, options.side)
    words, truth = common(path, options.channels), test_accuracies()
    taus: dict[str, list[tuple[float, float]]] = {method: [] for method in METHODS}
    about = (
        f"{options.cells} random cells, the same for all; {options.images:,} CIFAR-10 images at {options.side} pixels, "
        f"half of them for training and half for scores; C={options.channels}, one cell a stage; {options.epochs} "
        "epochs of single paths. Truth: test accuracy in the table after 200 epochs. Mean ± deviation over seeds of "
        f"the supernet. Times: CPU time of one thread, medians of {TIMED} cells. torch {torch.__version__}."
    )
    for seed in range(options.seeds):
        for method in METHODS:
            taus[method].append(tau(scored(folder, method, seed, words, options.epochs, options.cells), truth))
            lines = [*rows(taus), "", *times(folder, path, options.channels)]
            write("supernet_ranking", "How supernets rank cells of NAS-Bench-201", about, lines)


if __name__ == "__main__":
    main()
