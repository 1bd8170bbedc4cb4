"""The folders that Hydra searches for configurations: first nasforge's own, then those of guests."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from nasforge.errors import reason
from nasforge.registry.guests import STOPS, imported


def guest_configs() -> Iterator[tuple[str, str]]:
    """Yield (package, module of its configuration folder) for each guest, by name; warn once about broken ones."""
    for entry in sorted(entry_points(group="nasforge.conf")):
        package = (entry.dist and entry.dist.metadata["Name"]) or entry.value
        if fault := _fault(entry.value):
            _warn_once(f"the configurations of package {package} are left out: {fault}")
        else:
            yield package, entry.value


def _fault(module: str) -> str:
    """Return why a folder of configurations cannot be used; empty if it can."""
    try:
        folder = files(imported(module))
    except STOPS:
        raise
    except BaseException as error:
        return reason(error)
    taken = next((path for path in _of_hydra() if folder.joinpath(path).is_file()), None)
    return f"{taken} would replace Hydra's own; give it another name" if taken else ""


def _of_hydra(group: str = "hydra") -> Iterator[str]:
    """Yield paths of configurations that Hydra and its plug-ins define in code, which folders would override."""
    store = ConfigStore.instance()
    for name in store.list(group):
        path = f"{group}/{name}"
        if store.get_type(path) == ObjectType.GROUP:
            yield from _of_hydra(path)
        else:
            yield path


@cache
def _warn_once(message: str) -> None:
    """Warn once, although a command may compose many times."""
    warnings.warn(message, stacklevel=3)


class GuestConfigs(SearchPathPlugin):
    """Appends every guest's folder to Hydra's search path, after our own, so that none can hide a built-in."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders; Hydra calls this."""
        for package, module in guest_configs():
            search_path.append(package, f"pkg://{module}")


def register() -> None:
    """Make Hydra search these folders; call this before it composes anything."""
    Plugins.instance().register(GuestConfigs)
