"""Where configurations are found: nasforge's own folder first, then those of installed guests."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin


def guest_configs() -> Iterator[tuple[str, str]]:
    """(package, module of its configuration folder) of each guest, sorted by name; a broken one is warned of, once."""
    for entry in sorted(entry_points(group="nasforge.conf")):
        package = (entry.dist and entry.dist.metadata["Name"]) or entry.value
        try:
            importlib.import_module(entry.value)
        except (Exception, SystemExit) as error:  # a guest may raise anything; the command must go on
            _warn_once(f"the configurations of package {package} are left out: {type(error).__name__}: {error}")
        else:
            yield package, entry.value


@cache
def _warn_once(message: str) -> None:
    """Commands that compose many times look for the folders as often."""
    warnings.warn(message, stacklevel=3)


class GuestConfigs(SearchPathPlugin):
    """Appends every guest's folder to Hydra's search path; being last, none can shadow a built-in."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra."""
        for package, module in guest_configs():
            search_path.append(package, f"pkg://{module}")


def register() -> None:
    """Make Hydra look there; must come before it composes anything."""
    Plugins.instance().register(GuestConfigs)
