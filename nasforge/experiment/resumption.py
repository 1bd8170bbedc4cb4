"""The configuration with which a run continues, and the one with which its architecture is retrained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from os import PathLike
from typing import Any

from nasforge.config.overrides import override
from nasforge.errors import NasforgeError, OptionError
from nasforge.experiment.watchers import check_destinations
from nasforge.journal.records import flat
from nasforge.registry.places import path_keys
from nasforge.run.identity import check_cluster, computed_as, identity, key_of, may_change

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


def words_of_retraining(config: Mapping[str, Any], architecture: str) -> list[str]:
    """Return the arguments of `nasforge retrain` that repeat a retraining without its search; defaults are left out.

    Args:
        config: resolved.
        architecture: a preset's name, or a notation that the space reads.
    """
    from nasforge.config.configuration import compose, configured

    usual = compose([]).config
    names = {kind: config[kind]["name"] for kind in ("space", "data")}
    defaults = flat(usual | dict.fromkeys(names))
    for kind, name in names.items():
        with suppress(NasforgeError):  # the run does not need that file any more; then all options are given
            defaults |= flat({kind: configured(kind, name)})
    own = {*identity(config), *path_keys(config)} - {"architecture", *(f"{kind}.name" for kind in names)}
    choices = {kind: name for kind, name in names.items() if name != usual[kind]["name"]}
    options = {
        key: value
        for key, value in flat(config).items()
        if key in own and key.split(".")[0] not in SEARCH and defaults.get(key, ...) != value
    }
    return [override(key, value) for key, value in {"architecture": architecture, **choices, **options}.items()]


def check_retraining(words: Sequence[str]) -> None:
    """Raise an `OptionError` for a word that affects only a search."""
    for word in words:
        if key_of(word).split(".")[0] in SEARCH:
            raise OptionError(
                f"'{word}' affects only a search; a retraining takes architecture, seed, retrain, space, data, trainer "
                "and executor.threads"
            )
