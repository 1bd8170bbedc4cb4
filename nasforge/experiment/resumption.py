"""The configuration with which a run goes on, and the one with which what it found is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from nasforge.errors import OptionError
from nasforge.registry.places import path_keys
from nasforge.run.identity import check_cluster, computed_as, key_of, may_change

SEARCH = ("strategy", "estimator", "objectives", "constraints", "budget", "control")
"""What a retraining has no use for."""


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
    from nasforge.config.configuration import recomposed

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
    from nasforge.config.configuration import recomposed

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
