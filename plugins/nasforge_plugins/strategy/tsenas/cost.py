"""What a search will cost, said before it begins: the paper's sizes mean about 10^5 epochs of training."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from nasforge import Estimator, Run, isolated, rng_of

from .inheritance import Inheritance
from .supernet import PATHS

TIMED = 3
"""Random networks, a step of training of each of which is timed."""


def announce(run: Run, inheritance: Inheritance, *, candidates: int, supernet_epochs: int, from_scratch: int) -> None:
    """Say how many networks are estimated at most, and, where they are trained, for how long.

    Args:
        candidates: of both stages together.
        supernet_epochs: 0 if another search's store takes its place.
        from_scratch: networks that are trained once more where something is inherited.
    """
    trainer = inheritance.trainer
    if trainer is None:
        run.say(f"TS-ENAS estimates up to {candidates:,} networks; none of them is trained")
        return
    candidates += from_scratch * inheritance.active
    supernet = supernet_epochs * inheritance.active
    first = (
        f"the supernet of all known cells for {_epochs(supernet)}, {PATHS} chains at a time, then " if supernet else ""
    )
    hours = seconds(run, trainer, candidates, supernet) / 3600
    run.say(
        f"TS-ENAS trains {first}up to {candidates:,} networks for {_epochs(trainer.epochs)} each: "
        f"{_epochs(candidates * trainer.epochs + supernet * PATHS)} in all, {span(hours)} on this device, judged by "
        f"one training step of each of {TIMED} random networks. Networks that come again cost nothing; "
        "budget.evaluations ends the search earlier, budget.seconds at the end of a generation."
    )


def _epochs(n: int) -> str:
    return f"{n:,} epoch{'' if n == 1 else 's'}"


def seconds(run: Run, trainer: Estimator, candidates: int, supernet_epochs: int) -> float:
    """What so many candidates and the supernet take on this device, scoring included."""
    data = run.data.split(trainer.held_out)
    assert data.validation is not None  # split() always makes both
    batches, scored = (-(-len(images) // data.batch_size) for images in (data.train, data.validation))
    with isolated(0):
        rng = rng_of(run.seed, "cost")
        steps = [_timed(run, trainer, rng) for _ in range(TIMED)]
    step, forward = (sum(each) / TIMED for each in zip(*steps, strict=True))
    one = trainer.epochs * batches * step + (batches + scored) * forward
    return float(candidates * one + supernet_epochs * PATHS * batches * step)


def _timed(run: Run, trainer: Estimator, rng: np.random.Generator) -> tuple[float, float]:
    """Seconds of one training step of a random network, and of its forward pass alone; the first try is not counted."""
    torch.set_num_threads(run.threads)
    shape, batch = run.data.input_shape, run.data.batch_size
    network = run.space.build(run.space.sample(rng), shape, run.data.classes, channels=trainer.channels).to(run.device)
    images = torch.randn(batch, *shape, device=run.device)
    labels = torch.zeros(batch, dtype=torch.long, device=run.device)
    clock = [0.0, 0.0, 0.0]
    for _ in range(2):
        clock[0] = _now(run)
        loss = cross_entropy(network(images), labels)
        clock[1] = _now(run)
        loss.backward()  # type: ignore[no-untyped-call]
        clock[2] = _now(run)
    return clock[2] - clock[0], clock[1] - clock[0]


def _now(run: Run) -> float:
    if run.device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter()


def span(hours: float) -> str:
    """A time as a person says it."""
    if hours < 1:
        minutes = max(1, round(60 * hours))
        return f"about {minutes} minute{'' if minutes == 1 else 's'}"
    return f"about {hours:.1f} hours" if hours < 48 else f"about {hours / 24:.0f} days"
