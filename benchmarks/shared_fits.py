"""Fits shared by two CPU processes: how much faster than one process they are, and what starting one costs.

    python benchmarks/shared_fits.py [--repeats 3] [--steps 10]

One thread a process. The rows of speed train a network of the DARTS space, and its supernet with first-order DARTS, on
the same batches with one process and with two; their weights must agree in double precision. In single precision, in
which they are timed, they drift apart by rounding, as those of one process with one and with two threads do; both
distances are written down. The rows of starting compare a fit of one step with Lightning's `ddp_spawn`, which starts
its processes for each fit anew. Writes `benchmarks/results/shared_fits.md`.
"""

from __future__ import annotations

import logging
import os
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, here and in the processes to come

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from nasforge import FitData, FitModule, NetworkModule, Preprocessing
from nasforge.images import ImageSet
from nasforge.training.ranks import Fit, Ranks
from nasforge_plugins.space.darts import DARTS
from nasforge_plugins.strategy.darts.module import GradientAlphas
from reporting import parser, write

SHAPE, CLASSES, BATCH = (3, 32, 32), 10, 64
SGD = {"learning_rate": 0.025, "momentum": 0.9, "weight_decay": 3e-4, "clip": 5.0}
CPU = {"accelerator": "cpu"}


def images(steps: int) -> FitData:
    """Noise of CIFAR-10's shape: what is in an image makes no step slower."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2 * steps * BATCH, *SHAPE), dtype=torch.uint8, generator=generator)
    train, validation = ImageSet.of(pixels, torch.arange(len(pixels)) % CLASSES).split(0.5, 0)
    half = (0.5,) * SHAPE[0]
    return FitData(train, validation, Preprocessing(half, half, pad=4, flip=True), BATCH)


def network() -> FitModule:
    space = DARTS()
    one = space.sample(np.random.default_rng(0))
    return NetworkModule(space.build(one, SHAPE, CLASSES, channels=16, cells=5), **SGD)


def supernet() -> FitModule:
    space = DARTS()
    small = space.supernet(SHAPE, CLASSES, channels=8, cells=3)
    return GradientAlphas(small, space, epochs=1, final_learning_rate=0.001, **SGD)


def fitted(
    make: Callable[[], FitModule], ranks: Ranks, data: FitData, precision: str = "32-true", threads: int = 1
) -> tuple[FitModule, float]:
    """The module and its seconds."""
    torch.manual_seed(0)
    module = make()
    trainer = {**CPU, "precision": precision}
    fit = Fit(module, data, threads, {"name": "fit", "epochs": 1, "seed": 0, "trainer": trainer})
    start = time.perf_counter()
    ranks.train(fit)
    return module, time.perf_counter() - start


def distance(one: FitModule, other: FitModule) -> float:
    """The largest difference between two numbers of equal names."""
    state = other.state_dict()
    return max(float((state[name] - tensor).abs().max()) for name, tensor in one.state_dict().items())


def speed(make: Callable[[], FitModule], two: Ranks, data: FitData, repeats: int) -> list[float]:
    exact = [fitted(make, ranks, data, "64-true")[0] for ranks in (Ranks(), two)]
    assert distance(*exact) < 1e-8, "two processes reach another result than one"
    return [fitted(make, Ranks(), data)[1] / fitted(make, two, data)[1] for _ in range(repeats)]


def drift(make: Callable[[], FitModule], two: Ranks, data: FitData) -> tuple[float, float]:
    """How far rounding takes one process from two, and one thread from two."""
    alone = fitted(make, Ranks(), data)[0]
    return distance(alone, fitted(make, two, data)[0]), distance(alone, fitted(make, Ranks(), data, threads=2)[0])


class Plain(pl.LightningModule):
    """What one would write for Lightning alone."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(SHAPE)), CLASSES))

    def training_step(self, batch: Any, batch_index: int) -> torch.Tensor:
        images, labels = batch
        return cross_entropy(self.network(images), labels)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


def spawned() -> float:
    """Seconds of one step of a linear layer under Lightning's launcher; ours trains a network of cells."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    loader = DataLoader(TensorDataset(torch.zeros(BATCH, *SHAPE), torch.zeros(BATCH).long()), BATCH // 2)
    quiet: dict[str, Any] = {
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "logger": False,
    }
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(max_steps=1, strategy="ddp_spawn", devices=2, **CPU, **quiet)
        trainer.fit(Plain(), loader)
    return time.perf_counter() - start


def row(what: str, ratios: list[float]) -> str:
    return f"| {what} | {statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} |"


def main() -> None:
    options = parser(__doc__, repeats=3, steps=10).parse_args()
    torch.set_num_threads(1)
    two, data, one_step = Ranks(2), images(options.steps), images(1)
    first = spawned() / fitted(network, two, one_step)[1]  # which starts the other process
    speeds = {
        f"a network of 5 cells and 16 channels, {options.steps} steps of {BATCH}": speed(
            network, two, data, options.repeats
        ),
        f"DARTS on 3 cells and 8 channels, {options.steps} steps of {BATCH}": speed(
            supernet, two, data, options.repeats
        ),
    }
    processes, threads = drift(network, two, data)
    later = [spawned() / fitted(network, two, one_step)[1] for _ in range(options.repeats)]
    about = (
        f"{os.cpu_count()} processors, one thread a process, torch {torch.__version__}, gloo. Median of "
        f"{options.repeats} ratios, each of one pair of runs. The weights of both agree to 1e-8 in double precision. "
        f"In single precision rounding takes the network's apart by {processes:.1g}, and those of one process with one "
        f"and with two threads by {threads:.1g}."
    )
    lines = [
        "| one process's seconds by two processes' | ratio | range |",
        "| --- | ---: | ---: |",
        *(row(what, ratios) for what, ratios in speeds.items()),
        "",
        "| a fit of one step: `ddp_spawn`'s seconds by ours | ratio | range |",
        "| --- | ---: | ---: |",
        row("the first fit of a run, which starts the other process", [first]),
        row("every later one", later),
    ]
    two.close()
    write("shared_fits", "Fits shared by two processes", about, lines)


if __name__ == "__main__":
    main()
