"""The supernet of `space=darts` on a GPU: its training step, a generation of EG-NAS, and a fit."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gpu_steps import CLIP, LEARNING_RATE, MOMENTUM, PLAIN, WEIGHT_DECAY, Sizes, Step
from gpu_timing import Run, Timing, timings
from nasforge import FitData, OneShotModule, Preprocessing, SupernetModule, batch_statistics
from nasforge.images import ImageSet
from nasforge.training.captured_steps import replaying
from nasforge.training.fit import train
from supernet_speed import Fed, Versions

SGD = {
    "learning_rate": LEARNING_RATE,
    "final_learning_rate": LEARNING_RATE,
    "momentum": MOMENTUM,
    "weight_decay": WEIGHT_DECAY,
    "clip": CLIP,
}


def supernet_step(sizes: Sizes, device: torch.device, partial: int, batch: int) -> dict[str, Timing]:
    """A step of the weights of the supernet of `space=darts`, with K = `partial`."""
    both = Versions(partial, False, batch, device, side=sizes.side, **sizes.supernet)
    plain, ours = _step(both, both.plain, both.weights[0]), _step(both, both.fast, both.mixes[0])
    return timings({PLAIN: plain.eager, "eager": ours.eager, "graph": ours.graph()}, device, sizes.repeats)


def _step(both: Versions, network: nn.Module, mix: Fed) -> Step:
    return Step(
        network, lambda images, labels: cross_entropy(network(images, *mix), labels), (both.images, both.labels)
    )


def k4_step(sizes: Sizes, device: torch.device) -> dict[str, Timing]:
    return supernet_step(sizes, device, 4, sizes.batch)


def k1_step(sizes: Sizes, device: torch.device) -> dict[str, Timing]:
    return supernet_step(sizes, device, 1, sizes.small_batch)


def generation(sizes: Sizes, device: torch.device) -> dict[str, Timing]:
    """A parent and its 25 individuals on one batch, as EG-NAS scores them."""
    both = Versions(4, False, sizes.batch, device, side=sizes.side, **sizes.supernet)
    both.plain.eval(), both.fast.eval()
    mixes = [
        {cell: rows.cpu() for cell, rows in mix.items()} for (mix,) in both.mixes[: sizes.individuals]
    ]  # points of NumPy, as in a search
    module = OneShotModule(both.fast, both.space, **SGD).to(device)
    batches = [(both.images, both.labels)]

    @torch.no_grad()
    def plain() -> list[float]:
        losses = []
        with batch_statistics(both.plain):
            for fed in (both.weights[0], *both.weights[: sizes.individuals]):
                logits = both.plain(both.images, *fed)
                losses.append(cross_entropy(logits, both.labels).item())
                (logits.argmax(1) == both.labels).sum().item()
        return losses

    def scored(forward: Callable[..., Tensor]) -> list[float]:
        with batch_statistics(both.fast):
            scores = module.score_mixes(forward, mixes[:1], batches) + module.score_mixes(forward, mixes, batches)
        return [score["cross_entropy"] for score in scores]

    def replayed() -> Callable[..., Tensor]:
        return replaying(both.fast, "the generation", str(device), graph="auto")

    kept = replayed()
    runs: dict[str, Run] = {
        PLAIN: plain,
        "eager": lambda: scored(both.fast),
        "graph": lambda: scored(kept),
        "graph, and its capture": lambda: scored(replayed()),
    }
    expected = plain()
    for run in runs.values():
        torch.testing.assert_close(run(), expected, rtol=0.01, atol=0.01)
    return timings(runs, device, sizes.repeats, warm_up=0)


def lightning_loop(sizes: Sizes, device: torch.device) -> dict[str, Timing]:
    """A step of the supernet alone, and one of the second epoch of a fit, which also reads and augments images."""
    both = Versions(4, False, sizes.batch, device, side=sizes.side, **sizes.supernet)
    bare = timings({"bare step": _step(both, both.fast, both.mixes[0]).graph()}, device, sizes.repeats)
    pixels = torch.randint(0, 256, (sizes.steps * sizes.batch, 3, sizes.side, sizes.side), dtype=torch.uint8)
    half = (0.5,) * 3
    images = ImageSet.of(pixels, torch.arange(len(pixels)) % 10)
    data = FitData(images, None, Preprocessing(half, half, pad=4, flip=True), sizes.batch)
    starts: list[float] = []
    trainer = {"accelerator": "gpu" if device.type == "cuda" else "cpu"}
    module = SupernetModule(both.fast, both.space, **SGD)
    train(
        module, data, name="fit", epochs=3, seed=0, trainer=trainer, began=lambda _: starts.append(time.perf_counter())
    )
    return {**bare, "Lightning's loop": Timing((starts[2] - starts[1]) / sizes.steps)}
