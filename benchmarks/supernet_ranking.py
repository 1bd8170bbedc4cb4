"""How a supernet ranks cells of NAS-Bench-201, and how much sooner than training each: real CIFAR-10 images.

    python benchmarks/supernet_ranking.py [--seeds 3] [--epochs 100] [--rate 0.1] [--side 16] [--cells 200]

Supernets are trained by uniform and fair single paths and by DARTS, for equally many passes of a path: a fair step
passes five paths, and a step of DARTS computes all five operations twice, for the alphas and for the weights. Each then
scores the same random cells on the validation half, with BatchNorm statistics of each cell's own. Every training and
every scoring is a run of nasforge, so the command goes on after a kill. Writes
`benchmarks/results/supernet_ranking.md` after each of them.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kendalltau, rankdata

from nasforge import Architecture, Context, Estimator, SearchData, SearchSpace, isolated, rng_of
from nasforge.config.configuration import compose
from nasforge.journal.journal import atomic, write_json
from nasforge.registry.entry_points import build
from reporting import parser, spread, write
from searches import cifar10_root, searched, test_accuracies

Agreement = tuple[float, float, float]
OPERATIONS = 5
METHODS = {
    "uniform paths (SPOS)": ("single_path", "strategy.sampling=uniform", 1),
    "fair paths (FairNAS)": ("single_path", "strategy.sampling=fair", OPERATIONS),
    "DARTS": ("darts", "strategy.order=1", 2 * OPERATIONS),
}
"""The strategy, an option of it, and how many passes of a path one of its steps costs."""
CONTROL = "control.samples=1"
FEW_SHOT = "https://github.com/aoiang/few-shot-NAS/issues/1"
PUBLISHED = (
    "Published, for a one-shot supernet at the table's size after 600 epochs on CIFAR-10: a tau of 0.50 by the authors "
    f"of few-shot NAS, and 0.52, 0.53 and 0.54 by a reader of theirs ([issue 1 of their repository]({FEW_SHOT})). How "
    "these supernets sampled their paths is not said there."
)
UNUSED = 10
"""Test images: without any, a fifth of the training images would be held out."""
CALIBRATION_BATCHES = 4
TIMED, FEWER = 5, 5
"""How many cells are scored and trained to compare their times, and how many times fewer the images are for that."""
FEW = 1000
"""Images of `estimator.supernet.images`, in the other comparison of times."""


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


SHORT = ["strategy.evolution.population=2", "strategy.evolution.generations=1"]
"""Of `single_path`: only its supernet is wanted."""


def common(path: Path, channels: int, batch_size: int, pad: int) -> list[str]:
    """The words of every command."""
    return [
        "space=nasbench201", f"space.channels={channels}", "data=arrays", f"data.path={path}", f"data.pad={pad}",
        f"data.batch_size={batch_size}", "retrain.seeds=0", "executor.threads=1", "trainer.accelerator=cpu", CONTROL,
    ]  # fmt: skip


def scored(
    folder: Path, method: str, seed: int, words: Sequence[str], epochs: int, rate: float, cells: int
) -> dict[str, float]:
    """Train a supernet, then score random cells with it: accuracy by notation."""
    strategy, option, passes = METHODS[method]
    name = f"{strategy}_{option.partition('=')[2]}_{seed}"
    trained = folder / name
    small = SHORT if strategy == "single_path" else []
    length = [f"strategy.epochs={max(1, round(epochs / passes))}", f"strategy.optimizer.learning_rate={rate}"]
    searched(trained, [f"strategy={strategy}", option, *length, f"seed={seed}", *small, *words])
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


def times(folder: Path, words: Sequence[str], channels: int) -> Iterator[str]:
    """Rows about the time of a score, as a ratio to one epoch of training; measured once."""
    file = folder / "times.json"
    if not file.exists():
        searched(folder / "timed", ["strategy=single_path", "strategy.epochs=1", *SHORT, *words])
        config = compose(words).config
        space: SearchSpace = build("space", config["space"])
        data = build("data", config["data"]).for_search(0)
        data = data.subset(len(data.train) // FEWER)
        rng = rng_of("supernet ranking")
        cells = [space.sample(rng) for _ in range(TIMED)]
        run = {"run": str(folder / "timed"), "calibration_batches": CALIBRATION_BATCHES // FEWER or 1}
        scores = [
            seconds(build("estimator", {"name": "supernet", "images": images, **run}), cells, space, data)
            for images in (None, FEW // FEWER)
        ]
        sizes = {"the supernet's": (channels, 1), "the table's": (16, 5)}
        training = {"name": "training", "epochs": 1, "held_out": 0.5}
        epochs = {
            f"{whose} size, C={width}, N={depth}": seconds(
                build("estimator", {**training, "channels": width, "cells": depth}), cells, space, data
            )
            for whose, (width, depth) in sizes.items()
        }
        write_json(file, {size: [epoch / score for score in scores] for size, epoch in epochs.items()})
    yield f"| how much sooner 1,000 candidates are scored than trained for one epoch | on all images | on {FEW:,} |"
    yield "| --- | --- | --- |"
    for size, ratios in json.loads(file.read_text()).items():
        yield f"| at {size} | {' | '.join(f'**{ratio:.1f}**' for ratio in ratios)} |"


def rows(taus: dict[str, list[Agreement]], by_table: float) -> Iterator[str]:
    yield "| weights of | seeds | Kendall's tau, all cells | in the better half of them | decided by the direct edge |"
    yield "| --- | --- | --- | --- | --- |"
    for method, agreements in taus.items():
        if agreements:
            whole, half, direct = (spread(values) for values in zip(*agreements, strict=True))
            yield f"| {method} | {len(agreements)} | **{whole}** | {half} | {direct} |"
    yield f"| the table | | | | {by_table:.2f} |"


def agreement(scores: dict[str, float], truth: dict[str, float]) -> Agreement:
    """Kendall's tau with the table over all cells, that over those above its median, and `direct_share`."""
    ours, table = (np.array([values[cell] for cell in scores]) for values in (scores, truth))
    better = table >= np.median(table)
    whole, half = kendalltau(ours, table), kendalltau(ours[better], table[better])
    return float(whole.statistic), float(half.statistic), direct_share(scores)


