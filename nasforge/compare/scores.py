"""Scores of searches: numbers that can be averaged over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from nasforge.architecture import Objective, after_most_epochs
from nasforge.compare.fit_curves import common_curves, fit_curves
from nasforge.compare.trajectories import best_so_far, costs
from nasforge.run.folders import FinishedRun
from nasforge.statistics.hypervolumes import Box
from nasforge.wording import is_share, words

MEAN = "mean_"
"""How the name of a mean of all candidates begins."""


@dataclass(frozen=True)
class Score:
    """One number for each run.

    Attributes:
        name: the name in files.
        title: the name in tables.
        direction: `max` or `min`.
        values: for each group, a value for each run.
        percent: whether the values are fractions to show in percent.
        tested: whether rank tests compare the groups by this score even if it is not the headline.
        remeasured: whether it is a mean of the same candidates, which searches measured in several ways: none is
            better than another, so it is not tested.
    """

    name: str
    title: str
    direction: Literal["max", "min"]
    values: tuple[tuple[float, ...], ...]
    percent: bool = False
    tested: bool = False
    remeasured: bool = False

    @property
    def decimals(self) -> int:
        """Decimals to show: two for percentages; otherwise the largest mean has four significant digits."""
        largest = max(abs(self.mean(place)) for place in range(len(self.values)))
        return 2 if self.percent or not largest else max(0, 3 - math.floor(math.log10(largest)))

    def mean(self, place: int) -> float:
        """The mean of one group."""
        return statistics.fmean(self.values[place])

    def deviation(self, place: int) -> float:
        """The sample standard deviation of one group; NaN for a single run."""
        return statistics.stdev(self.values[place]) if len(self.values[place]) > 1 else math.nan

    def cost(self, place: int) -> float:
        """The mean of one group, negated if larger is better."""
        return -self.mean(place) if self.direction == "max" else self.mean(place)

    def shown(self, value: float) -> str:
        """A value as text, without its unit."""
        return f"{100 * value if self.percent else value:.{self.decimals}f}"

    def signed(self, difference: float) -> str:
        """A difference of two values as text with its sign, without its unit; percentages in points."""
        return f"{100 * difference if self.percent else difference:+.{self.decimals}f}"

    def ordered(self, places: Sequence[int]) -> Score:
        """The same score with its groups in another order."""
        return replace(self, values=tuple(self.values[place] for place in places))


def common_box(runs: Sequence[FinishedRun]) -> Box | None:
    """The box of the front of all runs' candidates together; None for a single objective."""
    every = np.concatenate([costs(run) for run in runs])
    return Box.around(runs[0].followed, every) if every.shape[1] > 1 else None


def scores(
    groups: Sequence[Sequence[FinishedRun]], box: Box | None, *, alike: bool = True
) -> tuple[list[Score], list[str]]:
    """All scores that every run has, headline first, and a sentence for each score that only some runs have.

    Args:
        alike: whether all searches had the same task; if not, only their retrained networks are scored, and their
            candidates if all searches measured the same.
    """
    complete, notes = [], []
    every = [run for group in groups for run in group]
    tested = {"hypervolume", *(_last(metric) for metric in common_curves(every))}
    for name, title, direction, of in [*(_kinds(every, box) if alike else _of_unlike(groups)), *_costs()]:
        values = [[of(run) for run in group] for group in groups]
        without = [
            run for group, several in zip(groups, values, strict=True)
            for run, value in zip(group, several, strict=True) if not math.isfinite(value)
        ]  # fmt: skip
        if not without:
            percent = is_share(every[0].result.by_metric.get(name, name))
            by_group = tuple(map(tuple, values))
            remeasured = not alike and name.startswith(MEAN)
            complete.append(Score(name, title, direction, by_group, percent, name in tested, remeasured))
        elif len(without) < sum(map(len, groups)):
            notes.append(f"{title} is omitted: {without[0]} has none")
    return complete, notes


Kind = tuple[str, str, Literal["max", "min"], Callable[[FinishedRun], float]]


