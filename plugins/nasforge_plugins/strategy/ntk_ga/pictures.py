"""What a run of the GA shows: each score over the generations, and the population nearing the origin of three."""

from __future__ import annotations

from collections.abc import Sequence

from nasforge import Architecture, Generation, Run, fitness_over_generations, scores_in_space, words

from .landmarks import landmarks


def keep_pictures(run: Run, populations: Sequence[Sequence[Architecture]], random: int) -> None:
    """Best and spread of each objective, and the first three in space; networks with a flagged score are left out.

    Args:
        random: architectures beside which the population is shown, with well-known networks; 0: neither. There is no
            such picture where these cannot be scored, by a table say, or where fewer than three scores are followed.
    """
    measured = {one.architecture: one for one in run.evaluations if one.ok and not one.reason}
    generations = [
        Generation("", tuple(measured[one] for one in population if one in measured)) for population in populations
    ]
    if not any(generation.population for generation in generations):
        return
    for objective in run.objectives:
        caption = f"The population's {words(objective.metric)} over the generations"
        run.keep(f"{objective.metric}.svg", fitness_over_generations(generations, objective), caption)
    if len(run.objectives) > 2:
        svg = scores_in_space(generations, run.objectives)
        run.keep("scores.svg", svg, "The population in three scores, each scaled from its best to its worst")
        if random and all(estimator.builds for estimator in run.estimators):
            _keep_landmarks(run, generations[-1:], random)


def _keep_landmarks(run: Run, last: Sequence[Generation], random: int) -> None:
    others = landmarks(run, random)
    try:
        svg = scores_in_space(last, run.objectives, others)
    except ValueError as nobody:
        run.notes.append(f"the last population is not shown beside known networks: {nobody}")
    else:
        run.keep("landmarks.svg", svg, "The last population beside known networks and random architectures")
