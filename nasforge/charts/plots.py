"""Charts with axes: their common style, the curves of fits, and the accuracies of the control."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nasforge.charts.svg import LIGHT, svg_of
from nasforge.wording import is_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from nasforge.architecture import Objective

SERIES = ("sep", "pool", "skip", "dil", "other", "found")
"""Colors of curves, in order."""

SMALL = (440.0, 230.0)
WIDE = (760.0, 0.0)
"""Width and height in points; a page shows a point as a pixel."""
MIDDLE = 560.0
"""A width that stays legible on a phone."""

DECADES = 100.0
"""Positive values with a larger ratio of maximum to minimum get a logarithmic axis."""


@dataclass(frozen=True)
class Curve:
    """One line of a chart, with a value or None per epoch; an empty label is not in the legend."""

    label: str
    values: Sequence[float | None]
    color: str
    dashed: bool = False


@dataclass(frozen=True)
class Mark:
    """A point of a chart that shows a text on hover and on focus.

    Attributes:
        x, y: from the left and from the top, in percent of the picture.
    """

    x: float
    y: float
    text: str


def marks_of(axes: Axes, points: np.ndarray, texts: Sequence[str]) -> tuple[Mark, ...]:
    """Marks at points (n, 2) in the coordinates of `axes`, whose figure has been drawn and so laid out."""
    places = 100 * axes.figure.transFigure.inverted().transform(axes.transData.transform(points))
    marks = [Mark(round(x, 2), round(100 - y, 2), text) for (x, y), text in zip(places.tolist(), texts, strict=True)]
    return tuple(mark for mark in marks if 0 <= mark.x <= 100 and 0 <= mark.y <= 100)


def curves(lines: Sequence[Curve], *, percent: bool = False) -> str:
    """A chart of lines over epochs."""
    figure, axes = axes_of(SMALL, "epoch", "")
    seen: set[int] = set()
    for line in lines:
        points = [(i + 1, value) for i, value in enumerate(line.values) if known(value)]
        seen |= {epoch for epoch, _ in points}
        axes.plot(
            [epoch for epoch, _ in points],
            [(100 if percent else 1) * float(value or 0) for _, value in points],
            color=LIGHT[line.color],
            linestyle=(0, (4, 2)) if line.dashed else "-",
            linewidth=1.7,
            marker="o" if len(points) < 12 else None,
            markersize=3.5,
            label=line.label or "_",
        )
    whole_numbers(axes)
    if len(seen) == 1:
        axes.set_xlim(min(seen) - 1, min(seen) + 1)  # otherwise the axis would show fractions of an epoch
    if percent:
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    legend(axes)
    return svg_of(figure)


def control_strip(found: float, random: Sequence[float]) -> str:
    """A dot for each random architecture, with equal ones stacked, and a diamond for the found one."""
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
    figure, axes = axes_of((MIDDLE, 96 + 13.0 * min(tallest, 14)), "accuracy with the shared weights", "")
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


def in_percent(axis: Axis, metric: Objective | str) -> None:
    """Label the axis in percent if the metric is a fraction to show in percent."""
    if is_share(metric):
        axis.set_major_formatter(percent)


def percent(value: float, _: float) -> str:
    """A fraction as an axis shows it."""
    return f"{100 * value:g} %"


def over_decades(values: np.ndarray) -> bool:
    """Whether finite values (n,) need a logarithmic axis."""
    return bool(values.size) and bool(values.max() > DECADES * values.min() > 0)


def scale_axis(axes: Axes, side: Literal["x", "y"], metric: Objective | str, values: np.ndarray) -> None:
    """Scale an axis for values (n,) of `metric`: percent for fractions, a log scale for several decades."""
    axis = axes.xaxis if side == "x" else axes.yaxis
    in_percent(axis, metric)
    if over_decades(values) and not is_share(metric):
        axes.set_xscale("log") if side == "x" else axes.set_yscale("log")
        axis.set_major_formatter(lambda value, _: f"{value:g}")


def known(value: Any) -> bool:
    """Whether the value is finite."""
    return value is not None and math.isfinite(value)


def axes_of(size: tuple[float, float], x: str, y: str) -> tuple[Figure, Axes]:
    """A figure and its axes, labeled `x` and `y`."""
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


def whole_numbers(axes: Axes) -> None:
    """Put ticks only at whole epochs or estimates."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def legend(axes: Axes) -> None:
    """Put the legend above the axes, so that it hides nothing, in as many columns as fit."""
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    columns = int(72 * axes.figure.bbox.width / axes.figure.dpi / (45 + 6.4 * max(map(len, labels))))
    shown = axes.figure.legend(
        handles,
        labels,
        loc="outside upper left",
        ncols=min(3, max(1, columns)),
        frameon=False,
        labelcolor=LIGHT["ink"],
        fontsize=10.5,
    )
    for text in shown.get_texts():
        text.set_parse_math(False)
