"""What a search will cost, said before it begins: the paper's sizes mean about 10^5 epochs of training."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from nasforge import Estimator, Run, isolated, rng_of

STEPS = 3
"""Networks that are timed, a step of training each."""


def announce(run: Run, candidates: int, trainer: Estimator | None, supernet_epochs: int) -> None:
    """Say how many networks are estimated at most, and, where they are trained, for how long."""
    if trainer is None:
        run.say(f"TS-ENAS estimates up to {candidates:,} networks; none of them is trained")
        return
    images = run.data.split(trainer.held_out).train
    epochs = candidates * trainer.epochs
    first = f"the supernet of all known cells for {_epochs(supernet_epochs)}, then " if supernet_epochs else ""
    hours = epochs * -(-len(images) // run.data.batch_size) * seconds_a_step(run, trainer) / 3600
    run.say(
        f"TS-ENAS trains {first}up to {candidates:,} networks for {_epochs(trainer.epochs)} each: {_epochs(epochs)} of "
        f"{len(images):,} images, {span(hours)} on this device by the time that a step of {STEPS} random networks took "
        "just now. Networks that come again cost nothing; budget.seconds and budget.evaluations end the search earlier."
    )


def _epochs(n: int) -> str:
    return f"{n:,} epoch{'' if n == 1 else 's'}"


def seconds_a_step(run: Run, trainer: Estimator) -> float:
    """The mean of `STEPS` random networks, each timed at its second step."""
    with isolated(0):
        rng = rng_of(run.seed, "cost")
        return sum(_timed(run, trainer, rng) for _ in range(STEPS)) / STEPS


def _timed(run: Run, trainer: Estimator, rng: np.random.Generator) -> float:
    network = run.space.build(
        run.space.sample(rng), run.data.input_shape, run.data.classes, channels=trainer.channels
    ).to(run.device)
    images = torch.randn(run.data.batch_size, *run.data.input_shape, device=run.device)
    labels = torch.zeros(run.data.batch_size, dtype=torch.long, device=run.device)
    start = 0.0
    for _ in range(2):
        start = time.perf_counter()
        cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
        if run.device.startswith("cuda"):
            torch.cuda.synchronize()
    return time.perf_counter() - start


def span(hours: float) -> str:
    """A time as a person says it."""
    if hours < 1:
        minutes = max(1, round(60 * hours))
        return f"about {minutes} minute{'' if minutes == 1 else 's'}"
    return f"about {hours:.1f} hours" if hours < 48 else f"about {hours / 24:.0f} days"
