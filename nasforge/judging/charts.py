"""The charts of a verdict: average ranks, curves over evaluations and simulated time, attainment surfaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from nasforge.charts.plots import SERIES, SMALL, WIDE, axes_of, in_percent, legend
from nasforge.charts.svg import LIGHT
from nasforge.compare.charts import Chart, drawn, over_time
from nasforge.compare.trajectories import over_estimates, over_seconds
from nasforge.judging.fronts import FrontTask, surfaces
from nasforge.judging.judgment import BY_SIZE, Verdict
from nasforge.wording import words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 24.0
"""Height of a row of the diagram of ranks, in points."""


def rank_diagram(verdict: Verdict) -> Chart:
    """A critical-difference diagram (Demsar 2006): strategies at their average ranks, and bars over those alike."""
    ranks, count = verdict.ranks.ranks, len(verdict.names)
    bars = verdict.ranks.cliques
    figure, axes = axes_of((WIDE[0], 60 + ROW * (count + len(bars) / 2)), "average rank over tasks; 1 is the best", "")
    for bar, clique in enumerate(bars):
        ends = ranks[clique[0]] - 0.03, ranks[clique[-1]] + 0.03
        axes.plot(ends, [-0.5 * (bar + 1)] * 2, color=LIGHT["ink"], linewidth=4, solid_capstyle="butt")
    for place, index in enumerate(np.argsort(ranks, kind="stable").tolist(), start=1):
        color = LIGHT[SERIES[index % len(SERIES)]]
        depth = -(count + 1 - place) - len(bars) / 2  # longest for the best, so that no label crosses a line
        axes.plot([ranks[index]] * 2, [0, depth], color=color, linewidth=1.4)
        axes.plot([ranks[index]], [0], "o", color=color, markersize=7)
        axes.annotate(
            f"{verdict.names[index]}  {ranks[index]:.2f}",
            (ranks[index], depth),
            (6, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            color=color,
            fontsize=10.5,
            parse_math=False,
        )
    axes.set(xlim=(0.8, 1.3 * count), ylim=(-count - len(bars) / 2 - 0.6, 0.6), xticks=range(1, count + 1), yticks=[])
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    return Chart("ranks", "Average ranks over tasks", figure)


def overall_curve(verdict: Verdict) -> Chart:
    """The mean regret over all tasks along the searches."""
    regrets = {name: verdict.regrets[name].mean(axis=0) for name in verdict.names}
    bands = [over_estimates(name, list(values)) for name, values in regrets.items()]
    return Chart("regret", "Regret of the best so far, mean over tasks", drawn(bands, "evaluations", "regret"))


def curves_of_tasks(verdict: Verdict) -> Iterator[Chart]:
    """For each task, the quality of the best so far over evaluations, and over training time if the table has that."""
    for number, task in enumerate(verdict.tasks):
        done = {name: verdict.searches[name][number] for name in verdict.names}
        curves = {name: each.best for name, each in done.items()}
        if (by_size := verdict.by_size[number]) is not None:
            curves[BY_SIZE] = by_size
        title = f"{task.name}: {words(task.objective)}"
        bands = [over_estimates(name, list(values)) for name, values in curves.items()]
        yield Chart(f"task-{number}", title, drawn(bands, "evaluations", task.objective))
        times = {name: each.seconds for name, each in done.items() if each.seconds is not None}
        if len(times) == len(done):
            timed = [over_seconds(name, list(times[name]), list(done[name].best)) for name in times]
            yield Chart(f"time-{number}", f"{title}, over simulated time", over_time(timed, task.objective))


def surfaces_of_tasks(verdict: Verdict) -> Iterator[Chart]:
    """For each task of two objectives, the attainment surfaces of all strategies and the table's front."""
    for number, task in enumerate(verdict.tasks):
        if not (isinstance(task, FrontTask) and len(task.columns) == 2):
            continue
        first, second = task.box.objectives
        figure, axes = axes_of(SMALL, words(second), words(first))
        signs = np.array([first.sign, second.sign])
        known = task.values[~np.isnan(task.values).any(axis=1)]
        corner = known.max(axis=0)
        axes.plot(*_stairs(surfaces([known])["best"], corner, signs), color=LIGHT["ink"], linewidth=1, label="table")
        for place, name in enumerate(verdict.names):
            levels = surfaces(verdict.searches[name][number].fronts)
            _draw_surfaces(axes, levels, corner, signs, LIGHT[SERIES[place % len(SERIES)]], name)
        _look_at_box(axes, task.box.ideal, task.box.nadir, signs)
        in_percent(axes.xaxis, second)
        in_percent(axes.yaxis, first)
        legend(axes)
        yield Chart(f"surfaces-{number}", task.name, figure)


def _draw_surfaces(
    axes: Axes, levels: Mapping[str, np.ndarray], corner: np.ndarray, signs: np.ndarray, color: str, name: str
) -> None:
    """Draw the median surface as a line, and a shade from the best to the worst."""
    if not levels:
        return
    best, worst = (_stairs(levels[level], corner, signs) for level in ("best", "worst"))
    between = np.concatenate([np.stack(best, axis=1), np.stack(worst, axis=1)[::-1]])
    axes.fill(*between.T, color=color, alpha=0.16, linewidth=0)
    axes.plot(*_stairs(levels["median"], corner, signs), color=color, linewidth=1.7, label=name)


def _stairs(surface: np.ndarray, corner: np.ndarray, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The x (second objective) and y (first) of a surface's staircase, which ends at the worst costs, `corner`."""
    first, second = surface.T
    y = np.repeat(np.append(first, corner[0]), 2)[:-1]
    x = np.repeat(np.append(corner[1], second), 2)[1:]
    return signs[1] * x, signs[0] * y


def _look_at_box(axes: Axes, ideal: np.ndarray, nadir: np.ndarray, signs: np.ndarray) -> None:
    """Fit the axes to the box of the table's front, with a margin."""
    margin = 0.05 * (nadir - ideal)
    (bottom, left), (top, right) = signs * (ideal - margin), signs * (nadir + margin)
    axes.set(xlim=sorted((left, right)), ylim=sorted((bottom, top)))
