"""The packages that a run's plug-ins came from, so that a later command can say which one is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nasforge.devices.environment import no_longer_installed
from nasforge.errors import UnknownNameError
from nasforge.journal.records import read_json
from nasforge.journal.run_folder import RunFolder
from nasforge.registry.entry_points import CONTRACTS, registry


def guests_of(config: Mapping[str, Any]) -> list[str]:
    """Return the names of the packages, besides nasforge, that bring the plug-ins of a configuration."""
    packages = []
    for kind in CONTRACTS:
        parts = config[kind].values() if kind == "estimator" else [config[kind]]
        names = [part.get("name") for part in parts]
        packages += [plugin.package for name in names for plugin in registry(kind).plugins.get(name, ())]
    return [package for package in dict.fromkeys(packages) if package != "nasforge"]


@contextmanager
def guests_explained(folder: Path) -> Iterator[None]:
    """Add to an `UnknownNameError` which package the run in `folder` was made with that is not installed now."""
    try:
        yield
    except UnknownNameError as error:
        path = RunFolder(folder).environment
        missing = no_longer_installed(read_json(path, dict)) if path.exists() else []
        if not missing:
            raise
        raise UnknownNameError(
            f"{error} The run was made with {' and '.join(missing)}, which this Python lacks: install that again"
        ) from error
