"""What a TS-ENAS run shows: how the population fared in both stages, and what inheritance was worth."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence

from nasforge import (
    Evaluation,
    Generation,
    Objective,
    Run,
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
        run.notes.append(saved(generations, inheritance, fitness))
        run.keep(
            "inherited.svg", inherited_over_generations(generations), "What each new network inherited of its tensors"
        )


def saved(generations: Sequence[Generation], inheritance: Inheritance, fitness: Objective) -> str:
    """What inheritance was worth, in a sentence or two."""
    new = [one for generation in generations for one in generation.new if one.ok]
    share = statistics.fmean(one.metrics["inherited"] for one in new)
    repeated = sum(one.repeated for one in generations)
    told = f"{len(new)} networks began with {share:.0%} of their tensors inherited"
    told += f"; {repeated} more had been met before and were not trained again" if repeated else ""
    return f"{told}. {_compared(inheritance.compared, fitness)}" if inheritance.compared else told


def _compared(pairs: Sequence[tuple[Evaluation, Evaluation]], fitness: Objective) -> str:
    heirs, alone = (statistics.fmean(one.metrics[fitness.metric] for one in side) for side in zip(*pairs, strict=True))
    percent = fitness.metric == "accuracy"
    shown = [f"{value:.1%}" if percent else f"{value:.4g}" for value in (heirs, alone)]
    epochs = max(one.metrics.get("train_epochs", 0) for _, one in pairs)
    return (
        f"The rough search's best {len(pairs)}, trained for {epochs:g} epoch{'' if epochs == 1 else 's'}, have "
        f"{words(fitness.metric)} {shown[0]} with what they inherited and {shown[1]} from scratch (the first is the "
        "figure that they were chosen for)"
    )


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
