"""The searches behind a verdict: each strategy on each task with the same seeds and number of evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from nasforge.config.configuration import compose
from nasforge.experiment.parts import Parts
from nasforge.judging.tasks import Task
from nasforge.registry.entry_points import build
from nasforge.run.progress import Detail, Progress
from nasforge.standalone.many_seeds import check_fits, check_only_asks, simulate


@dataclass(frozen=True, eq=False)
class Searches:
    """What one strategy reached on one task.

    Attributes:
        best: (seeds, evaluations) quality of the best so far; NaN before there is one.
        seconds: (seeds, evaluations) simulated training time so far; None if the table has none.
        fronts: for each seed, the Pareto front (n, objectives) as costs; none for a single objective.
    """

    best: np.ndarray
    seconds: np.ndarray | None
    fronts: Sequence[np.ndarray] = ()


def searched(
    strategies: Sequence[str],
    tasks: Sequence[Task],
    estimator: str,
    seeds: Sequence[int],
    evaluations: int,
    config_dir: str | PathLike[str] | None,
    progress: Progress,
) -> dict[str, list[Searches]]:
    """Return the searches of each strategy, `NAME` or `NAME,OPTION=VALUE,...`, on each task.

    All strategies are checked before the first search.

    Args:
        estimator: name of the one that looks candidates up.

    Raises:
        UnknownNameError: there is no strategy of that name.
        AbilityError: a strategy trains networks.
    """
    words = [task.words(estimator) for task in tasks]
    grounds = [_composed([*each, *_words(strategies[0])], evaluations, config_dir) for each in words]
    configs = {strategy: _composed([*words[0], *_words(strategy)], evaluations, config_dir) for strategy in strategies}
    quiet = Progress(detail=Detail.NOTHING)
    for config in configs.values():
        check_only_asks(build("strategy", config["strategy"]))  # a more helpful sentence than that of a space
        check_fits(Parts(config, quiet))
    done: dict[str, list[Searches]] = {strategy: [] for strategy in strategies}
    with progress.bar("searches of the verdict", len(strategies) * len(tasks)) as bar:
        for task, ground in zip(tasks, grounds, strict=True):
            for strategy, config in configs.items():
                where = {key: ground[key] for key in ("space", "estimator", "objectives")}
                done[strategy].append(_simulated(task, {**config, **where}, seeds, quiet))
                bar()
    return done


def _simulated(task: Task, config: Mapping[str, Any], seeds: Sequence[int], progress: Progress) -> Searches:
    simulation = simulate(config, seeds, progress)
    shape = (len(seeds), simulation.asked.shape[1])  # a strategy that draws nothing is run once
    seconds, fronts = simulation.seconds, list(task.fronts(simulation))
    return Searches(
        np.broadcast_to(task.reached(simulation), shape),
        None if seconds is None else np.broadcast_to(seconds, shape),
        fronts * len(seeds) if len(fronts) == 1 else fronts,
    )


def _words(strategy: str) -> list[str]:
    name, *options = strategy.split(",")
    return [f"strategy={name}", *(f"strategy.{option}" for option in options)]


def _composed(words: Sequence[str], evaluations: int, config_dir: str | PathLike[str] | None) -> dict[str, Any]:
    return compose([*words, f"budget.evaluations={evaluations}"], config_dir=config_dir).config
