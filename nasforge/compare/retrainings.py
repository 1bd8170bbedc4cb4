"""Networks that `nasforge retrain RUN` has trained: the best of each generation, members of a population, baselines."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nasforge.compare.comparison import Comparison
from nasforge.journal.journal import digest
from nasforge.journal.named import NamedArchitectures
from nasforge.journal.records import flat, read_as
from nasforge.journal.run_folder import RunFolder
from nasforge.registry.places import path_keys
from nasforge.result import Retrained, SearchResult, TrainedNetwork
from nasforge.run.beginning import read_config
from nasforge.run.ending import check_left
from nasforge.run.folders import FinishedRun

FOUND = ("", "found")
UNNAMED = ("found", "given")
"""What a retraining calls an architecture that has no name of its own."""
Name = tuple[str, str]
"""The kind of a name, which may be empty, and the name: ("generation", "3"), ("", "RESNET18")."""


@dataclass(frozen=True)
class Retraining:
    """One network after its training from scratch.

    Attributes:
        recipe: the options of data and training, without the number of trainings.
        names: all its names.
        duration: how long it was trained, in words.
        searched: the main objective's value in the search; NaN if the search did not evaluate it.
    """

    recipe: Mapping[str, Any]
    names: tuple[Name, ...]
    network: TrainedNetwork
    duration: str
    searched: float


@dataclass(frozen=True)
class Row:
    """The retrainings of one name, at most one for each run of a group."""

    group: str
    name: Name
    retrainings: tuple[Retraining, ...]

    @property
    def accuracies(self) -> Sequence[float]:
        """The mean over trainings of each run; of a single run, the accuracy of each training."""
        if len(self.retrainings) == 1:
            return self.retrainings[0].network.test_accuracy
        return [retraining.network.mean for retraining in self.retrainings]

    @property
    def mean(self) -> float:
        """The mean of the accuracies."""
        return statistics.fmean(self.accuracies)

    @property
    def deviation(self) -> float:
        """Their sample standard deviation; NaN for one."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else math.nan

    @property
    def searched(self) -> float:
        """The main objective's mean value in the searches; NaN if one did not evaluate the network."""
        return statistics.fmean(retraining.searched for retraining in self.retrainings)

    @property
    def params_m(self) -> float:
        """The mean number of parameters in millions."""
        return statistics.fmean(retraining.network.params_m for retraining in self.retrainings)


@dataclass(frozen=True)
class TrainedAlike:
    """The networks that were trained by one recipe, in the order of their names.

    Attributes:
        duration: how long they were trained, in words.
        options: those in which the recipe differs from the other recipes of the comparison, with their values.
    """

    duration: str
    options: Mapping[str, Any]
    rows: tuple[Row, ...]


def trained_alike(comparison: Comparison) -> list[TrainedAlike]:
    """The networks that were retrained from all runs, by recipe; none if nothing was retrained."""
    rows: dict[str, dict[tuple[Name, str], list[Retraining]]] = {}
    recipes: dict[str, Retraining] = {}
    for group in comparison.groups:
        for retraining in (each for run in group.runs for each in _inside(run)):
            key = digest(retraining.recipe)
            recipes.setdefault(key, retraining)
            for name in retraining.names:
                rows.setdefault(key, {}).setdefault((name, group.name), []).append(retraining)
    places = _places(comparison.runs)

    def order(row: tuple[tuple[Name, str], object]) -> tuple[float, bool, Name]:
        (name, _), _ = row
        return places.get(name, math.inf), name != FOUND, name  # then what was found, then baselines

    return [
        TrainedAlike(
            recipes[key].duration,
            _differing(recipes[key].recipe, [other.recipe for other in recipes.values()]),
            tuple(Row(group, name, tuple(several)) for (name, group), several in sorted(named.items(), key=order)),
        )
        for key, named in rows.items()
    ]


def _inside(run: FinishedRun) -> Iterator[Retraining]:
    """What was retrained inside a run's folder, and what the run itself trained by one of these recipes.

    Of several trainings of one network by one recipe, the one with the most seeds counts.
    """
    finished = list(_finished(run))
    recipes = [_recipe(config) for config, _ in finished]
    if _recipe(run.config) in recipes:
        finished.append((run.config, run.result))
    most: dict[tuple[str, str], Retraining] = {}
    named = NamedArchitectures.of(run.folder)
    for config, result in finished:
        if result.retrain is not None:
            retraining = _retraining(run, named, config, result, result.retrain)
            key = digest(retraining.recipe), retraining.network.notation
            if key not in most or len(retraining.network.seeds) > len(most[key].network.seeds):
                most[key] = retraining
    yield from most.values()


def _finished(run: FinishedRun) -> Iterator[tuple[Mapping[str, Any], SearchResult]]:
    """The configuration and the result of each finished retraining inside a run's folder."""
    for folder in sorted(run.folder.glob(RunFolder(run.folder).retraining("*").name)):
        if RunFolder(folder).result.exists():
            check_left(folder)
            yield read_config(folder), read_as(RunFolder(folder).result, SearchResult)


def _retraining(
    run: FinishedRun, named: NamedArchitectures, config: Mapping[str, Any], result: SearchResult, retrained: Retrained
) -> Retraining:
    network, architecture = retrained.rows[0], result.architecture
    every = list(named.names_of(architecture))
    names = [name for name in every if name[0] == every[0][0]]  # a member that stands for a stage is that stage
    names += [FOUND] if architecture == run.result.architecture else []
    own = "", network.notation if network.name in UNNAMED else network.name
    goal = run.followed[0].metric if run.followed else ""
    estimates = [candidate for candidate in run.evaluations if candidate.notation == network.notation]
    longest = max(estimates, key=lambda candidate: candidate.epochs or 0, default=None)
    searched = longest.metrics if longest else {}
    return Retraining(
        _recipe(config), tuple(names) or (own,), network, retrained.duration, searched.get(goal, math.nan)
    )


def _recipe(config: Mapping[str, Any]) -> dict[str, Any]:
    """The options of data and training, without those that only say how many networks to train, and without paths."""
    options = flat({section: config.get(section) or {} for section in ("data", "retrain")})
    left_out = {*path_keys(config), "retrain.seeds", "retrain.random"}
    return {key: value for key, value in options.items() if key not in left_out}


def _differing(recipe: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in recipe.items() if any(other.get(key) != value for other in others)}


def _places(runs: Sequence[FinishedRun]) -> dict[Name, int]:
    """The place of each name in the order in which searches gave them."""
    names = [
        (kind, name)
        for run in runs
        for kind, named in NamedArchitectures.of(run.folder).by_kind.items()
        for name in named
    ]
    return {name: place for place, name in enumerate(dict.fromkeys(names))}
