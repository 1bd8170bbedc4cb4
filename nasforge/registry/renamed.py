"""Options that have a new name: for one release the old one still works, and a sentence says the new one.

A plug-in's class lists them: `renamed = {"channels": "supernet.channels"}`, the new name with its group, if it has one.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

FEW = 3
"""So many old names are said."""


def new_names(plugin: type[Any]) -> Mapping[str, str]:
    """The new name of each old one."""
    names: Mapping[str, str] = getattr(plugin, "renamed", {})
    return names


def with_new_names(plugin: type[Any], options: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """The options under their new names. What an old name holds counts: a person wrote it, and not a default.

    An old name may now be that of a group, which holds keys and values; then it is not the old one.

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
    """Say the new name of each old one, in one sentence; of many, which a recorded run has, the first few."""
    if names:
        pairs = [f"{old} is now {new}" for old, new in names.items()]
        more = f" and {len(pairs) - FEW} more" if len(pairs) > FEW else ""
        warnings.warn(f"{', '.join(pairs[:FEW])}{more}; old names work until the next release", stacklevel=2)
