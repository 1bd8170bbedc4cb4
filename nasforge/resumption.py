"""What may change when a run goes on: how it computes, for how long, not what; and when what it found is trained."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from nasforge.errors import OptionError
from nasforge.places import path_keys, value_of
from nasforge.records import flat

HOW = ("budget", "executor", "trainer", "logger", "callbacks")
"""Sections that say how a run computes, and for how long."""
IDENTITY = (("executor", "threads"), ("trainer", "precision"))
"""What decides results nevertheless: sums of numbers depend on it."""
SEARCH = ("strategy", "estimator", "objectives", "constraints", "budget", "control")
"""What a retraining has no use for."""


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


def resumed(
    config: Mapping[str, Any], changes: Sequence[str], config_dir: str | PathLike[str] | None = None
) -> dict[str, Any]:
    """A run's configuration with what `changes` say: another section as a whole (`executor=ray`), or options of one.

    Args:
        config: resolved, as it was recorded.
        config_dir: one more folder of configurations to choose from.

    Raises:
        OptionError: a change of something else.
    """
    places = path_keys(config)
    for change in changes:
        if "=" not in change or not (may_change(change) or key_of(change) in places):
            raise OptionError(
                f"'{change}' cannot change in a run that has begun; resume takes budget.KEY=VALUE, where its files lie "
                f"({', '.join(sorted(places)) or 'it has none'}), and how to compute: executor, trainer, logger and "
                "callbacks, but for executor.threads and trainer.precision"
            )
    if not changes:
        check_cluster(config, changes)
        return dict(config)
    from nasforge.configuration import recomposed

    changed = recomposed(config, changes, config_dir=config_dir)
    check_cluster(changed, changes)
    return computed_as(config, changed)


def retrained(
    config: Mapping[str, Any], words: Sequence[str], config_dir: str | PathLike[str] | None = None
) -> dict[str, Any]:
    """A search's configuration with what `words` say of the training of what it found; arguments as for `resumed`.

    Raises:
        OptionError: a word that a retraining has no use for.
    """
    check_retraining(words)
    for word in words:
        if key_of(word).startswith("hydra"):
            raise OptionError(f"'{word}' changes nothing: what a run found is trained in a folder inside the run's own")
    from nasforge.configuration import recomposed

    changed = recomposed(config, words, config_dir=config_dir)
    if changed["data"]["name"] != config["data"]["name"] and "executor.threads" not in map(key_of, words):
        changed["executor"]["threads"] = None  # the search's own were chosen for the size of its images
    return changed


def check_retraining(words: Sequence[str]) -> None:
    """Raise an `OptionError` for a word that says how to search."""
    for word in words:
        if key_of(word).split(".")[0] in SEARCH:
            raise OptionError(
                f"'{word}' says how to search, and a retraining does not; it takes architecture, seed, retrain, space, "
                "data, trainer and executor.threads"
            )


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
