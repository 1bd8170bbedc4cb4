"""A chart of three scores at once: a population over its generations, and known networks for comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nasforge import LIGHT, SERIES, WIDE, Evaluation, Objective, amount, axes_of, legend, over_decades, svg_of, words
from nasforge_plugins.shared.generations import SLICES, Generation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIRECTIONS = np.array([[0.87, 0.34], [-0.87, 0.34], [0.0, 1.0]])
"""Directions of the axes on the page: the first two to the right and to the left, into the page; the third up."""


def scores_in_space(
    generations: Sequence[Generation],
    objectives: Sequence[Objective],
    landmarks: Mapping[str, Sequence[Evaluation]] | None = None,
) -> str:
    """The population in the space of three scores, each axis from the best at the origin to the worst, as SVG.

    Every network has a line down to the plane of the first two scores. Each slice of generations has a color, and lines
    connect the slices' medians. Networks without a valid measurement of all three scores are left out.

    Args:
        generations: populations after their selection; a single one is not numbered.
        objectives: the first three are shown.
        landmarks: other networks by name, for comparison; a single network of a name is labeled where it stands.

    Raises:
        ValueError: fewer than three objectives, or no network has all three scores.
    """
    axes_shown = list(objectives[:3])
    if len(axes_shown) < 3:
        raise ValueError("a picture in space needs three scores")
    groups = [*_slices(generations), *(landmarks or {}).items()]
    costs = [_costs(members, axes_shown) for _, members in groups]
    every = np.concatenate(costs) if costs else np.empty((0, 3))
    if not len(every):
        raise ValueError("no network has all three scores")
    scales = [_Scale(every[:, column], objective) for column, objective in enumerate(axes_shown)]
    figure, axes = axes_of((WIDE[0], 470.0), "", "")
    _frame(axes, scales)
    medians = []
    for place, ((label, _), own) in enumerate(zip(groups, costs, strict=True)):
        if not len(own):
            continue
        unit = np.stack([scale.unit(column) for scale, column in zip(scales, own.T, strict=True)], axis=1)
        is_landmark = place >= len(groups) - len(landmarks or {})
        color = LIGHT["random"] if is_landmark and len(unit) > 1 else LIGHT["ink"] if is_landmark else ""
        _networks(axes, unit, color or LIGHT[SERIES[place % len(SERIES)]], label, named=is_landmark and len(unit) == 1)
        medians += [] if is_landmark else [np.median(unit, axis=0)]
    if len(medians) > 1:
        axes.plot(*(np.array(medians) @ DIRECTIONS).T, color=LIGHT["ink"], linewidth=1.4, label="medians")
    legend(axes)
    return svg_of(figure)


def _slices(generations: Sequence[Generation]) -> list[tuple[str, list[Evaluation]]]:
    """Labels and distinct members of a few groups of generations."""
    named = []
    for part in np.array_split(np.arange(len(generations)), SLICES):
        if len(part):
            label = f"generation {part[0]}" if len(part) == 1 else f"generations {part[0]} to {part[-1]}"
            label = "population" if len(generations) == 1 else label
            population = [evaluation for index in part for evaluation in generations[index].population]
            named.append((label, list({evaluation.architecture: evaluation for evaluation in population}.values())))
    return named


def _costs(members: Sequence[Evaluation], objectives: Sequence[Objective]) -> np.ndarray:
    """Costs (n, objectives) of the members with all scores; a flagged score is not a measurement."""
    metrics = [member.metrics for member in members if member.ok and not member.reason]
    rows = [[objective.cost(values) for objective in objectives] for values in metrics if _complete(values, objectives)]
    return np.array(rows).reshape(-1, len(objectives))


def _complete(metrics: Mapping[str, float], objectives: Sequence[Objective]) -> bool:
    return all(math.isfinite(metrics.get(objective.metric, math.nan)) for objective in objectives)


class _Scale:
    """The axis of one score, from 0 for the best cost to 1 for the worst.

    Attributes:
        title: the score's name.
        ends: its values at both ends.
    """

    def __init__(self, costs: np.ndarray, objective: Objective) -> None:
        self._logarithmic = over_decades(costs)
        self._low, self._high = self._of(costs).min(), self._of(costs).max()
        ends = [amount(objective, objective.sign * end) for end in (costs.min(), costs.max())]
        self.title = f"{words(objective)}{', log' if self._logarithmic else ''}"
        self.ends = f"{ends[0]} to {ends[1]}"

    def _of(self, costs: np.ndarray) -> np.ndarray:
        return np.log(costs) if self._logarithmic else costs

    def unit(self, costs: np.ndarray) -> np.ndarray:
        """Positions in [0, 1] of costs."""
        place: np.ndarray = (self._of(costs) - self._low) / ((self._high - self._low) or 1.0)
        return place


def _frame(axes: Axes, scales: Sequence[_Scale]) -> None:
    """Draw the floor, the three axes and their labels."""
    axes.set_axis_off()
    axes.set_aspect("equal")
    for step in (0.25, 0.5, 0.75, 1.0):
        for ends in (((step, 0, 0), (step, 1, 0)), ((0, step, 0), (1, step, 0))):
            axes.plot(*(np.array(ends) @ DIRECTIONS).T, color=LIGHT["line"], linewidth=0.8)
    for direction in DIRECTIONS:
        axes.annotate("", tuple(1.06 * direction), (0, 0), arrowprops={"arrowstyle": "->", "color": LIGHT["node-line"]})
    places = (((0.62, 0.0), "left"), ((-0.62, 0.0), "right"), ((0.05, 1.07), "left"))
    for scale, (place, side) in zip(scales, places, strict=True):
        text = f"{scale.title}\n{scale.ends}"
        axes.text(*place, text, ha=side, va="center", color=LIGHT["muted"], fontsize=10.5, parse_math=False)
    axes.text(0, -0.05, "best in all three", ha="center", va="top", color=LIGHT["muted"], fontsize=10.5)


def _networks(axes: Axes, unit: np.ndarray, color: str, label: str, *, named: bool) -> None:
    """Draw points (n, 3) with lines to the floor, and the name of a single one."""
    feet, heads = (unit * (1, 1, 0)) @ DIRECTIONS, unit @ DIRECTIONS
    for foot, head in zip(feet, heads, strict=True):
        axes.plot(*np.stack([foot, head]).T, color=color, linewidth=0.7, alpha=0.45)
    axes.scatter(
        heads[:, 0], heads[:, 1], s=30, color=color, linewidths=0, alpha=0.85, label=None if named else label, zorder=3
    )
    if named:
        axes.annotate(
            label,
            tuple(heads[0]),
            (7, 4),
            textcoords="offset points",
            color=LIGHT["ink"],
            fontsize=10.5,
            parse_math=False,
        )
