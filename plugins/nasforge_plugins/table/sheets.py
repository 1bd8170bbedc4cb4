"""Reads numbers of NAS-Bench-201's cells from CSV, or from JSON in any of the usual shapes, with named columns."""

from __future__ import annotations

import csv
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nasforge import Column, DataError, Table
from nasforge_plugins.table.cells import CARDINALITIES, SPACE, is_cell, rows_of, rows_of_indices
from nasforge_plugins.table.headings import Heading, heading
from nasforge_plugins.table.units import fractions, millions, milliseconds

INDICES = ("index", "arch_index", "arch_id", "architecture_index", "idx", "id")
"""Names of a column of NAS-Bench-201's indices, for files without a column of cells."""
Sheet = Mapping[str, Sequence[Any]]
"""Columns of equal length, by name."""


def read(source: Path) -> Table | None:
    """The table in a `.csv`, `.tsv` or `.json` with a column of cells (or indices) and columns with known names.

    JSON may be a list of records, columns by name, records by cell, or any of these by data set. Columns with other
    names are left out with a warning. The table has the name of the file.

    Returns:
        None if it is not one of these, or has no cells.

    Raises:
        DataError: it is broken, or a name or a number is ambiguous; the message names the column.
    """
    if source.suffix.lower() not in (".csv", ".tsv", ".json") or not source.is_file():
        return None
    sheet = _json(source) if source.suffix.lower() == ".json" else _csv(source)
    if sheet is None or (cells := _rows(sheet, source)) is None:
        return None
    key, rows = cells
    headings = {name: heading(name, source) for name in sheet if name != key}
    known = {name: meaning for name, meaning in headings.items() if meaning is not None}
    if ignored := [name for name in headings if name not in known]:
        warnings.warn(f"{source}: ignored columns: {', '.join(ignored[:20])}", stacklevel=2)
    columns = _columns(known, source)
    numbers = _in_units(known, {name: _numbers(sheet[name], name, source) for name in known}, source)
    values = {column: np.full(math.prod(CARDINALITIES), np.nan) for column in columns.values()}
    for name, column in columns.items():
        values[column][rows] = numbers[name]
    return Table.of(SPACE, CARDINALITIES, values, source=source.name, name=source.stem)


def _columns(known: Mapping[str, Heading], source: Path) -> dict[str, Column]:
    """The table's column for each column of the file; names without a data set belong to the only one in the file."""
    datasets = {meaning.dataset for meaning in known.values() if meaning.dataset}
    columns: dict[str, Column] = {}
    for name, meaning in known.items():
        if not meaning.dataset and len(datasets) != 1:
            raise DataError(
                f"{source}: the column '{name}' does not say its data set; name it cifar10_{name}, for example"
            )
        dataset = meaning.dataset or next(iter(datasets))
        column = Column(
            dataset, meaning.metric, meaning.direction, meaning.report_only, meaning.about, epochs=meaning.epochs
        )
        if twice := [other for other, earlier in columns.items() if earlier.key == column.key]:
            raise DataError(f"{source}: '{twice[0]}' and '{name}' are both {column.key}; keep one of them")
        columns[name] = column
    if not columns:
        raise DataError(
            f"{source} has cells of NAS-Bench-201, but no column whose name says what it holds, such as "
            f"cifar10_valid_acc, cifar10_test_acc_200ep, cifar10_params or raspi4_latency_ms"
        )
    return columns


def _in_units(known: Mapping[str, Heading], numbers: Mapping[str, np.ndarray], source: Path) -> dict[str, np.ndarray]:
    """The numbers by the file's column names, in the units of the table's metrics."""
    accuracies = {name: numbers[name] for name, meaning in known.items() if meaning.direction == "max"}
    scaled = fractions(accuracies, source)
    for name, meaning in known.items():
        if meaning.metric in ("params_m", "macs_m"):
            scaled[name] = millions(meaning.metric, numbers[name], name, source)
        elif meaning.metric == "latency_ms":
            scaled[name] = milliseconds(meaning.scale * numbers[name], name, source)
        elif meaning.direction == "min":
            if (numbers[name] <= 0).any():
                raise DataError(f"{source}: '{name}' holds {np.nanmin(numbers[name]):g}; it must be above 0")
            scaled[name] = meaning.scale * numbers[name]
    return scaled


