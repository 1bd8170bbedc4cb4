"""Locations of a user's files: options annotated `Path`. A run's identity includes the files, not where they are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import Any

from nasforge.errors import DataError, NasforgeError, OptionError
from nasforge.registry.entry_points import registry
from nasforge.registry.options import path_options


def user_path(typed: str | PathLike[str]) -> Path:
    """Return a path with `~` and `~NAME` replaced by home folders; `OptionError` if there is no such user."""
    try:
        return Path(typed).expanduser()
    except RuntimeError:
        raise OptionError(f"{typed}: {Path(typed).parts[0]} is not the home folder of any user") from None


def data_folder() -> Path:
    """Return the default folder of data and tables: $NASFORGE_DATA, or data/ in the working directory."""
    return user_path(os.environ.get("NASFORGE_DATA") or "data").absolute()


def located(part: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a plug-in with absolute paths; default paths may depend on the working directory.

    Args:
        part: the object built from `options`; its attributes have the names of its options.
    """
    absolute = dict(options)
    for key in path_options(type(part)):
        path = getattr(part, key, None) or options.get(key)
        absolute[key] = None if path is None else str(user_path(path).resolve())
    for key, value in options.items():
        if isinstance(value, Mapping) and "name" in value and hasattr(part, key):
            absolute[key] = located(getattr(part, key), value)
    return absolute


def path_keys(config: Mapping[str, Any]) -> set[str]:
    """Return the dotted keys of the paths in a configuration's data and estimators."""
    return {key for kind in ("data", "estimator") for key in _path_keys(kind, config.get(kind), kind)}


def _path_keys(kind: str, options: Any, above: str) -> Iterator[str]:
    if not isinstance(options, Mapping):
        return
    with suppress(NasforgeError):  # not a plug-in's options, or one that is not installed, which `build` reports
        yield from (f"{above}.{key}" for key in path_options(registry(kind)[str(options.get("name"))]))
    for key, value in options.items():
        yield from _path_keys(kind, value, f"{above}.{key}")


@contextmanager
def moved(config: Mapping[str, Any]) -> Iterator[None]:
    """Add to a `DataError` how to give the new location of a file that is no longer at its recorded path."""
    try:
        yield
    except DataError as error:
        for key in sorted(path_keys(config)):
            path = value_of(config, key)
            if path is not None and not Path(path).exists():
                raise DataError(f"{error}; if it is elsewhere now, add {key}=PATH") from error
        raise


def value_of(config: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key."""
    value: Any = config
    for part in key.split("."):
        value = value[part]
    return value
