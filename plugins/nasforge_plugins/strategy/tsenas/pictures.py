"""What a TS-ENAS run shows: how the population fared in both stages, and what inheritance was worth."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence

from nasforge import (
    Generation,
    Objective,
    Run,
    amount,
    fitness_over_generations,
    inherited_over_generations,
    population_slices,
    words,
)

from .inheritance import Inheritance

SIZES = ("params_m", "params")


def keep_pictures(run: Run, generations: Sequence[Generation], inheritance: Inheritance) -> None:
    """`generations.json`, fitness, slices of the population, and the share that was inherited."""
    fitness = run.objectives[0]
    run.keep("generations.json", json.dumps([_row(one, fitness) for one in generations], indent=1))
    if not any(one.ok for generation in generations for one in generation.population):
        return
    run.keep(
        "fitness.svg",
        fitness_over_generations(generations, fitness),
        f"{words(fitness.metric).capitalize()} of the population over the generations of both stages",
    )
    measured = next(one for generation in generations for one in generation.population if one.ok).metrics
    if size := next((name for name in SIZES if name in measured and name != fitness.metric), None):
        run.keep(
            "slices.svg",
            population_slices(generations, fitness, size),
            "Where the population stood, by slices of generations",
        )
    if inheritance.weights is not None:
        run.notes.append(saved(generations, inheritance))
        run.keep(
            "inherited.svg", inherited_over_generations(generations), "What each new network inherited of its tensors"
        )


def saved(generations: Sequence[Generation], inheritance: Inheritance) -> str:
    """What inheritance was worth, and what it cost, in a few sentences."""
    trained = [one for generation in generations for one in generation.new if one.metrics]
    shares = [one.metrics["inherited"] for one in trained if "inherited" in one.metrics]
    repeated = sum(one.repeated for one in generations)
    told = [f"{_counted(len(trained), 'network')} began with inherited weights"]
    told[0] += f", on average {statistics.fmean(shares):.0%} of their tensors" if shares else ""
    if repeated:
        told.append(f"{_counted(repeated, 'child', 'children')} had been met before and cost nothing")
    if inheritance.compared:
        told.append(_compared(inheritance))
    return ". ".join(told)


def _compared(inheritance: Inheritance) -> str:
    """The networks that were trained both ways, by the metric that their training is for."""
    assert inheritance.trainer is not None  # there is a comparison
    metric, epochs = inheritance.trainer.objectives[0].metric, inheritance.trainer.epochs
    heirs, alone = (
        statistics.fmean(one.metrics[metric] for one in side) for side in zip(*inheritance.compared, strict=True)
    )
    n = len(inheritance.compared)
    who = "The rough search's best" if n == 1 else f"The best {n} of the rough search"
    return (
        f"{who}, trained for {_counted(epochs, 'epoch')}: {words(metric)} {amount(metric, heirs)} with what was "
        f"inherited, by which they were chosen, and {amount(metric, alone)} from scratch"
    )


def _counted(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"


def _row(generation: Generation, fitness: Objective) -> dict[str, object]:
    values = [one.metrics[fitness.metric] for one in generation.population if one.ok]
    shares = [one.metrics["inherited"] for one in generation.new if "inherited" in one.metrics]
    best = max if fitness.direction == "max" else min
    return {
        "stage": generation.stage,
        "best": best(values) if values else None,
        "median": statistics.median(values) if values else None,
        "population": [str(one.architecture) for one in generation.population],
        "new": len(generation.new),
        "repeated": generation.repeated,
        "inherited": statistics.fmean(shares) if shares else None,
    }
