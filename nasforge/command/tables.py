"""`nasforge table`: converts benchmarks' published files to tables, and describes tables."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as Sheet

from nasforge.errors import DataError, OptionError
from nasforge.registry.places import user_path
from nasforge.tables.columns import Column
from nasforge.tables.files import cache, find_table, import_table, places, read_table, recognised, tables
from nasforge.tables.installed import InstalledTable, installed_tables
from nasforge.tables.storage import SUFFIXES
from nasforge.tables.table import Table
from nasforge.wording import counted

USAGE = "nasforge table import SOURCE [TARGET], or nasforge table info [NAME or PATH]"
WIDE = 150
"""Width in characters of output to a file or a pipe; a terminal has its own width."""
MOST = 7
"""How many data sets of a table a list names."""


def table(words: list[str]) -> int:
    """Run `nasforge table WORDS` and return its exit status.

    Raises:
        OptionError: the arguments do not match `USAGE`.
        DataError: the source or the table cannot be read.
    """
    if not words:
        raise OptionError(f"table needs an argument: {USAGE}")
    if words[0] not in ACTIONS:
        near = difflib.get_close_matches(words[0], ACTIONS, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise OptionError(f"table does not know '{words[0]}'.{hint} It takes: {USAGE}")
    for word in words[1:]:
        if word.startswith("-") or "=" in word:
            raise OptionError(f"table {words[0]} takes no option {word}: {USAGE}")
    return ACTIONS[words[0]](words[1:])


def _import(words: list[str]) -> int:
    if not 1 <= len(words) <= 2:
        raise OptionError(f"table import takes one source and at most one target: {USAGE}")
    source = user_path(words[0])
    console = Console(stderr=True)
    with console.status(f"reading {source}"):
        imported = import_table(source)
    target = _target(imported, words[1] if len(words) == 2 else None)
    imported.write(target)
    columns = counted(len(imported.columns), "column")
    print(f"{counted(imported.rows, 'architecture')} of space '{imported.space}', {columns}: {target}")
    return 0


def _target(imported: Table, word: str | None) -> Path:
    if word is None:
        return cache() / f"{imported.name}{SUFFIXES[0]}"
    target = user_path(word)
    if target.is_dir() or word.endswith("/"):
        return target / f"{imported.name}{SUFFIXES[0]}"
    if target.suffix != SUFFIXES[0]:
        raise OptionError(f"the target {word} must be a folder, or a file that ends with {SUFFIXES[0]}")
    return target


def _info(words: list[str]) -> int:
    if len(words) > 1:
        raise OptionError(f"table info takes one name or path: {USAGE}")
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    if words:
        word, path = words[0], user_path(words[0])
        _describe(read_table(path) if path.exists() or word != path.stem else find_table(word), console)
        return 0
    shown = [_shown(path, console) for path in tables()]
    if not any(shown) and not installed_tables():
        raise DataError(f"there is no table in {', '.join(map(str, places()))}; make one: nasforge table import SOURCE")
    if installed_tables():
        print(f"\nInstalled tables, which `nasforge table info NAME` describes\n{listing()}")
    return 2 if "broken" in shown else 0


def listing() -> str:
    """Return the tables of installed packages, one line each, and how many there are; empty if there is none."""
    opened = {name: (claims, _opened(claims)) for name, claims in installed_tables().items()}
    if not opened:
        return ""
    rows = [(name, _origin(claims), _content(known)) for name, (claims, known) in opened.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"  {name:{widths[0]}}  {origin:{widths[1]}}  {text}" for name, origin, text in rows]
    usable = [known for _, known in opened.values() if isinstance(known, Table)]
    tasks, spaces = sum(len(known.datasets) for known in usable), {known.space for known in usable}
    total = f"{counted(len(usable), 'table')} of {counted(len(spaces), 'space')}"
    return "\n".join([*lines, f"{total}, with {tasks:,} data sets and devices"])


def _opened(claims: Sequence[InstalledTable]) -> Table | str:
    """The table of one name, or why it cannot be used."""
    if len(claims) > 1:
        return "two packages have a table of this name; uninstall all but one of them"
    try:
        return claims[0].open()
    except DataError as error:
        return str(error)


def _origin(claims: Sequence[InstalledTable]) -> str:
    return " and ".join(f"{claim.package} {claim.version}" for claim in claims)


def _content(known: Table | str) -> str:
    if isinstance(known, str):
        return f"UNUSABLE: {known}"
    bases = " and ".join(dict.fromkeys(column.basis for column in known.columns if column.basis))
    more = f" and {len(known.datasets) - MOST} more" if len(known.datasets) > MOST else ""
    return f"{known.rows:,} of space {known.space}, {bases}: {', '.join(known.datasets[:MOST])}{more}"


def _shown(path: Path, console: Console) -> str:
    """Describe a file and return 'whole'; '' if it is not a table, 'broken' if it is a table that cannot be read."""
    try:
        recognized = recognised(path)
    except DataError as error:
        console.print(f"\n{error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return "broken"
    if recognized is not None:
        _describe(recognized, console)
    return "whole" if recognized is not None else ""


def _describe(table: Table, console: Console) -> None:
    sheet = Sheet(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in ("data set", "metric", "better", "", "range", "covers", "what it is"):
        sheet.add_column(title, overflow="fold")
    for column in table.columns:
        sheet.add_row(*_row(table, column))
    console.print(f"\n{table}", style="bold", markup=False, highlight=False, soft_wrap=True)
    covered = f"{'a sample of ' if table.vectors is not None else ''}{table.rows}"
    console.print(f"space {table.space}, {covered} architectures; {table.source}", markup=False, highlight=False)
    origin = {**asdict(table.origin), "checksum": table.fingerprint} if table.origin else {}
    for what, text in origin.items():
        console.print(f"{what}: {text}", markup=False, highlight=False, soft_wrap=True)
    console.print(sheet)


def _row(table: Table, column: Column) -> tuple[str, ...]:
    values = table.values(column)
    measured = values[~np.isnan(values)]
    return (
        column.dataset,
        column.metric,
        {"max": "more", "min": "less"}[column.direction],
        "report only" if column.report_only else "",
        f"{measured.min():.5g} to {measured.max():.5g}" if measured.size else "",
        "all" if measured.size == values.size else f"{measured.size} of {values.size}",
        column.description,
    )


ACTIONS: dict[str, Callable[[list[str]], int]] = {"import": _import, "info": _info}
