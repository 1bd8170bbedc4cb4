"""What a user sees of TS-ENAS: how long it will take, how the population fared, and what inheritance was worth."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence

import numpy as np
import torch

from nasforge import (
    Estimator,
    Evaluation,
    Objective,
    Run,
    amount,
    counted,
    duration,
    isolated,
    rng_of,
    step_seconds,
    words,
)
from nasforge_plugins.shared.generations import (
    Generation,
    fitness_over_generations,
    inherited_over_generations,
    population_slices,
)

from .inheritance import Archive, Inheritance
from .supernet import PATHS

TIMED = 3
"""Random networks whose training step is timed."""
SIZES = ("params_m", "params")


def forecast(run: Run, inheritance: Inheritance, candidates: int, supernet_epochs: int, from_scratch: int) -> None:
    """Say how many networks the search evaluates at most and how long it trains them.

    Args:
        candidates: of both stages together.
        supernet_epochs: 0 if another search's store takes its place.
        from_scratch: networks that are also trained without inheritance.
    """
    trainer = inheritance.trainer
    if trainer is None:
        run.say(f"TS-ENAS estimates up to {candidates:,} networks; none of them is trained")
        return
    networks = candidates + from_scratch * inheritance.active
    supernet = supernet_epochs * inheritance.active
    epochs = networks * trainer.epochs + supernet * PATHS
    first = f"the supernet of all known cells for {counted(supernet, 'epoch')}, {PATHS} chains at a time, then "
    run.say(
        f"TS-ENAS trains {first if supernet else ''}up to {networks:,} networks for "
        f"{counted(trainer.epochs, 'epoch')} each: {counted(epochs, 'epoch')} in all, about "
        f"{duration(_seconds(run, trainer, epochs, networks))} on this device, judged by one training step of each of "
        f"{TIMED} random networks. Networks that come again cost nothing; budget.evaluations ends the search earlier, "
        "budget.seconds at the end of a generation."
    )


def _seconds(run: Run, trainer: Estimator, epochs: int, networks: int) -> float:
    """How long training and scoring take; a forward pass counts as a third of a training step."""
    data = run.data.split(trainer.held_out)
    assert data.validation is not None  # split() always makes both
    train, scored = (-(-len(images) // data.batch_size) for images in (data.train, data.validation))
    with isolated(0):
        rng = rng_of(run.seed, "cost")
        step = statistics.fmean(_step(run, trainer, rng) for _ in range(TIMED))
    return step * (epochs * train + networks * (train + scored) / 3)


def _step(run: Run, trainer: Estimator, rng: np.random.Generator) -> float:
    """Seconds of one training step of a random network."""
    shape = run.data.input_shape
    network = run.space.build(run.space.sample(rng), shape, run.data.classes, channels=trainer.channels)
    return step_seconds(network.to(run.device), torch.randn(run.data.batch_size, *shape, device=run.device))


def report(run: Run, archive: Archive) -> None:
    """`generations.json`, fitness, slices of the population, and the share that was inherited."""
    fitness, generations, inheritance = run.objectives[0], archive.generations, archive.inheritance
    run.keep("generations.json", json.dumps([_row(generation, fitness) for generation in generations], indent=1))
    evaluated = [evaluation for generation in generations for evaluation in generation.population if evaluation.ok]
    if not evaluated:
        return
    run.keep(
        "fitness.svg",
        fitness_over_generations(generations, fitness),
        f"{words(fitness).capitalize()} of the population over the generations of both stages",
    )
    measured = evaluated[0].metrics
    if size := next((name for name in SIZES if name in measured and name != fitness.metric), None):
        run.keep(
            "slices.svg",
            population_slices(generations, fitness, size),
            "Where the population stood, by slices of generations",
        )
    if inheritance.weights is not None:
        run.notes.append(_saved(generations, inheritance))
        run.keep(
            "inherited.svg", inherited_over_generations(generations), "What each new network inherited of its tensors"
        )


def _saved(generations: Sequence[Generation], inheritance: Inheritance) -> str:
    """What inheritance was worth, and what it cost, in a few sentences."""
    trained = [evaluation for generation in generations for evaluation in generation.new if evaluation.metrics]
    repeated = sum(generation.repeated for generation in generations)
    shares = _shares(trained)
    began = f"{counted(len(trained), 'network')} began with inherited weights"
    sentences = [f"{began}, on average {statistics.fmean(shares):.0%} of their tensors" if shares else began]
    if repeated:
        sentences.append(f"{repeated} {'child' if repeated == 1 else 'children'} had been met before and cost nothing")
    if inheritance.compared:
        sentences.append(_compared(inheritance))
    return ". ".join(sentences)


def _compared(inheritance: Inheritance) -> str:
    """The networks that were trained both ways, by the metric that their training is for."""
    assert inheritance.trainer is not None  # a comparison needs a trainer
    objective, epochs = inheritance.trainer.objectives[0], inheritance.trainer.epochs
    inherited, alone = (
        statistics.fmean(evaluation.metrics[objective.metric] for evaluation in side)
        for side in zip(*inheritance.compared, strict=True)
    )
    n = len(inheritance.compared)
    who = "The rough search's best" if n == 1 else f"The best {n} of the rough search"
    return (
        f"{who}, trained for {counted(epochs, 'epoch')}: {words(objective)} {amount(objective, inherited)} with what "
        f"was inherited, by which they were chosen, and {amount(objective, alone)} from scratch"
    )


def _row(generation: Generation, fitness: Objective) -> dict[str, object]:
    values = [evaluation.metrics[fitness.metric] for evaluation in generation.population if evaluation.ok]
    shares = _shares(generation.new)
    return {
        "stage": generation.stage,
        "best": fitness.best(np.array(values)) if values else None,
        "median": statistics.median(values) if values else None,
        "population": [str(evaluation.architecture) for evaluation in generation.population],
        "new": len(generation.new),
        "repeated": generation.repeated,
        "inherited": statistics.fmean(shares) if shares else None,
    }


def _shares(evaluations: Sequence[Evaluation]) -> list[float]:
    """The share of its tensors that each network inherited."""
    return [evaluation.metrics["inherited"] for evaluation in evaluations if "inherited" in evaluation.metrics]