def _rows(sheet: Sheet, source: Path) -> tuple[str, np.ndarray] | None:
    """The name of the column of cells or indices, and their rows in the table; None without such a column."""
    for name, entries in sheet.items():
        if entries and is_cell(entries[0]):
            return name, rows_of(map(str, entries), str(source))
    for name, entries in sheet.items():
        if entries and name.lower() in INDICES:
            indices = _numbers(entries, name, source)
            if (indices != np.round(indices)).any():
                raise DataError(f"{source}: '{name}' must hold whole numbers, the indices of NAS-Bench-201")
            return name, rows_of_indices(indices.astype(np.int64), str(source))
    return None


def _numbers(entries: Sequence[Any], name: str, source: Path) -> np.ndarray:
    """The entries as float64, with NaN for empty ones."""
    numbers = np.empty(len(entries))
    for index, entry in enumerate(entries):
        try:
            if isinstance(entry, bool):
                raise ValueError
            numbers[index] = math.nan if entry is None or entry == "" else float(entry)
        except (TypeError, ValueError):
            raise DataError(
                f"{source}: '{name}' holds {str(entry)[:40]!r}, entry {index + 1}; it must hold numbers"
            ) from None
    return numbers


# Files


def _csv(source: Path) -> Sheet | None:
    text = _text(source)
    first = text.partition("\n")[0]
    try:
        rows = list(csv.reader(text.splitlines(), delimiter=max(",;\t", key=first.count), strict=True))
    except csv.Error as error:
        raise DataError(f"{source} is not a complete CSV file ({error})") from None
    rows = [row for row in rows if row]
    if not rows:
        return None
    names = [name.strip() for name in rows[0]]
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise DataError(
                f"{source}: row {number} has {len(row)} entries, but the first row names {len(names)} columns"
            )
    return _named(names, rows[1:], source)


def _named(names: Sequence[str], rows: Sequence[Sequence[Any]], source: Path) -> Sheet:
    if twice := {name for name in names if names.count(name) > 1}:
        raise DataError(f"{source} has two columns '{min(twice)}'; each column needs a different name")
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def _json(source: Path) -> Sheet | None:
    try:
        content = json.loads(_text(source))
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        raise DataError(f"{source} is not a complete JSON file ({str(error) or type(error).__name__})") from None
    return _sheet(content)


def _sheet(content: Any) -> Sheet | None:
    """The columns of JSON: records, columns, pandas' forms, records by cell, or these by data set."""
    if isinstance(content, list) and content and all(isinstance(record, dict) for record in content):
        names = dict.fromkeys(name for record in content for name in record)
        return {name: [record.get(name) for record in content] for name in names}
    if not isinstance(content, dict) or not content:
        return None
    parts = list(content.values())
    if all(isinstance(part, list) and len(part) == len(parts[0]) for part in parts):
        return content
    if not all(isinstance(part, dict) for part in parts):
        return None
    if is_cell(next(iter(content))):
        return _sheet([{"arch_str": cell, **record} for cell, record in content.items()])
    if all(part.keys() == parts[0].keys() for part in parts) and not is_cell(next(iter(parts[0]), None)):
        return {name: list(part.values()) for name, part in content.items()}
    merged: dict[str, dict[str, Any]] = {}
    for dataset, by_cell in content.items():
        for cell, record in by_cell.items():
            if not is_cell(cell) or not isinstance(record, dict):
                return None
            merged.setdefault(cell, {}).update({f"{dataset}_{name}": value for name, value in record.items()})
    return _sheet(merged)


def _text(source: Path) -> str:
    try:
        return source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{source} cannot be read as text ({error})") from None
