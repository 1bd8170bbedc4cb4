"""Where tables are found, and the readers that plug-ins bring for other people's files."""

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
from nasforge.tables.table import Table

SUFFIXES = (".safetensors", ".npz")
"""What a table looks like on disk: our own form, and one that a reader knows and reads at once."""
Reader = Callable[[Path], Table | None]
"""A reader of the entry-point group `nasforge.table`: the table in a file or folder, None if it is not its kind of
file, a `DataError` if it is but is broken."""


def find_table(name: str, path: str | Path | None = None) -> Table:
    """The table called `name`: the file `path`, or the first that lies where `places` says.

    Args:
        path: a file, or a folder in which it lies under its name.

    Raises:
        DataError: there is none (the message says where it was looked for, and how to get one), or it is broken.
    """
    if path is not None:
        given = user_path(path)
        return read_table(next(_under(name, given), given))
    for place in places():
        for file in _under(name, place):
            return read_table(file)
    raise DataError(
        f"there is no table '{name}': neither {name}.safetensors nor {name}.npz lies in {_listed(places())}. "
        f"`nasforge table import SOURCE` makes one from a benchmark's published files, which you must have"
    )


def read_table(path: Path) -> Table:
    """The table in a file.

    Raises:
        DataError: there is no such file, it is broken, or nobody knows its form.
    """
    if not path.exists():
        raise DataError(f"there is no file {path}")
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path} is no table; `nasforge table import {path}` makes one of it, if it is a benchmark's")
    return import_table(path)


def import_table(source: Path) -> Table:
    """The table in a file or folder of any form that some reader knows; releases of benchmarks take minutes.

    Raises:
        DataError: there is no such file, it is broken, or nobody knows its form.
    """
    if (table := recognised(source)) is None:
        raise DataError(f"{source} is no table, nor of a form that an installed reader knows: {', '.join(readers())}")
    return table


def recognised(source: Path) -> Table | None:
    """The table in a file or folder, None if nobody knows its form, a `DataError` if it is broken."""
    if not source.exists():
        raise DataError(f"there is no file {source}")
    if source.suffix == ".safetensors":
        return Table.open(source)
    return next((table for read in readers().values() if (table := read(source)) is not None), None)


def readers() -> dict[str, Reader]:
    """The installed readers by name; one that cannot be imported is warned of and left out."""
    found: dict[str, Reader] = {}
    for entry in sorted(entry_points(group="nasforge.table")):
        try:
            found[entry.name] = attrgetter(entry.attr)(imported(entry.module))
        except STOPS:
            raise
        except BaseException as error:  # the others are as good as before
            warnings.warn(f"reader '{entry.name}' is left out: {reason(error)}", stacklevel=2)
    return found


def places() -> tuple[Path, ...]:
    """Folders in which tables lie, the foremost first: $NASFORGE_DATA, data/ here, the user's cache."""
    folders = [data_folder(), Path("data").absolute(), cache()]
    return tuple(dict.fromkeys(folders))


def cache() -> Path:
    """The user's own folder of tables, which `nasforge table import` fills."""
    return user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "nasforge" / "tables"


def tables() -> Iterator[Path]:
    """Files in `places` that may be tables, of each name the one that `find_table` takes."""
    seen: set[str] = set()
    for place in places():
        names = sorted({file.stem for file in place.glob("*") if file.suffix in SUFFIXES} - seen)
        seen.update(names)
        yield from (next(_under(name, place)) for name in names)


def _under(name: str, folder: Path) -> Iterator[Path]:
    return (file for suffix in SUFFIXES if (file := folder / f"{name}{suffix}").is_file())


def _listed(folders: tuple[Path, ...]) -> str:
    return ", ".join(map(str, folders))
