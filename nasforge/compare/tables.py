"""A comparison as tables of text, and these as Markdown, LaTeX and CSV. Strategies are rows."""

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
    "Wins: of all pairs of runs, one of each strategy, in how many the first one's is better; ties count half. "
    "Difference: of the two means; its interval is Welch's, for each pair by itself."
)
PAIR_NUMBERS = (2, 3, 4, 5, 6)
"""Which columns under it are numbers."""


@dataclass(frozen=True)
class Cell:
    """A group's score: mean and deviation as people read them; no deviation of a single run."""

    mean: str
    deviation: str
    bold: bool

    def __str__(self) -> str:
        return f"{self.mean} ± {self.deviation}" if self.deviation else self.mean


@dataclass(frozen=True)
class Row:
    """A strategy's."""

    name: str
    runs: int
    cells: tuple[Cell, ...]


def headings(comparison: Comparison) -> list[str]:
    """Of the columns; accuracies have their unit here."""
    return ["strategy", "runs", *(f"{score.title}, %" if score.percent else score.title for score in comparison.scores)]


def table_rows(comparison: Comparison) -> list[Row]:
    """The rows under `headings`."""
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
    """The tested scores with their tests; of many groups, each against the best; none where there is one alone."""
    found = []
    for score in comparison.scores:
        tests = comparison.tests.get(score.name, ())
        if len(comparison.groups) > SEVERAL:
            best = comparison.groups[min(range(len(comparison.groups)), key=score.cost)].name
            tests = [test for test in tests if best in (test.first, test.second)]
        found += [(score, tests)] if tests else []
    return found


def pair_row(test: RankTest, score: Score) -> list[str]:
    """A rank test under `PAIR_HEAD`; differences in the unit of the score, those of accuracies in points."""
    means = [score.signed(test.difference), "–"]
    if test.interval is not None:
        means[1] = f"{score.signed(test.interval.low)} to {score.signed(test.interval.high)}"
    p = [p_value(test.p), p_value(test.corrected)] if test.possible else ["–", "–"]
    verdict = "significant" if test.significant else test.verdict
    return [test.first, test.second, f"{test.wins:.0%}", *means, *p, verdict]


def markdown(comparison: Comparison) -> str:
    """A page of Markdown: the table, its caption, the tests, the notes."""
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
    """A table of Markdown; the columns `right` are aligned right."""
    rule = ["---:" if i in right else "---" for i in range(len(heads))]
    lines = [[cell.replace("|", "\\|") for cell in row] for row in (heads, rule, *body)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def latex(comparison: Comparison) -> str:
    """A `table` with booktabs' rules; the tests are comments above it."""
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
    return re.sub("[\\\\~^±<>&%$#_{}]", lambda found: special[found[0]], text)


def csv_table(comparison: Comparison) -> str:
    """One row a strategy, means and deviations in full precision; accuracies are fractions."""
    names = [f"{score.name}_{what}" for score in comparison.scores for what in ("mean", "deviation")]
    body = []
    for place, group in enumerate(comparison.groups):
        numbers = [of(place) for score in comparison.scores for of in (score.mean, score.deviation)]
        body.append([group.name, len(group.runs), *("" if math.isnan(number) else number for number in numbers)])
    return _csv(["strategy", "runs", *names], body)


def csv_of_runs(comparison: Comparison) -> str:
    """One row a run."""
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
