"""Whether candidates rank alike if they are trained on fewer images, at a lower resolution or for fewer epochs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import kendalltau, pearsonr

from nasforge.architecture import Objective, after_most_epochs
from nasforge.charts.plots import SERIES, SMALL, axes_of, in_percent, legend
from nasforge.charts.svg import LIGHT
from nasforge.compare.charts import Chart
from nasforge.compare.comparison import Comparison, Group
from nasforge.compare.option_grids import variation
from nasforge.compare.scores import same_candidates
from nasforge.compare.sections import Grid, Section
from nasforge.wording import sentence_case, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST = 3
"""The fewest candidates of which a correlation says anything."""
ABOUT = (
    "Each point is a candidate, measured with two adjacent values of the option: the mean over runs with different "
    "seeds. The dashed line is fitted to all points. In square brackets: 95 % interval of Pearson's r over candidates "
    "(Fisher). The correlation of all pairs together also rewards that the option moves all candidates alike."
)
HEADS = ("pairs", "candidates", "Pearson's r", "Kendall's tau")


@dataclass(frozen=True)
class Pairs:
    """The same n candidates measured with two values of an option: x (n,) with the smaller, y (n,) with the larger."""

    label: str
    x: np.ndarray
    y: np.ndarray

    @property
    def row(self) -> tuple[str, ...]:
        """The pairs' row in the table; dashes if all values of a side are equal."""
        if not np.ptp(self.x) or not np.ptp(self.y):
            return self.label, str(len(self.x)), "–", "–"
        r = pearsonr(self.x, self.y)
        interval = r.confidence_interval()
        tau = kendalltau(self.x, self.y).statistic
        shown = f"{r.statistic:.3f} [{interval.low:.2f}, {interval.high:.2f}]"
        return self.label, str(len(self.x)), shown, f"{tau:.3f}"


def agreement_section(comparison: Comparison) -> Iterator[Section]:
    """A table and a chart, if the runs measured the same candidates with several values of one numeric option."""
    varied, goals = variation(comparison), comparison.first.followed
    if varied is None or len(varied.options) > 1 or not goals:
        return
    if not same_candidates([group.runs for group in comparison.groups]):
        return
    groups = [comparison.groups[varied.places[value,]] for value in varied.values[0]]
    labels = [f"{value:g}" for value in varied.values[0]]
    pairs = list(_pairs(labels, [_means(group, goals[0].metric) for group in groups]))
    if any(len(each.x) < FEWEST for each in pairs):
        return
    whole = Pairs("all together", *(np.concatenate([getattr(each, side) for each in pairs]) for side in ("x", "y")))
    option = varied.options[0].split(".")[-1]
    rows = tuple(each.row for each in ([*pairs, whole] if len(pairs) > 1 else pairs))
    title = f"{words(goals[0])} with adjacent values of {option}"
    chart = Chart("agreement", sentence_case(title), _scatter(pairs, whole, option, goals[0]))
    yield Section(
        f"Do candidates rank alike with other values of {option}?", ABOUT, (Grid(title, HEADS, rows),), (chart,)
    )


def _means(group: Group, metric: str) -> Mapping[str, float]:
    """The mean of a metric over the runs that measured it, by the notation of each candidate."""
    runs = [
        {
            candidate.notation: candidate.metrics[metric]
            for candidate in after_most_epochs(run.evaluations)
            if candidate.measured
        }
        for run in group.runs
    ]
    every = {notation: [run[notation] for run in runs if notation in run] for run in runs for notation in run}
    return {notation: float(np.mean(values)) for notation, values in every.items()}


def _pairs(labels: Sequence[str], means: Sequence[Mapping[str, float]]) -> Iterator[Pairs]:
    for (first, fewer), (second, more) in pairwise(zip(labels, means, strict=True)):
        both = [notation for notation in fewer if notation in more]
        x, y = (np.array([values[notation] for notation in both]) for values in (fewer, more))
        yield Pairs(f"{first} and {second}", x, y)


def _scatter(pairs: Sequence[Pairs], whole: Pairs, option: str, goal: Objective) -> Figure:
    what = words(goal)
    figure, axes = axes_of(SMALL, f"{what}, smaller value of {option}", f"{what}, larger value of {option}")
    for place, each in enumerate(pairs):
        axes.scatter(each.x, each.y, s=26, color=LIGHT[SERIES[place % len(SERIES)]], label=each.label, linewidths=0)
    ends = np.array([whole.x.min(), whole.x.max()])
    axes.plot(ends, np.polyval(np.polyfit(whole.x, whole.y, 1), ends), "--", color=LIGHT["muted"], linewidth=1.2)
    in_percent(axes.xaxis, goal)
    in_percent(axes.yaxis, goal)
    legend(axes)
    return figure
