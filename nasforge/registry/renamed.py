"""Options with a new name: for one release the old name still works, and a warning gives the new one.

A plug-in's class lists them, each new name with its group if it has one: `renamed = {"channels": "supernet.channels"}`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

FEW = 3
"""How many old names a warning lists."""


def new_names(plugin: type[Any]) -> Mapping[str, str]:
    """Return the new name of each old one."""
    names: Mapping[str, str] = getattr(plugin, "renamed", {})
    return names


def with_new_names(plugin: type[Any], options: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Return the options under their new names. The value of an old name wins, because a user wrote it.

    An old name whose value is a mapping is now the name of a group, and stays.

    Args:
        where: the section of the configuration, for the warning: `strategy`.
    """
    old = {
        name: new
        for name, new in new_names(plugin).items()
        if name in options and not isinstance(options[name], Mapping)
    }
    renamed = {name: value for name, value in options.items() if name not in old}
    for name, new in old.items():
        group, _, option = new.rpartition(".")
        value = options[name]
        renamed |= {group: {**renamed.get(group, {}), option: value}} if group else {option: value}
    warn_of_old_names({f"{where}.{name}": f"{where}.{new}" for name, new in old.items()})
    return renamed


def warn_of_old_names(names: Mapping[str, str]) -> None:
    """Warn with the new name of each old one; if there are many, as in a recorded run, with the first few."""
    if names:
        pairs = [f"{old} is now {new}" for old, new in names.items()]
        more = f" and {len(pairs) - FEW} more" if len(pairs) > FEW else ""
        warnings.warn(f"{', '.join(pairs[:FEW])}{more}; old names work until the next release", stacklevel=2)
