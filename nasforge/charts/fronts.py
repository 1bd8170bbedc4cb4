"""Charts of a search's candidates: the best so far, and the Pareto front of two objectives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nasforge.architecture import Objective
from nasforge.charts.plots import SMALL, Mark, axes_of, known, legend, marks_of, scale_axis, whole_numbers
from nasforge.charts.svg import LIGHT, svg_of
from nasforge.pareto import undominated
from nasforge.result import Candidate
from nasforge.wording import quantity, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_DRAWN = 1000
"""How many candidates a chart shows as points of their own; more overlap, and take long to draw."""


@dataclass(frozen=True)
class MarkedChart:
    """A chart with a mark for each of its most important points."""

    svg: str
    marks: tuple[Mark, ...] = ()


def best_so_far(rows: Sequence[Candidate], objective: Objective) -> MarkedChart:
    """A chart of each estimate of the objective, and of the best feasible one so far; its improvements are marked."""
    metric = objective.metric
    values = np.array([row.metrics[metric] if _measured(row, metric) else np.nan for row in rows])
    ok = np.array([row.status == "ok" for row in rows], dtype=bool)
    number = np.arange(1, len(rows) + 1)
    figure, axes = axes_of(SMALL, "estimate", words(objective))
    scale_axis(axes, "y", objective, values[np.isfinite(values)])
    _candidates(axes, np.stack([number, values], axis=1), ok)
    best = objective.sign * np.fmin.accumulate(objective.sign * np.where(ok, values, np.nan))
    axes.step(number, best, where="post", color=LIGHT["found"], linewidth=1.7, label="best so far")
    whole_numbers(axes)
    legend(axes)
    better = np.flatnonzero(np.diff(objective.sign * best, prepend=np.inf) < 0)
    if np.isfinite(best).any():
        better = np.union1d(better, np.flatnonzero(np.isfinite(best))[:1])
    texts = [
        f"estimate {place + 1}: {quantity(objective, best[place])}. {rows[place].notation}" for place in better.tolist()
    ]
    return MarkedChart(svg_of(figure), marks_of(axes, np.stack([number, best], axis=1)[better], texts))


def front(rows: Sequence[Candidate], first: Objective, second: Objective) -> MarkedChart:
    """A chart of candidates in the plane of two objectives, `first` on the y axis, with their marked Pareto front."""
    both = [row for row in rows if _measured(row, first.metric) and _measured(row, second.metric)]
    points = np.array([(row.metrics[second.metric], row.metrics[first.metric]) for row in both]).reshape(-1, 2)
    ok = np.array([row.status == "ok" for row in both], dtype=bool)
    figure, axes = axes_of(SMALL, words(second), words(first))
    scale_axis(axes, "x", second, points[:, 0])
    scale_axis(axes, "y", first, points[:, 1])
    _candidates(axes, points, ok)
    members = front_line(axes, points[ok], [second.sign, first.sign], LIGHT["found"], "Pareto front of these two")
    legend(axes)
    notations = {tuple(point): row.notation for point, row in zip(points.tolist(), both, strict=True)}
    texts = [f"{quantity(first, y)}, {quantity(second, x)}. {notations[x, y]}" for x, y in members.tolist()]
    return MarkedChart(svg_of(figure), marks_of(axes, members, texts))


def front_line(axes: Axes, points: np.ndarray, signs: Sequence[int], color: str, label: str) -> np.ndarray:
    """Draw the front of points (n, 2) as a staircase, and return its members (m, 2).

    Args:
        signs: 1 for a coordinate that is minimized, -1 for one that is maximized.
    """
    distinct = np.unique(points, axis=0)
    members: np.ndarray = distinct[undominated(distinct * signs)]
    steps = "steps-post" if signs[0] > 0 else "steps-pre"
    axes.plot(*members.T, color=color, linewidth=1.7, marker="o", markersize=4, drawstyle=steps, label=label)
    return members


def look_at(axes: Axes, points: np.ndarray) -> int:
    """Fit the axes to points (n, 2) without far outliers, and return the number of these.

    Outliers lie more than three interquartile ranges outside the quartiles (Tukey 1977, outer fences).
    """
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return 0
    points = axes.transScale.transform(points)  # type: ignore[attr-defined]  # distances as drawn
    low, high = np.percentile(points, [25, 75], axis=0)
    near = (points >= low - 3 * (high - low)) & (points <= high + 3 * (high - low)) | (high == low)
    seen = points[near.all(axis=1)]
    margin = 0.05 * np.ptp(seen, axis=0)
    corners = np.stack([seen.min(axis=0) - margin, seen.max(axis=0) + margin])
    (left, bottom), (right, top) = axes.transScale.inverted().transform(corners)  # type: ignore[attr-defined]
    cut_x, cut_y = (np.ptp(seen, axis=0) < np.ptp(points, axis=0)) & (margin > 0)
    if cut_x:
        axes.set_xlim(left, right)
    if cut_y:
        axes.set_ylim(bottom, top)
    return len(points) - len(seen)


def _measured(row: Candidate, metric: str) -> bool:
    """Whether the metric was measured; an `ok` evaluation with a reason has a flagged value."""
    return known(row.metrics.get(metric)) and (row.measured or row.status != "ok")


def _candidates(axes: Axes, points: np.ndarray, ok: np.ndarray) -> None:
    """Draw points (n, 2); those that are not `ok` violate a constraint. Of many, every second, third, ... is drawn."""
    outside = look_at(axes, points)
    every = math.ceil(len(points) / MOST_DRAWN) or 1
    label = "each candidate" if every == 1 else f"1 candidate in {every}"
    label += f" ({outside} outside)" if outside else ""
    points, ok = points[::every], ok[::every]
    axes.scatter(points[ok, 0], points[ok, 1], s=16, color=LIGHT["random"], linewidths=0, label=label)
    if not ok.all():
        x, y = points[~ok].T
        axes.scatter(x, y, s=18, marker="x", color=LIGHT["pool"], linewidths=1, label="violates a constraint")
