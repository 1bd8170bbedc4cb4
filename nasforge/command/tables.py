"""`nasforge table`: makes tables from benchmarks' published files, and says what is in them."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as Sheet

from nasforge.errors import DataError, OptionError
from nasforge.registry.places import user_path
from nasforge.tables.files import SUFFIXES, cache, import_table, places, read_table, recognised, tables
from nasforge.tables.table import Column, Table
from nasforge.wording import counted

USAGE = "nasforge table import SOURCE [TARGET], or nasforge table info [PATH]"
WIDE = 150
"""Columns of what goes to a file or a pipe; a terminal has its own width."""


def table(words: list[str]) -> int:
    """Run `nasforge table WORDS`; its exit status.

    Raises:
        OptionError: the words are none of `USAGE`.
        DataError: the source or the table cannot be read.
    """
    if not words:
        raise OptionError(f"table needs a word: {USAGE}")
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
        raise OptionError(f"table import takes one source, and one target if you like: {USAGE}")
    source = user_path(words[0])
    console = Console(stderr=True)
    with console.status(f"reading {source}"):
        found = import_table(source)
    target = _target(found, words[1] if len(words) == 2 else None)
    found.write(target)
    columns = counted(len(found.columns), "column")
    print(f"{counted(found.rows, 'architecture')} of space '{found.space}', {columns}: {target}")
    return 0


def _target(found: Table, given: str | None) -> Path:
    if given is None:
        return cache() / f"{found.name}{SUFFIXES[0]}"
    target = user_path(given)
    if target.is_dir() or given.endswith("/"):
        return target / f"{found.name}{SUFFIXES[0]}"
    if target.suffix != SUFFIXES[0]:
        raise OptionError(f"the target {given} must be a folder, or a file that ends with {SUFFIXES[0]}")
    return target


def _info(words: list[str]) -> int:
    if len(words) > 1:
        raise OptionError(f"table info takes one path: {USAGE}")
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    if words:
        _describe(read_table(user_path(words[0])), console)
        return 0
    shown = [_shown(path, console) for path in tables()]
    if not any(shown):
        raise DataError(f"no table lies in {', '.join(map(str, places()))}; `nasforge table import SOURCE` makes one")
    return 2 if "broken" in shown else 0


def _shown(path: Path, console: Console) -> str:
    """Describe a file if it is a table: '' if it is none, 'broken' if it is one that cannot be read."""
    try:
        found = recognised(path)
    except DataError as error:
        console.print(f"\n{error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return "broken"
    if found is not None:
        _describe(found, console)
    return "whole" if found is not None else ""


def _describe(found: Table, console: Console) -> None:
    sheet = Sheet(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in ("data set", "metric", "better", "", "range", "covers", "what it is"):
        sheet.add_column(title, overflow="fold")
    for column in found.columns:
        sheet.add_row(*_row(found, column))
    console.print(f"\n{found}", style="bold", markup=False, highlight=False, soft_wrap=True)
    console.print(f"space {found.space}, {found.rows} architectures; {found.source}", markup=False, highlight=False)
    console.print(sheet)


def _row(found: Table, column: Column) -> tuple[str, ...]:
    values = found.values(column)
    there = values[~np.isnan(values)]
    return (
        column.dataset,
        column.metric,
        {"max": "more", "min": "less"}[column.direction],
        "report only" if column.report_only else "",
        f"{there.min():.5g} to {there.max():.5g}" if there.size else "",
        "all" if there.size == values.size else f"{there.size} of {values.size}",
        column.about,
    )


ACTIONS: dict[str, Callable[[list[str]], int]] = {"import": _import, "info": _info}
