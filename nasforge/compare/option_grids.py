"""Scores over one or two numeric options of a sweep, as tables, curves and heatmaps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from nasforge.charts.plots import SMALL, axes_of, percent
from nasforge.charts.svg import LIGHT
from nasforge.compare.charts import Chart
from nasforge.compare.comparison import Comparison, called, method
from nasforge.compare.findings import value
from nasforge.compare.scores import Score
from nasforge.compare.sections import Grid, Section
from nasforge.wording import sentence_case


@dataclass(frozen=True)
class Variation:
    """One or two numeric options, and the group at each of their values.

    Attributes:
        options: names of the options.
        values: for each option, its values in ascending order.
        places: the index of the group with these values of the options.
    """

    options: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    places: Mapping[tuple[float, ...], int]


def variation(comparison: Comparison) -> Variation | None:
    """The varied options, if the groups share a strategy and differ in one or two numeric options; else None."""
    firsts = [group.runs[0] for group in comparison.groups]
    methods = [method(run) for run in firsts]
    options = [key for key in methods[0] if any(other.get(key) != methods[0][key] for other in methods)]
    if len({called(run) for run in firsts}) > 1 or not 1 <= len(options) <= 2 or len(firsts) <= len(options):
        return None
    if any(set(other) != set(methods[0]) or not all(_is_number(other[key]) for key in options) for other in methods):
        return None
    keys = [tuple(float(options_of[key]) for key in options) for options_of in methods]
    values = tuple(tuple(sorted({key[i] for key in keys})) for i in range(len(options)))
    return Variation(tuple(options), values, {key: place for place, key in enumerate(keys)})


def grids(comparison: Comparison, varied: Variation) -> Iterator[Grid]:
    """For each score a table: with two options, rows and columns; with one, a row for each value."""
    for score in comparison.scores:
        cells = {key: value(score, place).removesuffix(" %") for key, place in varied.places.items()}
        columns = varied.values[1] if len(varied.options) > 1 else (math.nan,)
        rows = [
            (f"{first:g}", *(cells.get((first,) if math.isnan(second) else (first, second), "–") for second in columns))
            for first in varied.values[0]
        ]
        heads = [f"{varied.options[1]} = {second:g}" for second in columns] if len(varied.options) > 1 else ["mean"]
        title = f"{score.title}, %" if score.percent else score.title
        yield Grid(title, (varied.options[0], *heads), tuple(rows), repeats=len(varied.options) == 1)


def option_section(comparison: Comparison) -> Iterator[Section]:
    """Each score as a table and a chart over the varied options, if there are one or two."""
    if (varied := variation(comparison)) is None:
        return
    about = "Dots are runs, lines are means over seeds, and bars are one standard deviation in each direction."
    if len(varied.options) > 1:
        about = "Means over seeds; the more color, the better."
    title = f"Scores by {' and '.join(varied.options)}"
    yield Section(title, about, tuple(grids(comparison, varied)), tuple(variation_charts(comparison, varied)))


def variation_charts(comparison: Comparison, varied: Variation) -> list[Chart]:
    """For each score, a curve with error bars over one option, or a heatmap over two."""
    draw = _curve if len(varied.options) == 1 else _heatmap
    over = " and ".join(varied.options)
    return [
        Chart(f"{score.name}_by_option", sentence_case(f"{score.title}, by {over}"), draw(score, varied))
        for score in comparison.scores
    ]


def _curve(score: Score, varied: Variation) -> Any:
    figure, axes = axes_of(SMALL, varied.options[0], score.title)
    x = varied.values[0]
    places = [varied.places[number,] for number in x]
    bars = [0.0 if math.isnan(score.deviation(place)) else score.deviation(place) for place in places]
    for number, place in zip(x, places, strict=True):
        runs = score.values[place]
        axes.scatter([number] * len(runs), runs, s=16, color=LIGHT["random"], linewidths=0, zorder=2)
    axes.errorbar(
        x,
        [score.mean(place) for place in places],
        bars,
        color=LIGHT["sep"],
        linewidth=1.7,
        marker="o",
        markersize=5,
        capsize=4,
        zorder=3,
    )
    axes.set_xticks(x, [f"{number:g}" for number in x])
    if score.percent:
        axes.yaxis.set_major_formatter(percent)
    return figure


def _heatmap(score: Score, varied: Variation) -> Any:
    """Rectangles with the mean as text; a better mean has more color, which also works on dark pages."""
    rows, columns = varied.values
    figure, axes = axes_of(SMALL, varied.options[1], varied.options[0])
    costs = [score.cost(place) for place in varied.places.values()]
    low, way = min(costs), max(costs) - min(costs) or 1.0
    from matplotlib.patches import Rectangle

    for (i, first), (j, second) in product(enumerate(rows), enumerate(columns)):
        place = varied.places.get((first, second))
        if place is None:
            continue
        share = 1 - (score.cost(place) - low) / way
        axes.add_patch(Rectangle((j, i), 1, 1, color=LIGHT["sep"], alpha=0.06 + 0.5 * share, linewidth=0))
        text = score.shown(score.mean(place))
        axes.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=10.5, color=LIGHT["ink"])
    axes.set(xlim=(0, len(columns)), ylim=(0, len(rows)))
    axes.set_xticks([j + 0.5 for j in range(len(columns))], [f"{number:g}" for number in columns])
    axes.set_yticks([i + 0.5 for i in range(len(rows))], [f"{number:g}" for number in rows])
    axes.grid(visible=False)
    axes.tick_params(length=0)
    return figure


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)
