"""Charts of populations over their generations: fitness, size, and what networks inherit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from nasforge import (
    LIGHT,
    SERIES,
    WIDE,
    Evaluation,
    Objective,
    axes_of,
    in_percent,
    legend,
    scale_axis,
    svg_of,
    whole_numbers,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SLICES = 5
"""Groups of generations, few enough to tell apart by color."""


@dataclass(frozen=True)
class Generation:
    """A population after its selection.

    Attributes:
        stage: the stage of the search that it belongs to.
        population: the survivors.
        new: the networks evaluated in this generation, whether they survived or not.
        repeated: the number of children that had been evaluated before.
    """

    stage: str
    population: tuple[Evaluation, ...]
    new: tuple[Evaluation, ...] = ()
    repeated: int = 0


def fitness_over_generations(generations: Sequence[Generation], objective: Objective) -> str:
    """Best and median of the population after each generation, with the changes of stage marked, as SVG."""
    figure, axes = axes_of((WIDE[0], 260.0), "generation", words(objective))
    values = [_values(generation.population, objective.metric) for generation in generations]
    place = [index for index, known in enumerate(values) if len(known)]
    for label, of, color in (("best", objective.best, "found"), ("median", np.median, "sep")):
        line = [float(of(values[index])) for index in place]
        axes.plot(place, line, color=LIGHT[color], linewidth=1.7, marker="o", markersize=3.5, label=label)
    axes.scatter(
        [index for index in place for _ in values[index]],
        [value for index in place for value in values[index]],
        s=9,
        color=LIGHT["random"],
        linewidths=0,
        zorder=1,
        label="each network",
    )
    _mark_stages(axes, generations)
    scale_axis(axes, "y", objective, np.concatenate([*values, np.zeros(0)]))
    whole_numbers(axes)
    legend(axes)
    return svg_of(figure)


def population_slices(generations: Sequence[Generation], objective: Objective, size: str = "params_m") -> str:
    """The population in the plane of size and fitness, colored by slices of generations, as SVG."""
    figure, axes = axes_of((WIDE[0], 340.0), words(size), words(objective))
    slices = [part for part in np.array_split(np.arange(len(generations)), SLICES) if len(part)]
    for part, color in zip(slices, SERIES, strict=False):
        population = [evaluation for index in part for evaluation in generations[index].population if evaluation.ok]
        members = {evaluation.architecture: evaluation.metrics for evaluation in population}
        points = [(metrics[size], metrics[objective.metric]) for metrics in members.values()]
        label = f"generation {part[0]}" if len(part) == 1 else f"generations {part[0]} to {part[-1]}"
        x, y = np.array(points).reshape(-1, 2).T
        axes.scatter(x, y, s=34, color=LIGHT[color], linewidths=0, alpha=0.8, label=label)
    in_percent(axes.yaxis, objective)
    legend(axes)
    return svg_of(figure)


def inherited_over_generations(generations: Sequence[Generation]) -> str:
    """The share of its tensors that each new network inherited, and the mean of a generation, as SVG."""
    figure, axes = axes_of((WIDE[0], 210.0), "generation", "tensors inherited")
    values = [100 * _values(generation.new, "inherited") for generation in generations]
    place = [index for index, known in enumerate(values) if len(known)]
    axes.scatter(
        [index for index in place for _ in values[index]],
        [value for index in place for value in values[index]],
        s=14,
        color=LIGHT["random"],
        linewidths=0,
        label="each new network",
    )
    means = [float(values[index].mean()) for index in place]
    axes.plot(place, means, color=LIGHT["found"], linewidth=1.7, marker="o", markersize=3.5, label="mean")
    axes.set_ylim(0, 104)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    _mark_stages(axes, generations)
    whole_numbers(axes)
    legend(axes)
    return svg_of(figure)


def _values(evaluations: Sequence[Evaluation], metric: str) -> np.ndarray:
    """The finite values (n,) of a metric among successful evaluations."""
    values = [evaluation.metrics.get(metric, math.nan) for evaluation in evaluations if evaluation.ok]
    return np.array([value for value in values if math.isfinite(value)])


def _mark_stages(axes: Axes, generations: Sequence[Generation]) -> None:
    """Draw a line between two stages, with the name of the second."""
    for index, (before, after) in enumerate(pairwise(generations)):
        if before.stage != after.stage:
            axes.axvline(index + 0.5, color=LIGHT["muted"], linewidth=1.2, linestyle=(0, (4, 3)))
            axes.annotate(
                f"{after.stage} →",
                (index + 0.5, 0.0),
                (5, 5),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                color=LIGHT["muted"],
                fontsize=10.5,
            )
