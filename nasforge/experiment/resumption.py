"""The configuration with which a run continues, and the one with which its architecture is retrained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from nasforge.errors import OptionError
from nasforge.experiment.watchers import check_destinations
from nasforge.registry.places import path_keys
from nasforge.run.identity import check_cluster, computed_as, key_of, may_change

SEARCH = ("strategy", "estimator", "objectives", "constraints", "budget", "control")
"""Keys that a retraining does not use."""


def resumed(
    config: Mapping[str, Any], changes: Sequence[str], config_dir: str | PathLike[str] | None = None
) -> dict[str, Any]:
    """Apply `changes` to a run's configuration: a section as a whole (`executor=ray`), or single options.

    Args:
        config: resolved, as it was recorded.
        config_dir: one more folder of configurations to choose from.

    Raises:
        OptionError: a change that a run does not allow.
    """
    places = path_keys(config)
    for change in changes:
        if "=" not in change or not (may_change(change) or key_of(change) in places):
            raise OptionError(
                f"'{change}' cannot change after a run has begun; resume takes budget.KEY=VALUE, new file locations "
                f"({', '.join(sorted(places)) or 'it has none'}), and how to compute: executor, trainer, logger and "
                "callbacks, except executor.threads and trainer.precision"
            )
    if not changes:
        check_cluster(config, changes)
        check_destinations(config, changes)
        return dict(config)
    from nasforge.config.configuration import recomposed

    changed = recomposed(config, changes, config_dir=config_dir)
    check_cluster(changed, changes)
    check_destinations(changed, changes)
    return computed_as(config, changed)


def retrained(
    config: Mapping[str, Any], words: Sequence[str], config_dir: str | PathLike[str] | None = None
) -> dict[str, Any]:
    """Apply `words` to a search's configuration, to retrain its architecture; arguments as for `resumed`.

    Raises:
        OptionError: a word that a retraining does not use.
    """
    check_retraining(words)
    for word in words:
        if key_of(word).startswith("hydra"):
            raise OptionError(f"'{word}' has no effect: a run's architecture is retrained in a folder inside the run's")
    from nasforge.config.configuration import recomposed

    changed = recomposed(config, words, config_dir=config_dir)
    if changed["data"]["name"] != config["data"]["name"] and "executor.threads" not in map(key_of, words):
        changed["executor"]["threads"] = None  # the number was chosen for the size of the search's images
    check_destinations(changed, words)
    return changed


def check_retraining(words: Sequence[str]) -> None:
    """Raise an `OptionError` for a word that affects only a search."""
    for word in words:
        if key_of(word).split(".")[0] in SEARCH:
            raise OptionError(
                f"'{word}' affects only a search; a retraining takes architecture, seed, retrain, space, data, trainer "
                "and executor.threads"
            )