def _kinds(runs: Sequence[FinishedRun], box: Box | None) -> Iterator[Kind]:
    """Scores as (name, title, direction, function), most important first: those on test data lead."""
    first = runs[0]
    if any(run.evaluations for run in runs):
        yield from (_of_best(objective) for objective in first.reported)
    yield from _of_networks()
    for dataset in sorted(_in_table(first), key=lambda name: name != first.result.data):
        yield f"table_accuracy_{dataset}", f"test accuracy in the table, {dataset}", "max", _looked_up(dataset)
    if any(run.evaluations for run in runs) and first.followed:
        name, title, direction, of = _of_best(first.followed[0])
        yield name, f"{title} (followed)", direction, of
    if box is not None:
        yield "hypervolume", "hypervolume", "max", lambda run: box.share(costs(run))
    if (
        len({(run.result.strategy, run.result.space) for run in runs}) == 1
    ):  # accuracies of different supernets are not comparable
        yield "validation_accuracy", "validation accuracy, shared weights", "max", _validated
    for metric in common_curves(runs):
        yield _last(metric), f"{words(metric)}, last epoch", "max", _in_last_epoch(metric)
    yield "control_percentile", "percentile among random ones", "max", _percentile


def same_candidates(groups: Sequence[Sequence[FinishedRun]]) -> bool:
    """Whether there are several groups, and the runs of each measured the same candidates."""
    measured = [{candidate.notation for run in group for candidate in run.evaluations} for group in groups]
    return len(measured) > 1 and bool(measured[0]) and all(candidates == measured[0] for candidates in measured)


def _of_unlike(groups: Sequence[Sequence[FinishedRun]]) -> Iterator[Kind]:
    yield from _of_networks()
    if same_candidates(groups) and groups[0][0].followed:
        metric = groups[0][0].followed[0]
        title = f"mean {words(metric)} of all candidates"
        yield f"{MEAN}{metric.metric}", title, metric.direction, _mean_of_candidates(metric)


def _mean_of_candidates(objective: Objective) -> Callable[[FinishedRun], float]:
    def mean(run: FinishedRun) -> float:
        measured = [candidate for candidate in after_most_epochs(run.evaluations) if candidate.measured]
        values = [candidate.metrics[objective.metric] for candidate in measured]
        return statistics.fmean(values) if values else math.nan

    return mean


def _of_networks() -> Iterator[Kind]:
    yield "retrained_accuracy", "test accuracy, retrained", "max", _retrained


def _costs() -> Iterator[Kind]:
    """Scores that accompany others and cannot be the headline."""
    yield "params_m", words("params_m"), "min", lambda run: _number((run.result.size or {}).get("params_m"))
    yield "search_seconds", "search time, s", "min", _search_seconds


COSTS = ("params_m", "search_seconds")


def _of_best(objective: Objective) -> Kind:
    def last(run: FinishedRun) -> float:
        return float(best_so_far(run, objective.metric)[-1]) if run.evaluations else math.nan

    return objective.metric, words(objective), objective.direction, last


def _retrained(run: FinishedRun) -> float:
    return run.result.retrain.rows[0].mean if run.result.retrain else math.nan


def _in_table(run: FinishedRun) -> Mapping[str, float | None]:
    """Published test accuracies of the found architecture by data set, if a table was available."""
    rows = run.result.table.rows if run.result.table else ()
    return next((row.test_accuracy for row in rows if row.name == "found"), {})


def _looked_up(dataset: str) -> Callable[[FinishedRun], float]:
    return lambda run: _number(_in_table(run).get(dataset))


def _validated(run: FinishedRun) -> float:
    return run.result.control.found if run.result.control else math.nan


def _last(metric: str) -> str:
    return f"{metric}_last"


def _in_last_epoch(metric: str) -> Callable[[FinishedRun], float]:
    return lambda run: fit_curves(run)[metric].last


def _search_seconds(run: FinishedRun) -> float:
    """Wall-clock seconds of a search that reads images, over all starts, without the steps after the search."""
    if not run.timing.total or not run.result.size:
        return math.nan
    after = ("control", "test", "fit retrain")
    spent = [seconds for label, seconds in run.timing.seconds.items() if label.startswith(after)]
    return run.timing.total - sum(spent)


def _percentile(run: FinishedRun) -> float:
    return run.result.control.percentile if run.result.control else math.nan


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
