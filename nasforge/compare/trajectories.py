"""The best candidate after each estimate of a search, over estimates and over simulated time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nasforge.architecture import after_most_epochs
from nasforge.run.folders import FinishedRun
from nasforge.run.goals import training_seconds


@dataclass(frozen=True)
class Band:
    """A value along a search, averaged over repetitions.

    Attributes:
        label: name of the group.
        x: (points,) estimates or seconds.
        mean: (points,).
        deviation: (points,) sample standard deviation; NaN for a single run.
    """

    label: str
    x: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray


def costs(run: FinishedRun) -> np.ndarray:
    """(estimates, objectives) costs of the candidates; infinite if a candidate failed, is infeasible, or was
    trained for fewer epochs than others."""
    compared = {id(candidate) for candidate in after_most_epochs(run.evaluations) if candidate.status == "ok"}
    rows = [
        [objective.cost(candidate.metrics) if id(candidate) in compared else np.inf for objective in run.followed]
        for candidate in run.evaluations
    ]
    return np.array(rows, dtype=float).reshape(len(rows), len(run.followed))


def incumbents(run: FinishedRun) -> np.ndarray:
    """(estimates,) index of the best candidate so far by the first objective, the earliest of equals; -1 for none."""
    foremost = costs(run)[:, 0]
    before = np.concatenate([[np.inf], np.minimum.accumulate(foremost)[:-1]])
    rows = np.where(foremost < before, np.arange(len(foremost)), -1)
    best: np.ndarray = np.maximum.accumulate(rows)
    return best


def best_so_far(run: FinishedRun, metric: str) -> np.ndarray:
    """(estimates,) `metric` of the best candidate so far by the first objective; NaN before there is one."""
    values = np.array([candidate.metrics.get(metric, np.nan) for candidate in run.evaluations], dtype=float)
    rows = incumbents(run)
    return np.where(rows >= 0, values[rows], np.nan)


def simulated_seconds(run: FinishedRun) -> np.ndarray | None:
    """(estimates,) cumulative training time, as `training_seconds` counts it. None if unknown."""
    seconds = training_seconds((each.notation, each.epochs, each.metrics) for each in run.evaluations)
    return None if seconds is None else np.cumsum(seconds)


def over_estimates(label: str, values: Sequence[np.ndarray]) -> Band:
    """The band of several runs' values (estimates,), up to the length of the shortest run."""
    shortest = min(len(curve) for curve in values)
    return band(label, np.arange(1, shortest + 1), np.stack([curve[:shortest] for curve in values]))


def over_seconds(label: str, seconds: Sequence[np.ndarray], values: Sequence[np.ndarray], points: int = 300) -> Band:
    """The band over time; each run has the value of its last finished estimate, from when all runs have one."""
    begin = max(float(when[0]) for when in seconds)
    end = max(begin, min(float(when[-1]) for when in seconds))
    x = np.linspace(begin, end, points)
    at = [curve[np.searchsorted(when, x, side="right") - 1] for when, curve in zip(seconds, values, strict=True)]
    return band(label, x, np.stack(at))


def band(label: str, x: np.ndarray, values: np.ndarray) -> Band:
    """The mean and deviation of `values` (runs, points) at `x` (points,)."""
    deviation = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(len(x), np.nan)
    return Band(label, x, values.mean(axis=0), deviation)
