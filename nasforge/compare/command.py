"""`nasforge compare`: print a comparison of runs and write it to files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nasforge.compare.comparison import Comparison, compare
from nasforge.compare.findings import captions, finding
from nasforge.compare.scores import Score
from nasforge.compare.tables import (
    PAIR_HEAD,
    PAIR_NUMBERS,
    WINS,
    csv_of_runs,
    csv_table,
    headings,
    latex,
    markdown,
    pair_row,
    table_rows,
    tested,
)
from nasforge.errors import OptionError
from nasforge.journal.run_folder import RunFolder
from nasforge.registry.places import user_path
from nasforge.statistics.rank_tests import RankTest
from nasforge.wording import sentence_case

if TYPE_CHECKING:
    from nasforge.compare.sections import Grid

USAGE = "nasforge compare RUN... [out=FOLDER], where RUN may be a sweep's folder"
WIDE = 150
"""Width in characters if the output is a file or a pipe."""


def compare_runs(words: Sequence[str]) -> int:
    """Run `nasforge compare WORDS` and return its exit status.

    Raises:
        OptionError: the words do not follow `USAGE`.
        RunError: a folder holds no finished search, or two searches cannot be compared.
    """
    paths, out = _read(words)
    comparison = compare(paths)
    page = write_comparison(comparison, out or _default(paths))
    console = Console()
    print_comparison(comparison, console if console.is_terminal else Console(width=WIDE))
    print(f"\ncomparison  {page}\nits folder also holds tables and charts for papers")
    return 0


def _read(words: Sequence[str]) -> tuple[list[Path], Path | None]:
    paths, out = [], None
    for word in words:
        key, equals, value = word.partition("=")
        if key == "out" and value:
            out = user_path(value)
        elif (word.startswith("-") or equals) and not os.path.exists(word):
            raise OptionError(f"compare does not accept {word}: {USAGE}")
        else:
            paths.append(Path(word))
    if not paths:
        raise OptionError(f"compare needs runs: {USAGE}")
    return paths, out


def _default(paths: Sequence[Path]) -> Path:
    """The sweep's own folder; for a run or several folders, a new folder named after the current time."""
    if len(paths) == 1 and not RunFolder(paths[0]).is_run:
        return paths[0]
    return Path("comparison") / f"{datetime.now():%Y-%m-%d_%H-%M-%S_%f}"


def write_comparison(comparison: Comparison, folder: Path) -> Path:
    """Write page, tables and charts into `folder`, and return the path of the page."""
    from nasforge.compare.charts import comparison_charts
    from nasforge.compare.page import write_comparison_page
    from nasforge.compare.sections import sections_of

    folder.mkdir(parents=True, exist_ok=True)
    charts, sections = comparison_charts(comparison), sections_of(comparison)
    for chart in (*charts, *(chart for section in sections for chart in section.charts)):
        chart.write(folder)
    texts = {".md": markdown, ".tex": latex, ".csv": csv_table, "_runs.csv": csv_of_runs}
    for suffix, text in texts.items():
        (folder / f"comparison{suffix}").write_text(text(comparison), encoding="utf-8")
    with (folder / "comparison.md").open("a", encoding="utf-8") as file:
        file.writelines(f"\n{section.markdown}" for section in sections)
    return write_comparison_page(comparison, charts, sections, folder / "comparison.html")


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the table, what its numbers mean, the tests and the notes."""
    from nasforge.compare.sections import sections_of

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, heading in enumerate(headings(comparison)):
        table.add_column(Text(heading), justify="right" if i else "left", overflow="fold")
    for row in table_rows(comparison):
        cells = [Text(str(cell), style="bold" if cell.bold else "") for cell in row.cells]
        table.add_row(Text(row.name), str(row.runs), *cells)
    console.print()
    console.print(table)
    console.print()
    for sentence in captions(comparison):
        _say(console, sentence, "dim")
    findings = tested(comparison) or [(comparison.scores[0], ())]
    for score, tests in findings:
        _say(console, f"\n{finding(comparison, score)}", "bold")
        if tests:
            console.print(_table_of(score, tests))
            _say(console, WINS, "dim")
    for section in sections_of(comparison):
        for grid in section.new_grids:
            _print_grid(grid, console)
        if section.new_grids:
            _say(console, section.about, "dim")
    for note in comparison.notes:
        _say(console, f"Note: {note}", "yellow")


def _print_grid(grid: Grid, console: Console) -> None:
    _say(console, f"\n{sentence_case(grid.title)}", "bold")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column, heading in enumerate(grid.heads):
        table.add_column(Text(heading), justify="left" if grid.names and column == 0 else "right")
    for row in grid.rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _table_of(score: Score, tests: Sequence[RankTest]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, heading in enumerate(PAIR_HEAD):
        table.add_column(heading, justify="right" if i in PAIR_NUMBERS else "left", overflow="fold")
    for test in tests:
        table.add_row(*map(Text, pair_row(test, score)), style="" if test.significant else "yellow")
    return table


def _say(console: Console, text: str, style: str) -> None:
    console.print(Text(text), style=style, highlight=False)
