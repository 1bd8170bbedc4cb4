"""`verdict.html`: a verdict in one file that needs no network, and its tables beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from markupsafe import Markup

from nasforge.charts.svg import inline
from nasforge.compare.charts import Chart
from nasforge.compare.findings import p_value
from nasforge.journal.journal import atomic
from nasforge.judging.charts import curves_of_tasks, overall_curve, rank_diagram, surfaces_of_tasks
from nasforge.judging.judgment import Verdict, smallest_p
from nasforge.judging.tables import captions, csv_of, csv_of_surfaces, head, rows
from nasforge.report.pages import write_page
from nasforge.statistics.rank_tests import LEVEL
from nasforge.wording import counted, sentence_case


def write_verdict(verdict: Verdict, folder: Path) -> Path:
    """Write the files and return the path of the page."""
    for name, text in {"verdict.csv": csv_of(verdict), "surfaces.csv": csv_of_surfaces(verdict)}.items():
        if text:
            with atomic(folder / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
    sections = [
        {
            "name": name,
            "sentences": [
                (_leaning(verdict, name, other), _said(verdict, name, other)) for other in verdict.rivals(name)
            ],
            "rows": rows(verdict, name),
        }
        for name in verdict.judged
    ]
    content = {
        "title": "verdict on " + ", ".join(verdict.judged),
        "headline": f"{_headline(verdict)}.",
        "sections": sections,
        "head": head(verdict),
        "captions": captions(verdict),
        "ranks": _inline([rank_diagram(verdict)])[0],
        "rank_sentence": _rank_sentence(verdict),
        "overall": _inline([overall_curve(verdict)])[0],
        "curves": _inline(curves_of_tasks(verdict)),
        "regret": verdict.tasks[0].scale,
        "surfaces": _inline(surfaces_of_tasks(verdict)),
    }
    return write_page(folder / "verdict.html", "judging/verdict.html.jinja", content)


def _headline(verdict: Verdict) -> str:
    return verdict.sentence(verdict.judged[0]).partition(": ")[0]


def _said(verdict: Verdict, name: str, other: str) -> str:
    """The outcome in words; only its counts if the rest is the headline."""
    sentence = verdict.sentence(name, other)
    headline = f"{_headline(verdict)}: "
    return sentence_case(sentence.removeprefix(headline)) if sentence.startswith(headline) else sentence


def _leaning(verdict: Verdict, name: str, other: str) -> str:
    return "good" if f"{name} is better" in verdict.sentence(name, other) else "warning"


def _rank_sentence(verdict: Verdict) -> str:
    """Which strategies differ over tasks, as far as their number can show that."""
    tasks, friedman = len(verdict.tasks), verdict.ranks.friedman
    test = (
        ""
        if friedman != friedman
        else f"Friedman's test that all are alike over {tasks} tasks: p = {p_value(friedman)}. "
    )
    possible = smallest_p(tasks, math.comb(len(verdict.names), 2)) < LEVEL
    few = "" if possible else f"{counted(tasks, 'task')} cannot show a difference over tasks, so all are joined. "
    return (
        f"{test}{few}A bar joins strategies that do not differ significantly over the tasks (Wilcoxon signed-rank "
        "tests of the mean regrets of each pair, Holm-corrected). Tasks of one table resemble each other, so the tests "
        "are optimistic for other tables."
    )


def _inline(charts: Iterable[Chart]) -> list[tuple[str, Markup]]:
    return [(chart.title, Markup(inline(chart.svg, chart.name, chart.title))) for chart in charts]
