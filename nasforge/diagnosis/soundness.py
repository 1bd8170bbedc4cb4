"""Check that an installed plug-in's class and configuration work together."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from nasforge.config.configuration import configured
from nasforge.errors import DataError, NasforgeError, OptionError, reason
from nasforge.journal.records import flat
from nasforge.registry.entry_points import build, registry
from nasforge.registry.guests import STOPS
from nasforge.registry.options import filled, grouped_options


def fault(kind: str, name: str) -> str:
    """Return why a plug-in cannot be used, in one sentence; empty if it can.

    Imports its class, composes its configuration and builds it. Missing data files are not the plug-in's fault.
    """
    try:
        plugin = registry(kind)[name]
        options = configured(kind, name)
        _check_keys(kind, name, plugin, options)
        if "???" not in options.values():
            build(kind, options)
    except DataError:
        return ""
    except NasforgeError as error:
        return str(error)
    except STOPS:
        raise
    except BaseException as error:
        return f"{_named(kind, name)} cannot be built from its configuration: {reason(error)}"
    return ""


def difference(kind: str, name: str) -> str:
    """Return how a usable plug-in's defaults differ between Python and the command line; empty if they are equal."""
    differing = other_defaults(kind, name)
    in_yaml = ", ".join(f"{option}: {json.dumps(value)}" for option, (value, _) in differing.items())
    in_python = ", ".join(json.dumps(default) for _, default in differing.values())
    message = f"{_named(kind, name)}: {kind}/{name}.yaml has {in_yaml}, its constructor {in_python}; make them equal"
    return message if differing else ""


def other_defaults(kind: str, name: str) -> dict[str, tuple[Any, Any]]:
    """Return options whose defaults differ: (the YAML's value, the constructor's value).

    Options without a default in the constructor are not compared.
    """
    plugin = registry(kind)[name]
    in_yaml, in_python = configured(kind, name), filled(plugin, {})
    parameters = inspect.signature(plugin).parameters
    optional = [key for key, parameter in parameters.items() if parameter.default is not parameter.empty]
    values = {key: (in_yaml[key], in_python[key]) for key in optional if key in in_yaml}
    return {key: pair for key, pair in values.items() if not _agree(*pair)}


def _agree(in_yaml: Any, in_python: Any) -> bool:
    """Compare two values; a composed mapping may have more keys than the constructor's default."""
    if isinstance(in_yaml, Mapping) and isinstance(in_python, Mapping):
        return all(key in in_yaml and _agree(in_yaml[key], value) for key, value in in_python.items())
    return bool(in_yaml == in_python)


def _check_keys(kind: str, name: str, plugin: type[Any], options: Mapping[str, Any]) -> None:
    """Raise an `OptionError` unless the configuration's keys are the constructor's options."""
    where = f"{_named(kind, name)}:"
    if options.get("name") != name:
        raise OptionError(
            f"{where} the {kind}/{name}.yaml that {kind}={name} selects has name: {json.dumps(options.get('name'))}; "
            f"it must have name: {name}, and no package before this one may have a file of that name"
        )
    parameters = inspect.signature(plugin).parameters
    if positional := [option.name for option in parameters.values() if option.kind is not option.KEYWORD_ONLY]:
        raise OptionError(f"{where} the constructor's options must be keyword-only, `*` before {', '.join(positional)}")
    if surplus := [key for key in options if key not in {"name", *parameters}]:
        raise OptionError(f"{where} {kind}/{name}.yaml has {', '.join(surplus)}, which {plugin.__name__} does not take")
    keys = {*options, *flat(options)}
    if missing := [key for key in (*parameters, *grouped_options(plugin)) if key not in keys]:
        raise OptionError(f"{where} {kind}/{name}.yaml lacks {', '.join(missing)}, so KEY=VALUE cannot set it")


def _named(kind: str, name: str) -> str:
    return f"{kind} '{name}' of {registry(kind).plugins[name][0].package}"
