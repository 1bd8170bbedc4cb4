"""Loggers and callbacks that watch a fit: made by name, from what installed packages offer, and from plain values.

A run's folder may come from anyone, and it names its loggers and callbacks. So a name is all that it can give: neither
a class nor a module is looked up that a file or a word of a command chose, and no value is more than a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasforge.errors import NasforgeError, OptionError, reason
from nasforge.registry.entry_points import registry
from nasforge.registry.guests import STOPS
from nasforge.registry.options import arguments

SECTIONS = {"logger": "logger", "callbacks": "callback"}
"""Of the configuration, and the kind that each holds: options by name."""
_NEED_A_LOGGER = {"learning_rate_monitor"}


def check_watchers(config: Mapping[str, Any]) -> None:
    """Raise a `NasforgeError` if a logger or a callback cannot be had; none is made."""
    for section in SECTIONS:
        for name, options in _section(config, section).items():
            _arguments(section, name, options)
    for name in _NEED_A_LOGGER & set(_section(config, "callbacks")):
        if not _section(config, "logger"):
            raise OptionError(f"callbacks.{name} has nowhere to write to: add logger=csv or logger=tensorboard")


def watchers(config: Mapping[str, Any], section: str, folder: Path) -> list[Any]:
    """The loggers, or the callbacks, of a configuration.

    Args:
        config: a whole one.
        section: `logger` or `callbacks`.
        folder: the run's; it takes the place of the word RUN at the head of a text.

    Raises:
        UnknownNameError: no installed package has one of that name.
        OptionError: an option is wrong, or the constructor refused them; the message says why.
    """
    return [_made(section, name, options, folder) for name, options in _section(config, section).items()]


def _section(config: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    content = config.get(section) or {}
    if not isinstance(content, Mapping):
        raise OptionError(f"{section}={content!r}: it must hold options by the name of a {SECTIONS[section]}")
    return content


def _made(section: str, name: str, options: Any, folder: Path) -> Any:
    kind = SECTIONS[section]
    taken = {key: _in_folder(value, folder) for key, value in _arguments(section, name, options).items()}
    try:
        return registry(kind)[name](**taken)
    except (NasforgeError, *STOPS):
        raise
    except BaseException as error:
        raise OptionError(f"{section}.{name} cannot be made: {reason(error)}") from error


def _arguments(section: str, name: str, options: Any) -> dict[str, Any]:
    """The options, found to be what the constructor takes."""
    kind = SECTIONS[section]
    if isinstance(options, Mapping) and "_target_" in options:
        raise OptionError(
            f"{section}.{name}._target_: a {kind} is chosen by its name and not by its class. Available: "
            f"{', '.join(sorted(registry(kind)))}; a package adds its own by an entry point nasforge.{kind}"
        )
    found = registry(kind)[str(name)]
    taken = arguments(found, options or {}, where=f"{section}.{name}")
    if registry(kind).plugins[str(name)][0].package == "nasforge":
        for key, value in taken.items():
            _check_place(f"{section}.{name}.{key}", value)
    return taken


def _check_place(key: str, value: Any) -> None:
    """Lightning opens whatever its file system library reads an address from, chains of archives and servers too."""
    if isinstance(value, str | Path) and ("::" in str(value) or "://" in str(value)):
        raise OptionError(f"{key}={value}: it must be a plain text, or a folder on this machine, and no address")


def _in_folder(value: Any, folder: Path) -> Any:
    """A path stays a path, a text a text."""
    if not isinstance(value, str | Path) or Path(value).parts[:1] != ("RUN",):
        return value
    return type(value)(folder.joinpath(*Path(value).parts[1:]))
