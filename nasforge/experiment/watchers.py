"""Build the loggers and callbacks that watch a fit, by name and from plain values.

A run's folder may come from anyone, and it chooses loggers and callbacks. It can choose only among the names that
installed packages register; no class or module of its choice is looked up, and values are only data.
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
"""Sections of the configuration, and the kind of plug-in in each."""
_NEED_A_LOGGER = {"learning_rate_monitor"}


def check_watchers(config: Mapping[str, Any]) -> None:
    """Raise a `NasforgeError` if a logger or a callback is unknown or has a wrong option, without building any."""
    for section in SECTIONS:
        for name, options in _section(config, section).items():
            _arguments(section, name, options)
    for name in _NEED_A_LOGGER & set(_section(config, "callbacks")):
        if not _section(config, "logger"):
            raise OptionError(f"callbacks.{name} has nowhere to write to: add logger=csv or logger=tensorboard")


def watchers(config: Mapping[str, Any], section: str, folder: Path) -> list[Any]:
    """Build the loggers or the callbacks of a configuration.

    Args:
        config: a complete configuration.
        section: `logger` or `callbacks`.
        folder: the run's folder, which replaces the word RUN at the beginning of a value.

    Raises:
        UnknownNameError: no installed package has one of that name.
        OptionError: an option is invalid, or the constructor refuses it; the message says why.
    """
    return [_made(section, name, options, folder) for name, options in _section(config, section).items()]


def _section(config: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    content = config.get(section) or {}
    if not isinstance(content, Mapping):
        raise OptionError(f"{section}={content!r}: it must hold options by name of a {SECTIONS[section]}")
    return content


def _made(section: str, name: str, options: Any, folder: Path) -> Any:
    kind = SECTIONS[section]
    values = {key: _in_folder(value, folder) for key, value in _arguments(section, name, options).items()}
    try:
        return registry(kind)[name](**values)
    except (NasforgeError, *STOPS):
        raise
    except BaseException as error:
        raise OptionError(f"{section}.{name} cannot be built: {reason(error)}") from error


def _arguments(section: str, name: str, options: Any) -> dict[str, Any]:
    """Return the options after checking that the constructor takes them."""
    kind = SECTIONS[section]
    if isinstance(options, Mapping) and "_target_" in options:
        raise OptionError(
            f"{section}.{name}._target_: a {kind} is chosen by its name, not by its class. Available: "
            f"{', '.join(sorted(registry(kind)))}; a package adds its own with an entry point nasforge.{kind}"
        )
    values = arguments(registry(kind)[str(name)], options or {}, where=f"{section}.{name}")
    if registry(kind).plugins[str(name)][0].package == "nasforge":
        for key, value in values.items():
            _check_place(f"{section}.{name}.{key}", value)
    return values


def _check_place(key: str, value: Any) -> None:
    """Refuse addresses, because Lightning's file system library would open servers and chains of archives."""
    if isinstance(value, str | Path) and ("::" in str(value) or "://" in str(value)):
        raise OptionError(f"{key}={value}: it must be plain text or a folder on this machine, not an address")


def _in_folder(value: Any, folder: Path) -> Any:
    """Replace RUN at the beginning of a path or text by the run's folder; keep the type."""
    if not isinstance(value, str | Path) or Path(value).parts[:1] != ("RUN",):
        return value
    return type(value)(folder.joinpath(*Path(value).parts[1:]))
