"""What defines a run, and what may change when it continues: how it computes, and for how long."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from nasforge.errors import OptionError
from nasforge.journal.records import flat
from nasforge.registry.places import path_keys, value_of

HOW = ("budget", "executor", "trainer", "logger", "callbacks")
"""Sections that define how a run computes, and for how long."""
IDENTITY = (("executor", "threads"), ("trainer", "precision"))
"""Options in these sections that affect results nevertheless, through the rounding of sums."""


def key_of(word: str) -> str:
    """Return the dotted key of an override."""
    return word.partition("=")[0].lstrip("+~")


def may_change(word: str) -> bool:
    """Return whether an override affects only how a run computes."""
    path = tuple(key_of(word).split("."))
    return path[0] in HOW and path not in IDENTITY


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a configuration that defines what is computed: dotted keys and their values."""
    places = path_keys(config)
    return {key: value for key, value in flat(config).items() if not may_change(key) and key not in places}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a phrase for each option of the identity that differs from the beginning of a run."""
    old, new = identity(before), identity(now)
    return [
        f"{key} is {_value(new, key)} and was {_value(old, key)} when the run began"
        for key in {**old, **new}
        if _value(old, key) != _value(new, key)
    ]


def _value(options: Mapping[str, Any], key: str) -> str:
    return json.dumps(options[key], sort_keys=True, default=str) if key in options else "missing"


def check_cluster(config: Mapping[str, Any], changes: Sequence[str]) -> None:
    """Raise an `OptionError` if a run is about to use a cluster that only its own folder names.

    A cluster answers with pickles, which may run code here, and a run's folder may come from anyone.
    """
    executor = config.get("executor")
    address = executor.get("address") if isinstance(executor, Mapping) else None
    if address not in (None, "auto") and "executor.address" not in map(key_of, changes):
        raise OptionError(
            f"this run's folder names a Ray cluster, which may run code here: add executor.address={address} to "
            "continue there if you trust it, executor.address=null to start Ray on this machine, or executor=local"
        )


def computed_as(config: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's configuration with the paths and the way to compute of `other`, except what affects results."""
    changed = copy.deepcopy({**config, **{section: dict(other[section] or {}) for section in HOW if section in other}})
    for key in path_keys(config) & path_keys(other):
        section, _, name = key.rpartition(".")
        value_of(changed, section)[name] = value_of(other, key)
    for section, option in IDENTITY:
        if option in config[section]:
            changed[section][option] = config[section][option]
    return changed
