"""Charts of a run, as SVG text in the palette that a page can turn dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nasforge.architecture import Architecture, Evaluation, Objective, ParetoFront
from nasforge.svg import LIGHT, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES = ("sep", "dil", "pool", "skip", "other", "found")
"""Colours of curves, in order."""


def curves(metrics: Mapping[str, Sequence[float | None]], title: str, *, percent: bool) -> str:
    """One line a metric over epochs; epochs without a value are left out."""
    figure, axes = _axes(title, "epoch", "%" if percent else "")
    for colour, (name, values) in zip(SERIES * len(metrics), metrics.items(), strict=False):
        points = [(epoch + 1, value) for epoch, value in enumerate(values) if value is not None]
        ys = [100 * value if percent else value for _, value in points]
        marker = "o" if len(points) < 30 else None
        axes.plot([x for x, _ in points], ys, color=LIGHT[colour], marker=marker, markersize=3, label=_words(name))
    _whole_numbers(axes)
    _legend(axes)
    return svg_of(figure)


def control_strip(found: float, random: Sequence[float]) -> str:
    """Accuracies of random architectures as marks on a line, the found one's above them."""
    figure, axes = _axes("", "accuracy with the shared weights, %", "", height=1.5)
    axes.scatter([100 * value for value in random], [0] * len(random), s=70, color=LIGHT["random"], alpha=0.55)
    axes.scatter([100 * found], [0], s=150, marker="D", color=LIGHT["found"], zorder=3)
    axes.annotate(
        f"found {found:.1%}", (100 * found, 0), (0, 16), textcoords="offset points", ha="center", color=LIGHT["found"]
    )
    axes.set(yticks=[], ylim=(-1, 1.6))
    axes.spines["left"].set_visible(False)
    return svg_of(figure)


def time_bars(seconds: Mapping[str, float]) -> str:
    """Where the time went, largest first."""
    parts = sorted(seconds.items(), key=lambda part: part[1])
    figure, axes = _axes("", "seconds", "", height=0.7 + 0.3 * len(parts))
    axes.barh([name for name, _ in parts], [value for _, value in parts], color=LIGHT["sep"], height=0.6)
    for row, (_, value) in enumerate(parts):
        axes.annotate(f"{value:.1f} s", (value, row), (4, 0), textcoords="offset points", va="center")
    axes.margins(x=0.12)
    return svg_of(figure)


def best_so_far(evaluations: Sequence[Mapping[str, Any]], objective: Mapping[str, Any]) -> str:
    """Each evaluation's first objective, and the best until then."""
    better = max if objective["direction"] == "max" else min
    values = [(i + 1, one["metrics"][objective["metric"]]) for i, one in enumerate(evaluations) if one["metrics"]]
    best = [better(value for _, value in values[: i + 1]) for i in range(len(values))]
    figure, axes = _axes("", "evaluation", _words(objective["metric"]))
    xs = [x for x, _ in values]
    axes.scatter(xs, [value for _, value in values], s=14, color=LIGHT["random"], label="each candidate")
    axes.step(xs, best, where="post", color=LIGHT["found"], label="best so far")
    _whole_numbers(axes)
    _legend(axes)
    return svg_of(figure)


def front(evaluations: Sequence[Mapping[str, Any]], metric: str, direction: Any, size: str) -> str:
    """Candidates in the plane of a metric and their size, the Pareto front joined by a line."""
    every = [Evaluation(Architecture.of("", {"row": i}), one["metrics"]) for i, one in enumerate(evaluations)]
    usable = [one for one in every if metric in one.metrics and size in one.metrics]
    best = sorted(
        ParetoFront(usable, [Objective(metric, direction), Objective(size, "min")]), key=lambda one: one.metrics[size]
    )
    figure, axes = _axes("", _words(size), _words(metric))
    axes.scatter(
        [one.metrics[size] for one in usable], [one.metrics[metric] for one in usable], s=16, color=LIGHT["random"]
    )
    axes.plot(
        [one.metrics[size] for one in best],
        [one.metrics[metric] for one in best],
        color=LIGHT["found"],
        marker="o",
        label="Pareto front",
    )
    _legend(axes)
    return svg_of(figure)


def _axes(title: str, x: str, y: str, height: float = 3.0) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, height), layout="constrained", facecolor=LIGHT["paper"])
    FigureCanvasSVG(figure)
    axes = figure.add_subplot(facecolor=LIGHT["paper"])
    axes.set_title(title, color=LIGHT["ink"], fontsize=11, loc="left")
    axes.set_xlabel(x, color=LIGHT["muted"])
    axes.set_ylabel(y, color=LIGHT["muted"])
    axes.tick_params(colors=LIGHT["muted"], labelcolor=LIGHT["muted"])
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
    axes.legend(frameon=False, labelcolor=LIGHT["ink"], fontsize=9)


def _words(name: str) -> str:
    return {"params_m": "parameters, millions", "macs_m": "MACs, millions"}.get(name, name.replace("_", " "))
