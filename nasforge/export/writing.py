"""Write a network in several formats, each compared with the network before it counts as written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from nasforge.errors import ExportError, NasforgeError, OptionError, on_one_line, text_of
from nasforge.export.exporter import Exporter, FoundNetwork
from nasforge.registry.entry_points import build, registry
from nasforge.registry.libraries import broken_library


class Written(NamedTuple):
    """What one exporter wrote.

    Attributes:
        exporter: its name.
        paths: of its files, the main one first.
        error: the largest difference of logits between what was written and the network, relative to the largest.
        notes: what people must know about it.
    """

    exporter: str
    paths: Sequence[Path]
    error: float
    notes: Sequence[str]


def exporters(names: Sequence[str], options: Mapping[str, Any]) -> list[Exporter]:
    """Build exporters by name; each gets those of the options that it has.

    Raises:
        NasforgeError: there is no such exporter, a package that it needs is not installed, none has an option, or a
            value is wrong; the message says what would be right.
    """
    from nasforge.registry.options import filled

    known = {name: set(filled(registry("exporter")[name], {})) for name in names}
    for option in options:
        if not any(option in own for own in known.values()):
            all_options = sorted(set().union(*known.values()))
            has = f"they have --{', --'.join(all_options)}" if all_options else "they have no options"
            raise OptionError(f"--{option.replace('_', '-')} is not an option of --to {','.join(names)}; {has}")
    built = []
    for name, own in known.items():
        exporter: Exporter = build(
            "exporter", {"name": name, **{option: value for option, value in options.items() if option in own}}
        )
        if missing := lacking(name):
            raise OptionError(f"--to {name} needs packages that are not installed: pip install {' '.join(missing)}")
        built.append(exporter)
    return built


def defaults() -> list[str]:
    """The exporters that are used if people do not choose any."""
    return [name for name, exporter in registry("exporter").working.items() if exporter.by_default]


def lacking(name: str) -> list[str]:
    """What must be installed before the exporter can run, as pip is told."""
    packages = registry("exporter")[name].packages
    return list(dict.fromkeys(install for module, install in packages.items() if find_spec(module) is None))


def export(found: FoundNetwork, chosen: Sequence[Exporter], folder: Path) -> Iterator[Written]:
    """Write `found` in each format, into a folder that is made if it is not there, and compare it with the network.

    Files reach the folder, and replace older ones there, only after the comparison.

    Raises:
        ExportError: the network cannot be written in a format, or what was written computes something else.
    """
    _ = found.module  # refused before anything is written
    folder.mkdir(parents=True, exist_ok=True)
    for exporter in chosen:
        with TemporaryDirectory(prefix=".export-", dir=folder) as temporary:
            place = Path(temporary)
            try:
                paths = exporter.write(found, place)
                error = exporter.check(place, found)
                notes = exporter.notes(place, found)
            except NasforgeError:
                raise
            except Exception as problem:  # of a format's own library, which has its own kinds of error
                cause = broken_library(problem) or on_one_line(text_of(problem))
                raise ExportError(f"--to {exporter.name} failed: {cause}") from problem
            for path in place.iterdir():
                _replace(path, folder / path.name)
            yield Written(exporter.name, [folder / path.relative_to(place) for path in paths], error, notes)


def _replace(path: Path, target: Path) -> None:
    """Move a file or a folder to where an older one may be."""
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    path.replace(target)
