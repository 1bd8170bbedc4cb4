"""Training the first weights of TS-ENAS on a GPU: each step trains four chains of cells, each of which is replayed."""

from __future__ import annotations

import time
import warnings

import numpy as np
import torch

from gpu_steps import CLIP, EAGER_INSTEAD, LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, Sizes
from gpu_timing import Timing
from nasforge import FitData, ImageSet, Preprocessing, SGDOptions, train
from nasforge_plugins.space.tsenas import TSENAS
from nasforge_plugins.strategy.tsenas.supernet import CellSupernet

EPOCHS = 5
"""The first epochs warm up and capture every chain; the fourth is timed."""
CHAINS = 16
SGD = SGDOptions(
    learning_rate=LEARNING_RATE,
    final_learning_rate=LEARNING_RATE,
    momentum=MOMENTUM,
    weight_decay=WEIGHT_DECAY,
    clip=CLIP,
)


def chains_step(sizes: Sizes, device: torch.device) -> dict[str, Timing]:
    """A step of a fit without graphs, and of one with a graph for each chain, unless a chain cannot be captured."""
    eager, expected = _fit(sizes, device, False)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", f".*{EAGER_INSTEAD}")
        try:
            graph, losses = _fit(sizes, device, "auto")
        except UserWarning as refused:
            warnings.warn(str(refused), stacklevel=2)
            return {"eager": Timing(eager / sizes.steps)}
    torch.testing.assert_close(losses, expected, rtol=0.05, atol=0.01)  # five epochs of rounding, on random labels
    return {"eager": Timing(eager / sizes.steps), "graph": Timing(graph / sizes.steps)}


def _fit(sizes: Sizes, device: torch.device, graph: bool | str) -> tuple[float, list[float | None]]:
    """The seconds of an epoch, and the loss of each."""
    space, rng = TSENAS(max_cells=max(4, sizes.supernet["cells"]), reductions=1), np.random.default_rng(0)
    shape, channels = (3, sizes.side, sizes.side), sizes.supernet["channels"]
    torch.manual_seed(0)
    module = CellSupernet(space, shape, 10, channels=channels, chains=CHAINS, rng=rng, optimizer=SGD)
    pixels = torch.randint(0, 256, (sizes.steps * sizes.small_batch, *shape), dtype=torch.uint8)
    half = (0.5,) * 3
    images = ImageSet.of(pixels, torch.arange(len(pixels)) % 10)
    data = FitData(images, None, Preprocessing(half, half, pad=4, flip=True), sizes.small_batch)
    trainer = {"accelerator": "gpu" if device.type == "cuda" else "cpu", "graph": graph}
    starts: list[float] = []
    train(
        module, data, name="chains", epochs=EPOCHS, seed=0, trainer=trainer,
        began=lambda _: starts.append(time.perf_counter()),
    )  # fmt: skip
    return starts[EPOCHS - 1] - starts[EPOCHS - 2], module.history["train_loss"]
