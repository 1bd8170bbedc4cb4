"""The searches behind a verdict: each strategy on each task with the same seeds and number of evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from nasforge.config.configuration import compose
from nasforge.experiment.parts import Parts
from nasforge.registry.entry_points import build
from nasforge.run.progress import Detail, Progress
from nasforge.standalone.many_seeds import check_fits, check_only_asks, simulate


@dataclass(frozen=True, eq=False)
class Searches:
    """What one strategy reached on one task.

    Attributes:
        best: (seeds, evaluations) quality of the best so far; NaN before there is one.
        seconds: (seeds, evaluations) simulated training time so far; None if the table has none.
    """

    best: np.ndarray
    seconds: np.ndarray | None


def searched(
    strategies: Sequence[str],
    grounds: Sequence[Sequence[str]],
    seeds: Sequence[int],
    evaluations: int,
    config_dir: str | PathLike[str] | None,
    progress: Progress,
) -> dict[str, list[Searches]]:
    """Return the searches of each strategy, `NAME` or `NAME,OPTION=VALUE,...`, on each task.

    All strategies are checked before the first search.

    Args:
        grounds: for each task, the words that choose it.

    Raises:
        UnknownNameError: there is no strategy of that name.
        AbilityError: a strategy trains networks.
    """
    composed = [_composed([*words, *_words(strategies[0])], evaluations, config_dir) for words in grounds]
    configs = {
        strategy: _composed([*grounds[0], *_words(strategy)], evaluations, config_dir) for strategy in strategies
    }
    quiet = Progress(detail=Detail.NOTHING)
    for config in configs.values():
        check_only_asks(build("strategy", config["strategy"]))  # a more helpful sentence than that of a space
        check_fits(Parts(config, quiet))
    done: dict[str, list[Searches]] = {strategy: [] for strategy in strategies}
    with progress.bar("searches of the verdict", len(strategies) * len(grounds)) as bar:
        for ground in composed:
            for strategy, config in configs.items():
                where = {key: ground[key] for key in ("space", "estimator", "objectives")}
                done[strategy].append(_simulated({**config, **where}, seeds, quiet))
                bar()
    return done


def _simulated(config: Mapping[str, Any], seeds: Sequence[int], progress: Progress) -> Searches:
    simulation = simulate(config, seeds, progress)
    shape = (len(seeds), simulation.asked.shape[1])  # a strategy that draws nothing is run once
    seconds = simulation.seconds
    return Searches(
        np.broadcast_to(simulation.best, shape), None if seconds is None else np.broadcast_to(seconds, shape)
    )


def _words(strategy: str) -> list[str]:
    name, *options = strategy.split(",")
    return [f"strategy={name}", *(f"strategy.{option}" for option in options)]


def _composed(words: Sequence[str], evaluations: int, config_dir: str | PathLike[str] | None) -> dict[str, Any]:
    return compose([*words, f"budget.evaluations={evaluations}"], config_dir=config_dir).config
