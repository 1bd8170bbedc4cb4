"""Find tables, and read other file formats with the readers of plug-ins."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from operator import attrgetter
from pathlib import Path

from nasforge.errors import DataError, reason
from nasforge.registry.guests import STOPS, imported
from nasforge.registry.places import data_folder, user_path
from nasforge.tables.installed import installed_tables, open_installed
from nasforge.tables.storage import SUFFIXES
from nasforge.tables.table import Table

Reader = Callable[[Path], Table | None]
"""A reader from the entry-point group `nasforge.table`. It returns the table in a file or folder, or None if it does
not know the format; it raises a `DataError` if it knows the format but the file is damaged."""


def find_table(name: str, path: str | Path | None = None) -> Table:
    """Return the table `name` from `path`, or else from the first of `places` or installed packages that has it.

    Args:
        path: a file, a folder that holds a file of that name, or the name of an installed table.

    Raises:
        DataError: no file was found (the message says where to put one, and how to make it), or it is damaged.
    """
    if path is not None:
        chosen = user_path(path)
        if not chosen.exists() and (table := open_installed(chosen.name)) is not None:
            return table
        return read_table(next(_under(name, chosen), chosen))
    for place in places():
        for file in _under(name, place):
            return read_table(file)
    if (table := open_installed(name)) is not None:
        return table
    known = f"installed are {', '.join(names)}" if (names := installed_tables()) else "no package brings tables"
    raise DataError(
        f"there is no table '{name}': {known}, and neither {name}.safetensors nor {name}.npz is in "
        f"{_listed(places())}. Download the benchmark's published files, and convert them with "
        "`nasforge table import SOURCE`"
    )


def table_of(word: str) -> Table:
    """Return the table that a user names, or whose path they give; errors as for `find_table`."""
    is_path = "/" in word or Path(word).suffix in SUFFIXES
    return find_table(Path(word).stem, user_path(word)) if is_path else find_table(word)


def read_table(path: Path) -> Table:
    """Return the table in a file.

    Raises:
        DataError: the file does not exist, is damaged, or has an unknown format.
    """
    if not path.exists():
        raise DataError(f"there is no file {path}")
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path} is not a table; `nasforge table import {path}` converts a benchmark's file")
    return import_table(path)


def import_table(source: Path) -> Table:
    """Return the table in a file or folder of any format that a reader knows; a benchmark's release takes minutes.

    Raises:
        DataError: the file does not exist, is damaged, or has an unknown format.
    """
    if (table := recognised(source)) is None:
        raise DataError(f"{source} is not a table, and none of the installed readers knows it: {', '.join(readers())}")
    return table


def recognised(source: Path) -> Table | None:
    """Return the table in a file or folder, None if no reader knows its format; a `DataError` if it is damaged."""
    if not source.exists():
        raise DataError(f"there is no file {source}")
    if source.suffix in SUFFIXES and (table := Table.open(source)) is not None:
        return table
    return next((table for read in readers().values() if (table := read(source)) is not None), None)


def readers() -> dict[str, Reader]:
    """Return the installed readers by name; skip one that cannot be imported, with a warning."""
    loaded: dict[str, Reader] = {}
    for entry in sorted(entry_points(group="nasforge.table")):
        try:
            loaded[entry.name] = attrgetter(entry.attr)(imported(entry.module))
        except STOPS:
            raise
        except BaseException as error:  # the other readers still work
            warnings.warn(f"reader '{entry.name}' is skipped: {reason(error)}", stacklevel=2)
    return loaded


def places() -> tuple[Path, ...]:
    """Return the folders to search for tables, in order: $NASFORGE_DATA, data/ here, the user's cache."""
    folders = [data_folder(), Path("data").absolute(), cache()]
    return tuple(dict.fromkeys(folders))


def cache() -> Path:
    """Return the user's own folder of tables, which `nasforge table import` fills."""
    return user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "nasforge" / "tables"


def tables() -> Iterator[Path]:
    """Yield the files in `places` that may be tables; for each name, the one that `find_table` reads."""
    seen: set[str] = set()
    for place in places():
        names = sorted({file.stem for file in place.glob("*") if file.suffix in SUFFIXES} - seen)
        seen.update(names)
        yield from (next(_under(name, place)) for name in names)


def _under(name: str, folder: Path) -> Iterator[Path]:
    return (file for suffix in SUFFIXES if (file := folder / f"{name}{suffix}").is_file())


def _listed(folders: tuple[Path, ...]) -> str:
    return ", ".join(map(str, folders))
