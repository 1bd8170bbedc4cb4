"""The candidates of a search in its report: charts, and a table of the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from nasforge.architecture import Metrics, Objective
from nasforge.charts import fronts
from nasforge.charts.front_tables import candidate_table
from nasforge.charts.plots import Mark
from nasforge.report.pictures import picture
from nasforge.result import Candidate, SearchResult
from nasforge.wording import amount, quantity, sentence_case, words


@dataclass(frozen=True)
class CandidateChart:
    """A chart of candidates.

    Attributes:
        marks: its most important points.
        about: what they are.
    """

    title: str
    svg: Markup
    marks: Sequence[Mark]
    about: str


def candidate_charts(objectives: Sequence[Objective], evaluations: Sequence[Candidate]) -> list[CandidateChart]:
    """The best so far, and the front of the first two objectives, or of the first one and the size."""
    measured = {name for candidate in evaluations for name in candidate.metrics}
    if not objectives or objectives[0].metric not in measured:
        return []
    first = objectives[0]
    chart = fronts.best_so_far(evaluations, first)
    best = f", in the end {chart.marks[-1].text}" if chart.marks else ""
    drawn = [CandidateChart("Best so far", _drawn(chart, f"best so far{best}"), chart.marks, "improvements")]
    size = [Objective("params_m", "min")] if "params_m" in measured and first.metric != "params_m" else []
    for second in [goal for goal in objectives[1:] if goal.metric in measured][:1] or size:
        title = sentence_case(f"{words(first)} and {words(second)}")
        chart = fronts.front(evaluations, first, second)
        caption = f"{title}: a front of {len(chart.marks)} candidates"
        drawn.append(CandidateChart(title, _drawn(chart, caption), chart.marks, "Pareto front"))
    return drawn


def _drawn(chart: fronts.MarkedChart, caption: str) -> Markup:
    return picture(chart.svg, caption[:5].replace(" ", "-"), caption)


def measured(result: SearchResult) -> list[tuple[str, str]]:
    """The found architecture's metrics as text, without those that are equal for all candidates."""
    metrics = result.metrics
    columns = columns_of(metrics, result.goals, result.by_metric, result.evaluations.constant)
    return [(words(metric), amount(metric, metrics[_name(metric)])) for metric in columns]


def columns_of(
    metrics: Metrics, goals: Sequence[Objective], by_metric: Mapping[str, Objective], constant: Sequence[str] = ()
) -> list[Objective | str]:
    """The metrics that are not `constant` among candidates, with the followed ones first."""
    names = dict.fromkeys([*(goal.metric for goal in goals if goal.metric in metrics), *metrics])
    return [by_metric.get(name, name) for name in names if name not in constant]


def best_table(
    evaluations: Sequence[Candidate],
    goals: Sequence[Objective],
    by_metric: Mapping[str, Objective],
    constant: Sequence[str] = (),
) -> list[list[str]]:
    """The ten best distinct candidates by the first objective, with all metrics that vary."""
    usable = {candidate.notation: candidate for candidate in evaluations if candidate.status == "ok"}
    if not goals or not usable:
        return []
    rows = sorted(usable.values(), key=lambda candidate: goals[0].cost(candidate.metrics))[:10]
    return candidate_table(rows, columns_of(rows[0].metrics, goals, by_metric, constant))


def best_sentence(evaluations: Sequence[Candidate], goals: Sequence[Objective]) -> str:
    """The best value of the first objective so far; empty if nothing was measured."""
    usable = [candidate for candidate in evaluations if candidate.status == "ok" and goals]
    if not usable:
        return ""
    best = min(usable, key=lambda candidate: goals[0].cost(candidate.metrics))
    return quantity(goals[0], best.metrics[goals[0].metric])


def _name(metric: Objective | str) -> str:
    return metric if isinstance(metric, str) else metric.metric