def direct_share(values: dict[str, float]) -> float:
    """How much of the variance of ranks lies between cells whose edges from input to output differ in operation."""
    ranks = rankdata(list(values.values()))
    operations = np.array([cell.rpartition("+|")[2].partition("~")[0] for cell in values])
    groups = [ranks[operations == operation] for operation in np.unique(operations)]
    return 1 - sum(len(group) * float(group.var()) for group in groups) / (len(ranks) * float(ranks.var()))


def main() -> None:
    numbers = {"epochs": 100, "images": 10_000, "side": 16, "cells": 200, "channels": 8, "batch_size": 64, "rate": 0.1}
    options = parser(__doc__, seeds=3, **numbers, folder="runs/supernet_ranking").parse_args()
    folder = Path(options.folder).absolute()
    path = small_cifar10(folder, options.images, options.side)
    words = common(path, options.channels, options.batch_size, pad=options.side // 8)
    truth = test_accuracies()
    taus: dict[str, list[Agreement]] = {method: [] for method in METHODS}
    steps = options.epochs * math.ceil(options.images / 2 / options.batch_size)
    about = (
        f"{options.cells} random cells, the same for all; {options.images:,} CIFAR-10 images at {options.side} pixels, "
        f"half of them for training and half for scores; C={options.channels}, one cell a stage; {options.epochs} "
        f"epochs of single paths in batches of {options.batch_size}, {steps:,} steps, learning rate {options.rate:g}. "
        "Truth: test accuracy in the table after 200 epochs. Mean ± deviation over seeds of the supernet. The sandwich "
        "rule is for spaces with sizes, which this is not. The last column is the share of the variance of ranks that "
        "lies between cells with different operations on the edge from input to output. Times: ratios of CPU times of "
        "one thread, medians of "
        f"{TIMED} cells; a score has {CALIBRATION_BATCHES} batches of 256 images for its BatchNorms. "
        f"torch {torch.__version__}."
    )
    for seed in range(options.seeds):
        for method in METHODS:
            scores = scored(folder, method, seed, words, options.epochs, options.rate, options.cells)
            taus[method].append(agreement(scores, truth))
            by_table = direct_share({cell: truth[cell] for cell in scores})
            lines = [*rows(taus, by_table), "", PUBLISHED, "", *times(folder, words, options.channels)]
            write("supernet_ranking", "How supernets rank cells of NAS-Bench-201", about, lines)


if __name__ == "__main__":
    main()
