"""Do rankings of architectures under fewer images and lower resolution agree with those on all data? (ME-DARTS, sec. 4)

    python benchmarks/data_approximation.py [--networks 10] [--images 2000] [--epochs 8] [--channels 4] [--cells 3]
    python benchmarks/data_approximation.py --full      # needs a GPU: the paper's 10 networks, 8 cells, 100 epochs

Random architectures of the DARTS space are trained from scratch on real CIFAR-10 in each setting, and scored on the
same held-out training images, scaled as in the setting. Each setting is a run of nasforge, so the command resumes after
a kill. `again` uses all data with other seeds; no approximation can agree better than that. Writes
`benchmarks/results/data_approximation.md`.
"""

from __future__ import annotations

import argparse
import os
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.stats import bootstrap, kendalltau, pearsonr

from gradient_family import CLASSES, packed
from nasforge import (
    Architecture,
    Context,
    Estimate,
    Estimator,
    FitData,
    ImageSet,
    NetworkModule,
    Objective,
    Preprocessing,
    SearchData,
    ordered_batches,
    score,
    train,
)
from nasforge.journal.journal import Journal
from nasforge.registry.entry_points import build
from nasforge.run.resources import Budget, Machinery
from nasforge.run.run import Run
from reporting import parser, spread, write

DATA = Path(os.environ.get("NASFORGE_DATA") or Path(__file__).parents[2] / "shared" / "data") / "cifar10"
MEAN, DEVIATION = (0.49139968, 0.48215841, 0.44653091), (0.24703223, 0.24348513, 0.26158784)


@dataclass(frozen=True)
class Setting:
    """Training data: a fraction of the images, at a fraction of their resolution."""

    name: str
    share: float = 1.0
    scale: float = 1.0
    seed: int = 0


SETTINGS = (
    Setting("all data"),
    Setting("again", seed=1),
    Setting("half of the images", 0.5),
    Setting("a quarter of the images", 0.25),
    Setting("half the resolution", 1.0, 0.5),
    Setting("half of both", 0.5, 0.5),
)


class Approximated(Estimator):
    """Held-out accuracy after training on part of the data."""

    name: ClassVar[str] = "approximated"
    objectives = (Objective("accuracy", "max"),)

    def __init__(self, setting: Setting, epochs: int, channels: int, cells: int) -> None:
        self.setting, self.epochs, self.size = setting, epochs, {"channels": channels, "cells": cells}
        self.options = {"share": setting.share, "scale": setting.scale, "epochs": epochs, **self.size}

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """Train on the setting's part of one half, score on the other half."""
        whole, setting = context.data.halves(), self.setting
        part = whole.train.subset(round(setting.share * len(whole.train)), context.data.seed).scaled(setting.scale)
        assert whole.validation is not None
        held_out = whole.validation.scaled(setting.scale)
        preprocessing = replace(whole.preprocessing, pad=round(whole.preprocessing.pad * setting.scale))
        network = context.space.build(architecture, part.shape, context.data.classes, **self.size)
        module = NetworkModule(network, learning_rate=0.05, momentum=0.9, weight_decay=3e-4, clip=5.0)
        trainer: dict[str, Any] = {"accelerator": "cpu" if context.device == "cpu" else "auto", "devices": 1}
        fit = FitData(part, None, preprocessing, whole.batch_size)
        train(module, fit, name="candidate", epochs=self.epochs, seed=context.seed, trainer=trainer)
        network.eval().to(context.device)
        found = score(network, ordered_batches(held_out, preprocessing, 500, context.device))
        return Estimate({"accuracy": found["accuracy"]})


def accuracies(setting: Setting, options: argparse.Namespace) -> np.ndarray:
    """Accuracies (networks,) of the same random architectures in the same order."""
    space = build("space", {"name": "darts"})
    rng = np.random.default_rng(0)
    asked = [space.sample(rng) for _ in range(options.networks)]
    folder = options.runs.resolve() / setting.name.replace(" ", "_")
    folder.mkdir(parents=True, exist_ok=True)
    estimator = Approximated(setting, options.epochs, options.channels, options.cells)
    trainer = {"accelerator": "auto" if options.full else "cpu", "devices": 1}
    with closing(Journal(folder)) as journal:
        run = Run(
            folder,
            journal,
            space=space,
            data=images(2 * options.images),
            estimators=[estimator],
            seed=setting.seed,
            budget=Budget(),
            machinery=Machinery(trainer=trainer, threads=options.threads),
        )
        found = run.estimate(asked)
    print(setting.name, [f"{evaluation.metrics['accuracy']:.3f}" for evaluation in found], flush=True)
    return np.array([evaluation.metrics["accuracy"] for evaluation in found])


def images(n: int) -> SearchData:
    """The first `n` training images of CIFAR-10 in the shared data's order, which is balanced."""
    files = [packed(DATA / f"cifar10_train_{part}of5.npz", 10_000) for part in range(1, 1 + -(-n // 10_000))]
    pixels, labels = (torch.cat(parts)[:n] for parts in zip(*files, strict=True))
    return SearchData(ImageSet.of(pixels, labels), tuple(CLASSES), Preprocessing(MEAN, DEVIATION, 4, True), 64, 0)


def agreement(reference: np.ndarray, other: np.ndarray) -> str:
    """Kendall's tau and Pearson's r with 95 % intervals: percentile bootstrap over networks, in pairs."""
    cells = []
    for measure in (kendalltau, pearsonr):
        interval = bootstrap(
            (reference, other),
            lambda a, b, measure=measure: measure(a, b).statistic,
            paired=True,
            vectorized=False,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
        cells.append(f"{measure(reference, other).statistic:.2f} ({interval.low:.2f} to {interval.high:.2f})")
    return " | ".join(cells)


def main() -> None:
    command_line = parser(
        __doc__,
        networks=10,
        images=2000,
        epochs=8,
        channels=4,
        cells=3,
        threads=1,
        runs=Path("runs") / "data_approximation",
    )
    command_line.add_argument(
        "--full", action="store_true", help="10 networks, 25,000 images, 100 epochs, C=16, 8 cells"
    )
    options = command_line.parse_args()
    if options.full:
        options.images, options.epochs, options.channels, options.cells = 25_000, 100, 16, 8
    found = {setting.name: accuracies(setting, options) for setting in SETTINGS}
    reference = found[SETTINGS[0].name]
    about = (
        f"{options.networks} random architectures of the DARTS space (C={options.channels}, {options.cells} cells), "
        f"each trained for {options.epochs} epochs on real CIFAR-10 and scored on {options.images:,} held-out training "
        "images. Agreement with the accuracies on all data, with 95 % bootstrap intervals over the networks. `again` "
        "is all data with other seeds: the noise of a training. ME-DARTS reports correlations of 0.9899 for smaller "
        "subsets and 0.8827 for low resolution (10 networks, 8 cells, 100 epochs)."
    )
    lines = [
        "| trained on | images | resolution | accuracy, % | Kendall's tau | Pearson's r |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for setting in SETTINGS:
        values = found[setting.name]
        side, n = round(32 * setting.scale), round(setting.share * options.images)
        agreed = "1 | 1" if setting is SETTINGS[0] else agreement(reference, values)
        lines.append(f"| {setting.name} | {n:,} | {side}x{side} | {spread(values, 100, 1)} | {agreed} |")
    write("data_approximation", "Rankings under fewer images and lower resolution", about, lines)


if __name__ == "__main__":
    main()
