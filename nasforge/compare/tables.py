"""A comparison as text tables in Markdown, LaTeX and CSV, with a row for each strategy."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from nasforge.compare.comparison import Comparison
from nasforge.compare.findings import SEVERAL, among_best, captions, finding, p_value
from nasforge.compare.scores import Score
from nasforge.statistics.rank_tests import RankTest

PAIR_HEAD = (
    "better more often",
    "than",
    "wins",
    "difference",
    "95 % interval",
    "p",
    "p, corrected",
    "verdict",
)
WINS = (
    "Wins: the share of pairs of runs, one of each strategy, in which the first strategy's run is better; ties count "
    "half. Difference: of the means, with Welch's 95 % interval, which is not corrected for the number of pairs."
)
PAIR_NUMBERS = (2, 3, 4, 5, 6)
"""The columns of numbers."""


@dataclass(frozen=True)
class Cell:
    """A group's score as text: mean and deviation, which is empty for a single run."""

    mean: str
    deviation: str
    bold: bool

    def __str__(self) -> str:
        return f"{self.mean} ± {self.deviation}" if self.deviation else self.mean


@dataclass(frozen=True)
class Row:
    """The row of a strategy."""

    name: str
    runs: int
    cells: tuple[Cell, ...]


def headings(comparison: Comparison) -> list[str]:
    """The column titles, with the unit of accuracies."""
    return ["strategy", "runs", *(f"{score.title}, %" if score.percent else score.title for score in comparison.scores)]


def table_rows(comparison: Comparison) -> list[Row]:
    """The rows of the table."""
    bold = [among_best(comparison, score) for score in comparison.scores]
    return [
        Row(
            group.name,
            len(group.runs),
            tuple(_cell(score, place, place in best) for score, best in zip(comparison.scores, bold, strict=True)),
        )
        for place, group in enumerate(comparison.groups)
    ]


def _cell(score: Score, place: int, bold: bool) -> Cell:
    deviation = score.deviation(place)
    return Cell(score.shown(score.mean(place)), "" if math.isnan(deviation) else score.shown(deviation), bold)


def tested(comparison: Comparison) -> list[tuple[Score, Sequence[RankTest]]]:
    """The tested scores with their tests; with many groups, only the tests against the best one."""
    found = []
    for score in comparison.scores:
        tests = comparison.tests.get(score.name, ())
        if len(comparison.groups) > SEVERAL:
            best = comparison.groups[min(range(len(comparison.groups)), key=score.cost)].name
            tests = [test for test in tests if best in (test.first, test.second)]
        found += [(score, tests)] if tests else []
    return found


def pair_row(test: RankTest, score: Score) -> list[str]:
    """A rank test as a row under `PAIR_HEAD`; differences of accuracies are in points."""
    means = [score.signed(test.difference), "–"]
    if test.interval is not None:
        means[1] = f"{score.signed(test.interval.low)} to {score.signed(test.interval.high)}"
    p = [p_value(test.p), p_value(test.corrected)] if test.possible else ["–", "–"]
    verdict = "significant" if test.significant else test.verdict
    return [test.first, test.second, f"{test.wins:.0%}", *means, *p, verdict]


def markdown(comparison: Comparison) -> str:
    """The table, its caption, the tests and the notes as Markdown."""
    heads = headings(comparison)
    body = [
        [row.name, str(row.runs), *(f"**{cell}**" if cell.bold else str(cell) for cell in row.cells)]
        for row in table_rows(comparison)
    ]
    parts = [f"# {finding(comparison, comparison.scores[0])}", pipes(heads, body, range(1, len(heads)))]
    parts += [" ".join(captions(comparison))]
    for score, tests in tested(comparison):
        parts += [f"## Rank tests: {score.title}", f"{finding(comparison, score)} {WINS}"]
        parts += [pipes(PAIR_HEAD, (pair_row(test, score) for test in tests), PAIR_NUMBERS)]
    parts += [f"- Note: {note}" for note in comparison.notes]
    return "\n\n".join(parts) + "\n"


def pipes(heads: Sequence[str], body: Iterable[Iterable[str]], right: Container[int]) -> str:
    """A Markdown table; the columns `right` are aligned right."""
    rule = ["---:" if i in right else "---" for i in range(len(heads))]
    lines = [[cell.replace("|", "\\|") for cell in row] for row in (heads, rule, *body)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def latex(comparison: Comparison) -> str:
    """A `table` environment with booktabs rules; the tests are comments above it."""
    tests = [
        f"% {score.title}: {', '.join(pair_row(test, score))}" for score, several in tested(comparison)
        for test in several
    ]  # fmt: skip
    body = [
        " & ".join([_tex(row.name), str(row.runs), *(_tex_number(cell) for cell in row.cells)])
        for row in table_rows(comparison)
    ]
    lines = [
        "% \\usepackage{booktabs}",
        *tests,
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{_tex(' '.join(captions(comparison)))}}}",
        f"  \\begin{{tabular}}{{l{'r' * (1 + len(comparison.scores))}}}",
        "    \\toprule",
        f"    {' & '.join(map(_tex, headings(comparison)))} \\\\",
        "    \\midrule",
        *(f"    {row} \\\\" for row in body),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _tex_number(cell: Cell) -> str:
    number = f"{cell.mean} \\pm {cell.deviation}" if cell.deviation else cell.mean
    return f"$\\mathbf{{{number}}}$" if cell.bold else f"${number}$"


def _tex(text: str) -> str:
    special = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "±": "$\\pm$"}
    special |= {"<": "$<$", ">": "$>$"} | {character: f"\\{character}" for character in "&%$#_{}"}
    return re.sub("[\\\\~^±<>&%$#_{}]", lambda match: special[match[0]], text)


def csv_table(comparison: Comparison) -> str:
    """One row per strategy, with means and deviations in full precision; accuracies are fractions."""
    names = [f"{score.name}_{what}" for score in comparison.scores for what in ("mean", "deviation")]
    body = []
    for place, group in enumerate(comparison.groups):
        numbers = [of(place) for score in comparison.scores for of in (score.mean, score.deviation)]
        body.append([group.name, len(group.runs), *("" if math.isnan(number) else number for number in numbers)])
    return _csv(["strategy", "runs", *names], body)


def csv_of_runs(comparison: Comparison) -> str:
    """One row per run."""
    body = [
        [group.name, run.seed, *(score.values[place][index] for score in comparison.scores), run.folder]
        for place, group in enumerate(comparison.groups)
        for index, run in enumerate(group.runs)
    ]
    return _csv(["strategy", "seed", *(score.name for score in comparison.scores), "folder"], body)


def _csv(head: Sequence[str], body: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *body])
    return text.getvalue()
