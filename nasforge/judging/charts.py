"""The charts of a verdict: average ranks, curves over evaluations and over simulated time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nasforge.charts.plots import SERIES, WIDE, axes_of
from nasforge.charts.svg import LIGHT
from nasforge.compare.charts import Chart, drawn, over_time
from nasforge.compare.trajectories import over_estimates, over_seconds
from nasforge.judging.judgment import BY_SIZE, Verdict
from nasforge.wording import words

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
