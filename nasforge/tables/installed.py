"""Tables that installed packages bring. An entry point of the group `nasforge.tables` names a package with the files.

The package's folder holds NAME.npz or NAME.safetensors for each table, and SHA256SUMS, which `sha256sum` writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from nasforge.errors import DataError
from nasforge.registry.entry_points import Plugin
from nasforge.tables.storage import SUFFIXES
from nasforge.tables.table import Table

CHECKSUMS = "SHA256SUMS"


class InstalledTable(NamedTuple):
    """A package's table file.

    Attributes:
        path: the file; its name is the table's.
        package, version: the distribution that installed it.
    """

    path: Path
    package: str
    version: str

    def open(self) -> Table:
        """Open the table, which has no `path`: a run that uses it finds it by name on any machine.

        Raises:
            DataError: the file is not, byte for byte, the one that the package was released with.
        """
        try:
            lines = (self.path.parent / CHECKSUMS).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            raise DataError(f"{self.package} has tables without their {CHECKSUMS}, which sha256sum writes") from None
        released = {name: checksum for checksum, name in map(str.split, lines)}
        if hashlib.sha256(self.path.read_bytes()).hexdigest() != released.get(self.path.name):
            raise DataError(
                f"{self.path} is damaged: its checksum is not the one in {CHECKSUMS}; install {self.package} again"
            )
        table = Table.open(self.path)
        if table is None:
            raise DataError(f"{self.path} of {self.package} is not a table")
        return replace(table, path=None)


def installed_tables() -> Mapping[str, tuple[InstalledTable, ...]]:
    """Return the tables by name, sorted; two packages with one name are a conflict. Opens and imports nothing."""
    found: dict[str, list[InstalledTable]] = {}
    for entry in entry_points(group="nasforge.tables"):
        package = Plugin.of(entry)
        spec = find_spec(package.module.partition(".")[0])
        for folder in (spec.submodule_search_locations if spec else None) or []:
            for path in Path(folder).iterdir():
                if path.suffix in SUFFIXES:
                    found.setdefault(path.stem, []).append(InstalledTable(path, package.package, package.version))
    return {name: tuple(sorted(found[name], key=lambda table: table.package)) for name in sorted(found)}


def open_installed(name: str) -> Table | None:
    """Return the table `name` of an installed package, or None if no package has it.

    Raises:
        DataError: it is damaged, or several packages have a table of that name.
    """
    claims = installed_tables().get(name, ())
    if len(claims) > 1:
        packages = " and ".join(claim.package for claim in claims)
        raise DataError(f"{packages} both have a table '{name}'; uninstall all but one of them")
    return claims[0].open() if claims else None
