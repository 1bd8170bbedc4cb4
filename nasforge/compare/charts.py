"""Charts that compare searches: the mean over seeds as a line, the deviation as a shade."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nasforge.architecture import Objective
from nasforge.charts.fronts import front_line, look_at
from nasforge.charts.plots import SERIES, SMALL, axes_of, in_percent, legend
from nasforge.charts.svg import LIGHT, svg_of
from nasforge.compare.comparison import Comparison
from nasforge.compare.fit_curves import common_curves, over_epochs
from nasforge.compare.trajectories import (
    Band,
    best_so_far,
    costs,
    over_estimates,
    over_seconds,
    simulated_seconds,
)
from nasforge.statistics.hypervolumes import Box
from nasforge.wording import sentence_case, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SKIPPED = 0.1
"""The share of a search, at its beginning, that may lie outside the chart, so that the end is legible."""


@dataclass(frozen=True)
class Chart:
    """One picture.

    Attributes:
        name: the middle part of its file names.
        title: what it shows.
    """

    name: str
    title: str
    figure: Figure

    @cached_property
    def svg(self) -> str:
        """The picture as SVG text."""
        return svg_of(self.figure)

    def write(self, folder: Path) -> None:
        """Write `comparison_<name>.svg`, and `.png` at twice the resolution."""
        (folder / f"comparison_{self.name}.svg").write_text(self.svg, encoding="utf-8")
        self.figure.savefig(folder / f"comparison_{self.name}.png", dpi=144, metadata={"Software": None})


def comparison_charts(comparison: Comparison) -> list[Chart]:
    """All charts that the runs have data for: over estimates, or over the epochs of a supernet."""
    run = comparison.first
    if not comparison.alike:
        return []
    if not run.followed or not all(run.evaluations for run in comparison.runs):
        return [_over_epochs(comparison, metric) for metric in common_curves(comparison.runs)]
    followed = run.followed[0]
    by = f"{words(followed)} of the best so far"
    of_tests = [(goal, f"{words(goal)} of the best so far by {words(followed)}") for goal in run.reported]
    charts = [_over_evaluations(comparison, goal, title) for goal, title in [*of_tests[:1], (followed, by)]]
    seconds = _over_seconds(comparison, *(of_tests or [(followed, by)])[0])
    return [*charts, *seconds, *_of_several_objectives(comparison)]


def color(place: int) -> str:
    """The palette's name for the color of a group."""
    return SERIES[place % len(SERIES)]


def is_dashed(place: int) -> bool:
    """Whether the lines of a group are dashed, because an earlier group has its color."""
    return place >= len(SERIES)


def _over_evaluations(comparison: Comparison, goal: Objective, title: str) -> Chart:
    groups = [(group.name, [best_so_far(run, goal.metric) for run in group.runs]) for group in comparison.groups]
    bands = [over_estimates(name, values) for name, values in groups]
    return Chart(goal.metric, sentence_case(title), drawn(bands, "evaluations", goal))


def _over_epochs(comparison: Comparison, metric: str) -> Chart:
    bands = [over_epochs(group.name, group.runs, metric) for group in comparison.groups]
    return Chart(
        f"{metric}_by_epoch", sentence_case(f"{words(metric)} after each epoch"), drawn(bands, "epoch", metric)
    )


def _over_seconds(comparison: Comparison, goal: Objective, title: str) -> Iterator[Chart]:
    """The chart over simulated time, if every run's table has training times."""
    bands = []
    for group in comparison.groups:
        times = [when for run in group.runs if (when := simulated_seconds(run)) is not None]
        if len(times) < len(group.runs):
            return
        bands.append(over_seconds(group.name, times, [best_so_far(run, goal.metric) for run in group.runs]))
    yield Chart("seconds", sentence_case(f"{title}, over simulated time"), over_time(bands, goal))


def over_time(bands: Sequence[Band], metric: Objective | str) -> Figure:
    """Draw bands over seconds of training, in a unit that suits them."""
    longest = max(float(band.x[-1]) for band in bands)
    unit, length = next((unit, length) for unit, length in _UNITS if longest >= 2 * length or length == 1)
    scaled = [Band(band.label, band.x / length, band.mean, band.deviation) for band in bands]
    return drawn(scaled, f"training, {unit}", metric)


_UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))


def _of_several_objectives(comparison: Comparison) -> Iterator[Chart]:
    box = comparison.box
    if box is None:
        return
    groups = [(group.name, [box.share_so_far(costs(run)) for run in group.runs]) for group in comparison.groups]
    bands = [over_estimates(name, values) for name, values in groups]
    yield Chart("hypervolume", "Hypervolume so far", drawn(bands, "evaluations", "hypervolume"))
    yield _fronts(comparison, box)


def _fronts(comparison: Comparison, box: Box) -> Chart:
    """For each group, the front of the run with the median hypervolume."""
    first, second = box.objectives[:2]
    figure, axes = axes_of(SMALL, words(second), words(first))
    signs = np.array([second.sign, first.sign])
    drawn = []
    for place, group in enumerate(comparison.groups):
        by_hypervolume = sorted((costs(run) for run in group.runs), key=box.share)
        median = by_hypervolume[len(by_hypervolume) // 2][:, [1, 0]]
        points = median[np.isfinite(median).all(axis=1)] * signs
        drawn.append(front_line(axes, points, signs.tolist(), LIGHT[color(place)], group.name))
    look_at(axes, np.concatenate(drawn))
    in_percent(axes.xaxis, second)
    in_percent(axes.yaxis, first)
    legend(axes)
    title = f"{words(first)} and {words(second)}: front of the run with the median hypervolume"
    return Chart("fronts", sentence_case(title), figure)


def drawn(bands: Sequence[Band], x: str, metric: Objective | str) -> Figure:
    """Draw each mean as a line and each deviation as a shade, over the quantity named `x`."""
    figure, axes = axes_of(SMALL, x, words(metric))
    for place, band in enumerate(bands):
        style = (0, (4, 2)) if is_dashed(place) else "-"
        shade = LIGHT[color(place)]
        axes.plot(band.x, band.mean, color=shade, linestyle=style, linewidth=1.7, label=band.label)
        if not np.isnan(band.deviation).all():
            edges = band.mean - band.deviation, band.mean + band.deviation
            axes.fill_between(band.x, *edges, color=shade, alpha=0.16, linewidth=0)
    _bound(axes, bands)
    in_percent(axes.yaxis, metric)
    legend(axes)
    return figure


def _bound(axes: Axes, bands: Sequence[Band]) -> None:
    """Fit the y axis to the curves after the first part of the search."""
    later = [band.x >= band.x[0] + SKIPPED * (band.x[-1] - band.x[0]) for band in bands]
    edges = [
        side[part]
        for band, part in zip(bands, later, strict=True)
        for side in (band.mean, band.mean - band.deviation, band.mean + band.deviation)
    ]
    values = np.concatenate(edges)
    low, high = np.nanmin(values), np.nanmax(values)
    if high > low:
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
