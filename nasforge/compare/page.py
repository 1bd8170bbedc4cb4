"""`comparison.html`: a comparison of strategies in one file that needs no network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from nasforge.charts.svg import inline
from nasforge.compare.charts import Chart, color, is_dashed
from nasforge.compare.comparison import Comparison
from nasforge.compare.findings import captions, finding, task
from nasforge.compare.sections import Section
from nasforge.compare.tables import PAIR_HEAD, PAIR_NUMBERS, WINS, headings, pair_row, table_rows, tested
from nasforge.journal.run_folder import RunFolder
from nasforge.report.pages import write_page
from nasforge.wording import sentence_case


def write_comparison_page(
    comparison: Comparison,
    charts: Sequence[Chart],
    sections: Sequence[Section],
    path: Path,
) -> Path:
    """Write the page. It links to the runs' own reports by relative paths."""
    content = {
        "title": f"strategies on {task(comparison)}",
        "finding": finding(comparison, comparison.scores[0]).replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"),
        "notes": [sentence_case(note) for note in comparison.notes],
        "headings": headings(comparison),
        "rows": _rows(comparison),
        "headline": comparison.scores[0].title,
        "captions": list(captions(comparison)),
        "charts": _inline(charts),
        "sections": [(section, _inline(section.charts)) for section in sections],
        "tests": [
            (score.title, finding(comparison, score), [(test.significant, pair_row(test, score)) for test in tests])
            for score, tests in tested(comparison)
        ],
        "wins": WINS,
        "test_head": PAIR_HEAD,
        "test_numbers": PAIR_NUMBERS,
        "run_heads": ["strategy", "seed", *headings(comparison)[2:], "report"],
        "runs": _runs(comparison, path.parent),
        "budget": task(comparison),
    }
    return write_page(path, "compare/comparison.html.jinja", content)


def _inline(charts: Sequence[Chart]) -> list[tuple[str, Markup]]:
    return [(chart.title, Markup(inline(chart.svg, chart.name, chart.title))) for chart in charts]


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Rows of the table, with each run's headline score as a position on a common axis, in percent."""
    score = comparison.scores[0]
    every = [value for values in score.values for value in values]
    low, way = min(every), max(every) - min(every) or 1.0
    return [
        {
            "row": row,
            "color": color(place),
            "hollow": is_dashed(place),
            "places": [(100 * (value - low) / way, score.shown(value)) for value in score.values[place]],
        }
        for place, row in enumerate(table_rows(comparison))
    ]


def _runs(comparison: Comparison, folder: Path) -> list[tuple[list[str], str]]:
    """For each run, its scores and the link from `folder` to its report."""
    rows = []
    for place, group in enumerate(comparison.groups):
        for index, run in enumerate(group.runs):
            values = [score.shown(score.values[place][index]) for score in comparison.scores]
            link = quote(os.path.relpath(RunFolder(run.folder).report, folder).replace(os.sep, "/"))
            rows.append(([group.name, str(run.seed), *values], link))
    return rows
