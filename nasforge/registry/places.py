"""Where a user's files lie: options annotated `Path`, which are no part of what a run computes; what lies there is."""

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
    """A path in which `~` and `~NAME` stood for homes.

    Raises:
        OptionError: there is no such user.
    """
    try:
        return Path(typed).expanduser()
    except RuntimeError:
        raise OptionError(f"{typed}: there is no user whose home {Path(typed).parts[0]} could be") from None


def data_folder() -> Path:
    """Where data and tables lie if nothing else is said: $NASFORGE_DATA, or data/ here."""
    return user_path(os.environ.get("NASFORGE_DATA") or "data").absolute()


def located(part: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a plug-in with absolute paths, as it found them: a default may depend on where a command runs.

    Args:
        part: what was built from `options`; it keeps a path, and each part of its own, under the option's name.
    """
    found = dict(options)
    for key in path_options(type(part)):
        where = getattr(part, key, None) or options.get(key)
        found[key] = None if where is None else str(user_path(where).resolve())
    for key, value in options.items():
        if isinstance(value, Mapping) and "name" in value and hasattr(part, key):
            found[key] = located(getattr(part, key), value)
    return found


def path_keys(config: Mapping[str, Any]) -> set[str]:
    """Dotted keys of a configuration's paths, those of its data and estimators."""
    return {key for kind in ("data", "estimator") for key in _path_keys(kind, config.get(kind), kind)}


def _path_keys(kind: str, options: Any, above: str) -> Iterator[str]:
    if not isinstance(options, Mapping):
        return
    with suppress(NasforgeError):  # no plug-in's options, or of one that is not here, which whoever builds it will say
        yield from (f"{above}.{key}" for key in path_options(registry(kind)[str(options.get("name"))]))
    for key, value in options.items():
        yield from _path_keys(kind, value, f"{above}.{key}")


@contextmanager
def moved(config: Mapping[str, Any]) -> Iterator[None]:
    """Inside, a complaint about data says how to tell where a file lies now that a recorded path no longer leads to."""
    try:
        yield
    except DataError as error:
        for key in sorted(path_keys(config)):
            path = value_of(config, key)
            if path is not None and not Path(path).exists():
                raise DataError(f"{error}; if it lies elsewhere now, add {key}=PATH") from error
        raise


def value_of(config: Mapping[str, Any], key: str) -> Any:
    """What stands under a dotted key."""
    value: Any = config
    for part in key.split("."):
        value = value[part]
    return value
