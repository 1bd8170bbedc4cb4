"""Build the loggers and callbacks that watch a fit, by name and from plain values.

A run's folder may come from anyone, and it chooses loggers and callbacks. It can choose only among the names that
installed packages register; no class or module of its choice is looked up, and values are only data.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nasforge.config.extras import install_line
from nasforge.errors import NasforgeError, OptionError, reason
from nasforge.loggers.run_logger import RunLogger
from nasforge.registry.entry_points import registry
from nasforge.registry.guests import STOPS
from nasforge.registry.options import arguments
from nasforge.run.identity import key_of

SECTIONS = {"logger": "logger", "callbacks": "callback"}
"""Sections of the configuration, and the kind of plug-in in each."""
_NEED_A_LOGGER = {"device_stats", "learning_rate_monitor"}


def check_watchers(config: Mapping[str, Any]) -> None:
    """Raise a `NasforgeError` if a logger or a callback is unknown, has a wrong option, or lacks a package."""
    for section in SECTIONS:
        for name, options in _section(config, section).items():
            _arguments(section, name, options)
    for logger in _run_loggers(config).values():
        logger.check()
    callbacks = _section(config, "callbacks")
    for name in sorted(_NEED_A_LOGGER & set(callbacks)):
        if not _section(config, "logger"):
            raise OptionError(f"callbacks.{name} has nowhere to write to: add logger=csv or logger=tensorboard")
    reads_cpu = "device_stats" in callbacks and (callbacks["device_stats"] or {}).get("cpu_stats") is not False
    if reads_cpu and not _is_there("psutil"):
        raise OptionError(
            "callbacks.device_stats needs psutil for the CPU. Install it with: pip install psutil, or add "
            "callbacks.device_stats.cpu_stats=false"
        )


def check_destinations(config: Mapping[str, Any], changes: Sequence[str]) -> None:
    """Raise an `OptionError` if a run is about to be sent to a server that only its own folder names.

    A run's folder may come from anyone, and a server may belong to anyone.
    """
    for name, logger in _run_loggers(config).items():
        if logger.destination and not any(key_of(change).split(".")[0] == "logger" for change in changes):
            raise OptionError(
                f"this run's folder sends the run to {logger.destination}: add logger={name} to continue there if you "
                "trust it, or logger=none to send nothing"
            )


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


def _run_loggers(config: Mapping[str, Any]) -> dict[str, RunLogger]:
    """Build the loggers that record a whole run, after a check that their packages are installed."""
    classes = {name: registry("logger")[str(name)] for name in _section(config, "logger")}
    for name, cls in classes.items():
        for module, extra in cls.packages.items() if issubclass(cls, RunLogger) else ():
            if not _is_there(module):
                raise OptionError(f"logger={name} needs {module}. Install it with: {install_line(extra)}")
    return {
        name: _made("logger", name, config["logger"][name], Path())
        for name, cls in classes.items()
        if issubclass(cls, RunLogger)
    }


def _is_there(module: str) -> bool:
    """Return whether a package is installed; a folder of its name, which has no `__init__.py`, is none."""
    spec = find_spec(module)
    return spec is not None and spec.origin is not None


def _section(config: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    content = config.get(section) or {}
    if not isinstance(content, Mapping):
        raise OptionError(f"{section}={content!r}: it must hold options by name of a {SECTIONS[section]}")
    return content


def _made(section: str, name: str, options: Any, folder: Path) -> Any:
    kind = SECTIONS[section]
    cls = registry(kind)[name]
    parameters = inspect.signature(cls).parameters.values()
    defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
    values = {**defaults, **_arguments(section, name, options)}
    try:
        return cls(**{key: _in_folder(value, folder) for key, value in values.items()})
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
        addresses = getattr(registry(kind)[str(name)], "addresses", ())
        for key in values.keys() - {*addresses}:
            _check_place(f"{section}.{name}.{key}", options[key])  # a `Path` has lost one of the slashes
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
