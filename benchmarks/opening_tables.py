"""How long it takes to open each installed table, with its checksum and one column, and what reading all columns takes.

    python benchmarks/opening_tables.py [--repeats 9]

In one process, after the imports; files are in the page cache. Writes `benchmarks/results/opening_tables.md`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from nasforge.tables.installed import installed_tables, open_installed
from reporting import parser, write

LIMIT = 50.0
HEAD = "| table | architectures | columns | file, kB | open and check, ms | one column, ms | all columns, ms |"


def milliseconds(work: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times)


def row(name: str, repeats: int) -> tuple[str, float]:
    table = open_installed(name)
    assert table is not None
    opening = milliseconds(lambda: open_installed(name), repeats)
    first = milliseconds(lambda: table.values(table.columns[0]), repeats)
    whole = milliseconds(lambda: table.matrix(table.columns), repeats)
    size = installed_tables()[name][0].path.stat().st_size / 1e3
    facts = [name, f"{table.rows:,}", str(len(table.columns)), f"{size:,.0f}"]
    return f"| {' | '.join([*facts, f'{opening:.1f}', f'{first:.1f}', f'{whole:.1f}'])} |", opening


def main() -> None:
    repeats = parser(__doc__, repeats=9).parse_args().repeats
    rows = {name: row(name, repeats) for name in installed_tables()}
    slowest = max(opening for _, opening in rows.values())
    lines = [HEAD, "| --- |" + " ---: |" * 6, *(line for line, _ in rows.values())]
    write(
        "opening_tables", "Opening tables", f"Medians of {repeats}; the slowest table opens in {slowest:.1f} ms.", lines
    )
    if slowest > LIMIT:
        raise SystemExit(f"a table opens in {slowest:.1f} ms, not within {LIMIT:.0f}")


if __name__ == "__main__":
    main()
