"""What may change when a run goes on: how it computes and for how long, never what it computes."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

from nasforge.errors import OptionError

HOW = ("budget", "executor", "trainer", "logger", "callbacks")
"""Sections that say how a run computes, and for how long."""
IDENTITY = (("executor", "threads"), ("trainer", "precision"))
"""What decides results nevertheless: sums of numbers depend on it."""


def key_of(word: str) -> str:
    """The dotted key of an override."""
    return word.partition("=")[0].lstrip("+~")


def without_hydras(words: Sequence[str]) -> list[str]:
    """Recorded words without those for Hydra itself, which could name folders, and modules, to read anything from."""
    return [word for word in words if re.split(r"[./@]", key_of(word))[0] != "hydra"]


def may_change(word: str) -> bool:
    """Whether an override says only how a run computes."""
    path = tuple(key_of(word).split("."))
    return path[0] in HOW and path not in IDENTITY


def resumed(config: Mapping[str, Any], words: Sequence[str], changes: Sequence[str]) -> dict[str, Any]:
    """A run's configuration with what `changes` say: another section as a whole (`executor=ray`), or options of one.

    Args:
        config: resolved, as it was recorded.
        words: those that made the run.

    Raises:
        OptionError: a change of something else.
    """
    for change in changes:
        if "=" not in change or not may_change(change):
            raise OptionError(
                f"'{change}' cannot change in a run that has begun; resume takes budget.KEY=VALUE, and how to compute: "
                "executor, trainer, logger and callbacks, but for executor.threads and trainer.precision"
            )
    if not changes:
        check_cluster(config, changes)
        return dict(config)
    from nasforge.configuration import compose

    keys = {key_of(change) for change in changes}
    kept = [word for word in without_hydras(words) if key_of(word) not in keys]
    composed = compose([*kept, *changes]).config
    changed = copy.deepcopy(dict(config))
    for key in keys:
        section, *path = key.split(".")
        if path:
            _set(changed, composed, [section, *path])
        else:
            changed[section] = composed[section]
    check_cluster(changed, changes)
    return computed_as(config, changed)


def check_cluster(config: Mapping[str, Any], changes: Sequence[str]) -> None:
    """Raise an `OptionError` if a run is about to use a cluster that nobody but its own folder names.

    Answers of a cluster are pickles, and so may run code here; a run's folder may come from anyone.
    """
    executor = config.get("executor")
    address = executor.get("address") if isinstance(executor, Mapping) else None
    if address not in (None, "auto") and "executor.address" not in map(key_of, changes):
        raise OptionError(
            f"this run's folder names a cluster of Ray that may run code here: add executor.address={address} to go on "
            "there if you trust it, executor.address=null to start Ray on this machine, or executor=local"
        )


def computed_as(config: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """A run's configuration with the sections of another one that say how to compute, but for what decides results."""
    changed = {**config, **{section: dict(other[section] or {}) for section in HOW if section in other}}
    for section, option in IDENTITY:
        if option in config[section]:
            changed[section][option] = config[section][option]
    return changed


def _set(changed: dict[str, Any], composed: Mapping[str, Any], path: Sequence[str]) -> None:
    """Take over one option, or all below it, from `composed`; one that is gone there goes."""
    *above, last = path
    for part in above:
        changed, composed = changed.setdefault(part, {}), composed.get(part, {})
    if last in composed:
        changed[last] = composed[last]
    else:
        changed.pop(last, None)
