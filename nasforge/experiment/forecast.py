"""Print a run's plan before it begins, with the expected time of retraining."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nasforge.architecture import Architecture
from nasforge.data import FitData, SearchData
from nasforge.experiment.parts import Parts
from nasforge.experiment.retraining_options import Retraining
from nasforge.randomness import isolated, rng_of
from nasforge.run.run import Run
from nasforge.space import Network
from nasforge.training.averaging import update_average
from nasforge.wording import counted, duration


def say_plan(parts: Parts, run: Run, architecture: Architecture | None = None) -> None:
    """Print the run's folder and its phases, which are not recorded.

    Args:
        architecture: the architecture to retrain; None: a search.
    """
    progress = parts.progress
    progress.say(f"run      {run.folder}")
    if parts.reads_data:
        progress.say(f"data     {_images(parts.search_data)}")
    plan = dict(_plan(parts, run, architecture))
    for number, (phase, what) in enumerate(plan.items(), start=1):
        progress.say(f"{number} of {len(plan)}   {phase}: {what}")
    progress.begin(list(plan))


def _images(data: SearchData) -> str:
    """Describe the training images, so that a misread folder is noticed at once."""
    counts = dict(zip(data.class_names, data.class_counts, strict=True))
    each = ", ".join(f"{name} {count:,}" for name, count in counts.items()) if len(counts) <= FEW else ""
    size = " x ".join(map(str, data.input_shape[1:]))
    return (
        f"{counted(len(data.train), 'training image')} of {size}, {len(counts):,} classes{f': {each}' if each else ''}"
    )


FEW = 12
"""With more classes than this, none is named."""


def _plan(parts: Parts, run: Run, architecture: Architecture | None) -> Iterator[tuple[str, str]]:
    if architecture is None:
        strategy, how = parts.strategy, parts.control
        yield "search", f"{strategy.name} on {parts.space.name} with {parts.data_name or 'no data'}{_bounds(parts)}"
        if strategy.shares_weights:
            yield "control", f"the found and {counted(how.samples, 'random architecture')} with the shared weights"
    if parts.retraining.seeds:
        yield "retraining", _retraining(parts, run, architecture)


def _bounds(parts: Parts) -> str:
    """Describe the budget, and say that it limits only the search, which people do not expect."""
    budget = parts.budget
    evaluations = f"{counted(budget.evaluations, 'estimate')}" if budget.evaluations else ""
    seconds = duration(budget.seconds) if budget.seconds else ""
    bounds = " and ".join(bound for bound in (evaluations, seconds) if bound)
    follows = parts.strategy.shares_weights or parts.retraining.seeds
    return f", at most {bounds}{'; later phases are not counted' if follows else ''}" if bounds else ""


def _retraining(parts: Parts, run: Run, architecture: Architecture | None) -> str:
    how = parts.retraining
    data = how.fit_data(parts.data.train, run.data.preprocessing, seed=run.seed)
    networks = how.seeds + how.random
    what = f"{counted(networks, 'network')} for {counted(how.epochs, 'epoch')} on {counted(len(data.train), 'image')}"
    with isolated(0):
        network = run.space.build(
            architecture or run.space.sample(rng_of(run.seed, "forecast")),
            run.data.input_shape,
            run.data.classes,
            channels=how.channels,
            cells=how.cells,
            auxiliary=how.auxiliary,
        ).to(run.device)
        seconds = networks * how.epochs * _epoch_seconds(network, data, how, run.device)
    about = "about" if how.patience is None else "at most about"
    return f"{what}, {about} {duration(seconds)}, estimated from one step"


def _epoch_seconds(network: Network, data: FitData, how: Retraining, device: str) -> float:
    """Return the seconds of an epoch, from one batch: its augmentation, its step, the average and held-out images."""
    images = data.train[torch.arange(data.images_in_batch(0))][0].to(device)
    generator, average = torch.Generator().manual_seed(0), copy.deepcopy(network)
    batches = -(-len(data.train) // data.batch_size)
    augmented = data.preprocessing.augment(images, generator)
    seconds = batches * _seconds(lambda: data.preprocessing.augment(images, generator), images)
    seconds += batches * step_seconds(network, augmented)
    if how.ema:
        update = _seconds(lambda: update_average(average, network, how.ema, 0), images)
        seconds += batches / how.accumulate * update
    if data.validation is not None:
        with torch.no_grad():
            seconds += len(data.validation) / len(images) * _seconds(lambda: network(augmented), images)
    return seconds


def step_seconds(network: Network, images: Tensor) -> float:
    """Return the seconds of a second training step of `network` on `images` (B, C, H, W), without its optimizer."""
    labels = torch.zeros(len(images), dtype=torch.long, device=images.device)

    def step() -> None:
        logits, auxiliary = network.with_auxiliary(images)
        loss = cross_entropy(logits, labels)
        (loss if auxiliary is None else loss + cross_entropy(auxiliary, labels)).backward()  # type: ignore[no-untyped-call]

    return _seconds(step, images)


def _seconds(work: Callable[[], object], images: Tensor) -> float:
    """Return the seconds of a second call of `work`, which computes on the device of `images`."""
    work()
    start = _now(images)
    work()
    return _now(images) - start


def _now(images: Tensor) -> float:
    if images.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter()
