"""Charts of a run, as SVG text in the palette that a page can turn dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nasforge.architecture import Architecture, Evaluation, Objective, ParetoFront
from nasforge.svg import LIGHT, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES = ("sep", "pool", "skip", "dil", "other", "found")
"""Colours of curves, in order."""

_SMALL, _WIDE = (440.0, 230.0), (760.0, 0.0)  # width and height in points, which a page shows as pixels


@dataclass(frozen=True)
class Curve:
    """One line of a chart: a value an epoch, None where there was none; an empty label stays out of the legend."""

    label: str
    values: Sequence[float | None]
    colour: str
    dashed: bool = False


def curves(lines: Sequence[Curve], *, percent: bool = False) -> str:
    """Lines over epochs, the legend above them so that it hides none."""
    figure, axes = _axes(_SMALL, "epoch", "")
    for line in lines:
        points = [(i + 1, value) for i, value in enumerate(line.values) if _known(value)]
        axes.plot(
            [epoch for epoch, _ in points],
            [(100 if percent else 1) * float(value or 0) for _, value in points],
            color=LIGHT[line.colour],
            linestyle=(0, (4, 2)) if line.dashed else "-",
            linewidth=1.7,
            marker="o" if len(points) < 12 else None,
            markersize=3.5,
            label=line.label or "_",
        )
    _whole_numbers(axes)
    if percent:
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    _legend(axes)
    return svg_of(figure)


def control_strip(found: float, random: Sequence[float]) -> str:
    """Each random architecture a dot, equal ones stacked; the found one a diamond on a line across."""
    values = sorted(100 * value for value in random)
    low, high = min([*values, 100 * found]), max([*values, 100 * found])
    step = max((high - low) / 48, 0.05)
    stacks: dict[int, int] = {}
    dots = []
    for value in values:
        place = round((value - low) / step)
        stacks[place] = stacks.get(place, 0) + 1
        dots.append((low + place * step, stacks[place]))
    tallest = max(stacks.values(), default=1)
    figure, axes = _axes((_WIDE[0], 96 + 13.0 * min(tallest, 14)), "accuracy with the shared weights", "")
    size = 95 * min(1.0, 14 / tallest) ** 2
    axes.scatter([x for x, _ in dots], [y for _, y in dots], s=size, color=LIGHT["random"], linewidths=0)
    axes.plot([100 * found] * 2, [0, tallest + 1], color=LIGHT["found"], linewidth=1.6)
    axes.scatter([100 * found], [tallest + 1], s=75, marker="D", color=LIGHT["found"], zorder=3)
    left = 100 * found > (low + high) / 2
    axes.annotate(
        f"found: {found:.1%}",
        (100 * found, tallest + 1),
        (-10 if left else 10, -4),
        textcoords="offset points",
        ha="right" if left else "left",
        color=LIGHT["found"],
        weight="bold",
    )
    axes.set(yticks=[], ylim=(0, tallest + 2))
    axes.margins(x=0.04)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.spines["left"].set_visible(False)
    return svg_of(figure)


def best_so_far(evaluations: Sequence[Mapping[str, Any]], objective: Objective) -> str:
    """Each estimate of the objective, and the best until then."""
    known = [
        (i + 1, one["metrics"][objective.metric])
        for i, one in enumerate(evaluations)
        if math.isfinite(objective.cost(one["metrics"]))
    ]
    better = max if objective.direction == "max" else min
    best: list[float] = []
    for _, value in known:
        best.append(better([*best[-1:], value]))
    figure, axes = _axes(_SMALL, "estimate", words(objective.metric))
    xs = [x for x, _ in known]
    axes.scatter(xs, [value for _, value in known], s=16, color=LIGHT["random"], linewidths=0, label="each candidate")
    axes.step(xs, best, where="post", color=LIGHT["found"], linewidth=1.7, label="best so far")
    _percents(axes, objective.metric)
    _whole_numbers(axes)
    _legend(axes)
    return svg_of(figure)


def front(evaluations: Sequence[Mapping[str, Any]], objective: Objective, size: str) -> str:
    """Candidates in the plane of an objective and their size, the Pareto front joined by a line."""
    known = [one["metrics"] for one in evaluations if _known(one["metrics"].get(size))]
    usable = [metrics for metrics in known if math.isfinite(objective.cost(metrics))]
    every = [Evaluation(Architecture.of("", {"row": i}), metrics) for i, metrics in enumerate(usable)]
    best = sorted(ParetoFront(every, [objective, Objective(size, "min")]), key=lambda one: one.metrics[size])
    figure, axes = _axes(_SMALL, words(size), words(objective.metric))
    axes.scatter(
        [metrics[size] for metrics in usable],
        [metrics[objective.metric] for metrics in usable],
        s=16,
        color=LIGHT["random"],
        linewidths=0,
        label="each candidate",
    )
    axes.plot(
        [one.metrics[size] for one in best],
        [one.metrics[objective.metric] for one in best],
        color=LIGHT["found"],
        linewidth=1.7,
        marker="o",
        markersize=4,
        label="Pareto front",
    )
    _percents(axes, objective.metric)
    _legend(axes)
    return svg_of(figure)


def words(name: str) -> str:
    """A metric's name as people read it."""
    known = {"params_m": "parameters, millions", "macs_m": "multiply-adds, millions"}
    return known.get(name, name.replace("_", " "))


def _percents(axes: Axes, metric: str) -> None:
    """Accuracies are fractions everywhere but on the page."""
    if metric.endswith("accuracy"):
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")


def _known(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def _axes(size: tuple[float, float], x: str, y: str) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] / 72, size[1] / 72), layout="constrained", facecolor=LIGHT["paper"])
    FigureCanvasSVG(figure)
    axes = figure.add_subplot(facecolor=LIGHT["paper"])
    axes.set_xlabel(x, color=LIGHT["muted"], fontsize=10.5, parse_math=False)
    axes.set_ylabel(y, color=LIGHT["muted"], fontsize=10.5, parse_math=False)
    axes.tick_params(color=LIGHT["line"], labelcolor=LIGHT["muted"], labelsize=10.5)
    axes.grid(color=LIGHT["line"], linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(LIGHT["line"])
    return figure, axes


def _whole_numbers(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _legend(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        legend = axes.figure.legend(
            handles, labels, loc="outside upper left", ncols=3, frameon=False, labelcolor=LIGHT["ink"], fontsize=10.5
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
