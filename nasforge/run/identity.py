"""What makes a run the run that it is, and what may change when it goes on: how it computes and for how long."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from nasforge.errors import OptionError
from nasforge.journal.records import flat
from nasforge.registry.places import path_keys, value_of

HOW = ("budget", "executor", "trainer", "logger", "callbacks")
"""Sections that say how a run computes, and for how long."""
IDENTITY = (("executor", "threads"), ("trainer", "precision"))
"""What decides results nevertheless: sums of numbers depend on it."""


def key_of(word: str) -> str:
    """The dotted key of an override."""
    return word.partition("=")[0].lstrip("+~")


def may_change(word: str) -> bool:
    """Whether an override says only how a run computes."""
    path = tuple(key_of(word).split("."))
    return path[0] in HOW and path not in IDENTITY


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a configuration says of what is computed: dotted keys and their values."""
    places = path_keys(config)
    return {key: value for key, value in flat(config).items() if not may_change(key) and key not in places}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Phrases on the options of the identity that differ between what a run began with and another configuration."""
    old, new = identity(before), identity(now)
    return [
        f"{key} is {_value(new, key)} and was {_value(old, key)} when the run began"
        for key in {**old, **new}
        if _value(old, key) != _value(new, key)
    ]


def _value(options: Mapping[str, Any], key: str) -> str:
    return json.dumps(options[key], sort_keys=True, default=str) if key in options else "missing"


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
    """A run's configuration with another's places and way to compute, but for what decides results."""
    changed = copy.deepcopy({**config, **{section: dict(other[section] or {}) for section in HOW if section in other}})
    for key in path_keys(config) & path_keys(other):
        section, _, name = key.rpartition(".")
        value_of(changed, section)[name] = value_of(other, key)
    for section, option in IDENTITY:
        if option in config[section]:
            changed[section][option] = config[section][option]
    return changed
