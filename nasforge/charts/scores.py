"""Three scores at once: where a population stands over its generations, and known networks beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nasforge.architecture import Evaluation, Objective
from nasforge.charts.evolution import SLICES, Generation
from nasforge.charts.plots import SERIES, WIDE, axes_of, known, legend, over_decades
from nasforge.charts.svg import LIGHT, svg_of
from nasforge.wording import amount, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIRECTIONS = np.array([[0.87, 0.34], [-0.87, 0.34], [0.0, 1.0]])
"""Where the axes point on the page: the first two to the right and to the left, both away from us, the third up."""


def scores_in_space(
    generations: Sequence[Generation],
    objectives: Sequence[Objective],
    landmarks: Mapping[str, Sequence[Evaluation]] | None = None,
) -> str:
    """The population in the space of three scores, each from its best at the origin to its worst, as SVG.

    Every network has a line down to the plane of the first two scores; slices of generations have a colour each, and
    their medians are joined. Networks with a score that could not be measured are left out.

    Args:
        generations: populations after their selection; one alone has no number.
        objectives: three of them; a larger number is cut off.
        landmarks: further networks by name, to compare with; one alone is named where it stands.

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
    scales = [_Scale(every[:, column], one) for column, one in enumerate(axes_shown)]
    figure, axes = axes_of((WIDE[0], 470.0), "", "")
    _frame(axes, scales)
    medians = []
    for place, ((label, _), own) in enumerate(zip(groups, costs, strict=True)):
        if not len(own):
            continue
        unit = np.stack([scale.unit(column) for scale, column in zip(scales, own.T, strict=True)], axis=1)
        is_landmark = place >= len(groups) - len(landmarks or {})
        colour = LIGHT["random"] if is_landmark and len(unit) > 1 else LIGHT["ink"] if is_landmark else ""
        _networks(axes, unit, colour or LIGHT[SERIES[place % len(SERIES)]], label, named=is_landmark and len(unit) == 1)
        medians += [] if is_landmark else [np.median(unit, axis=0)]
    if len(medians) > 1:
        axes.plot(*(np.array(medians) @ DIRECTIONS).T, color=LIGHT["ink"], linewidth=1.4, label="medians")
    legend(axes)
    return svg_of(figure)


def _slices(generations: Sequence[Generation]) -> list[tuple[str, list[Evaluation]]]:
    """Groups of generations that a person can tell apart, each with its distinct members."""
    named = []
    for part in np.array_split(np.arange(len(generations)), SLICES):
        if len(part):
            label = f"generation {part[0]}" if len(part) == 1 else f"generations {part[0]} to {part[-1]}"
            label = "population" if len(generations) == 1 else label
            members = {one.architecture: one for index in part for one in generations[index].population}
            named.append((label, list(members.values())))
    return named


def _costs(members: Sequence[Evaluation], objectives: Sequence[Objective]) -> np.ndarray:
    """(n, objectives), to be minimised, of those that have all scores; a flagged one is no measurement."""
    usable = [one for one in members if one.ok and not one.reason]
    rows = [[objective.cost(one.metrics) for objective in objectives] for one in usable if _complete(one, objectives)]
    return np.array(rows).reshape(-1, len(objectives))


def _complete(one: Evaluation, objectives: Sequence[Objective]) -> bool:
    return all(known(one.metrics.get(objective.metric)) for objective in objectives)


class _Scale:
    """From the best cost, 0, to the worst one, 1.

    Attributes:
        said: the score's name, with its values at both ends.
    """

    def __init__(self, costs: np.ndarray, objective: Objective) -> None:
        self._logarithmic = over_decades(costs)
        self._low, self._high = self._of(costs).min(), self._of(costs).max()
        sign = -1 if objective.direction == "max" else 1
        ends = [amount(objective.metric, sign * end) for end in (costs.min(), costs.max())]
        self.said = f"{words(objective.metric)}{', log' if self._logarithmic else ''}"
        self.ends = f"{ends[0]} to {ends[1]}"

    def _of(self, costs: np.ndarray) -> np.ndarray:
        return np.log(costs) if self._logarithmic else costs

    def unit(self, costs: np.ndarray) -> np.ndarray:
        """In [0, 1]."""
        place: np.ndarray = (self._of(costs) - self._low) / ((self._high - self._low) or 1.0)
        return place


def _frame(axes: Axes, scales: Sequence[_Scale]) -> None:
    """The floor, the three axes, and what they say."""
    axes.set_axis_off()
    axes.set_aspect("equal")
    for step in (0.25, 0.5, 0.75, 1.0):
        for ends in (((step, 0, 0), (step, 1, 0)), ((0, step, 0), (1, step, 0))):
            axes.plot(*(np.array(ends) @ DIRECTIONS).T, color=LIGHT["line"], linewidth=0.8)
    for direction in DIRECTIONS:
        axes.annotate("", tuple(1.06 * direction), (0, 0), arrowprops={"arrowstyle": "->", "color": LIGHT["node-line"]})
    places = (((0.62, 0.0), "left"), ((-0.62, 0.0), "right"), ((0.05, 1.07), "left"))
    for scale, (place, side) in zip(scales, places, strict=True):
        text = f"{scale.said}\n{scale.ends}"
        axes.text(*place, text, ha=side, va="center", color=LIGHT["muted"], fontsize=10.5, parse_math=False)
    axes.text(0, -0.05, "best in all three", ha="center", va="top", color=LIGHT["muted"], fontsize=10.5)


def _networks(axes: Axes, unit: np.ndarray, colour: str, label: str, *, named: bool) -> None:
    """Points (n, 3), their feet on the floor, and the name of a single one."""
    feet, heads = (unit * (1, 1, 0)) @ DIRECTIONS, unit @ DIRECTIONS
    for foot, head in zip(feet, heads, strict=True):
        axes.plot(*np.stack([foot, head]).T, color=colour, linewidth=0.7, alpha=0.45)
    axes.scatter(
        heads[:, 0], heads[:, 1], s=30, color=colour, linewidths=0, alpha=0.85, label=None if named else label, zorder=3
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
