"""What a run of the GA shows: each score over the generations, and the population nearing the origin of three."""

from __future__ import annotations

from collections.abc import Sequence

from nasforge import Architecture, Generation, Run, fitness_over_generations, scores_in_space, words


def keep_pictures(run: Run, populations: Sequence[Sequence[Architecture]]) -> None:
    """Best and spread of each objective, and the first three in space; networks with a flagged score are left out."""
    measured = {one.architecture: one for one in run.evaluations if one.ok and not one.reason}
    generations = [
        Generation("", tuple(measured[one] for one in population if one in measured)) for population in populations
    ]
    if not any(generation.population for generation in generations):
        return
    for objective in run.objectives:
        caption = f"{words(objective.metric)} of the population over the generations"
        run.keep(f"{objective.metric}.svg", fitness_over_generations(generations, objective), caption)
    if len(run.objectives) > 2:
        svg = scores_in_space(generations, run.objectives)
        run.keep("scores.svg", svg, "The population in three scores, each scaled from its best to its worst")
