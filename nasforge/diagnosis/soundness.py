"""Whether an installed plug-in can be used as its author meant it: its class and its configuration, together."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from nasforge.config.configuration import configured
from nasforge.errors import DataError, NasforgeError, OptionError, reason
from nasforge.registry.entry_points import build, registry
from nasforge.registry.guests import STOPS
from nasforge.registry.options import filled


def fault(kind: str, name: str) -> str:
    """What keeps people from using a plug-in, in one sentence; empty if nothing does.

    Its class is imported, its configuration composed, and both are put together. That files lie elsewhere, which its
    constructor already asks for, is no fault of a plug-in.
    """
    try:
        found = registry(kind)[name]
        options = configured(kind, name)
        _check_keys(kind, name, found, options)
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
    """What a plug-in that can be used does otherwise in Python than on the command line; empty if nothing."""
    differing = other_defaults(kind, name)
    given = ", ".join(f"{option}: {json.dumps(one)}" for option, (one, _) in differing.items())
    own = ", ".join(json.dumps(one) for _, one in differing.values())
    said = f"{_named(kind, name)}: {kind}/{name}.yaml says {given}, its constructor {own}; make them equal"
    return said if differing else ""


def other_defaults(kind: str, name: str) -> dict[str, tuple[Any, Any]]:
    """Options that mean one thing on the command line and another in Python: (the YAML's value, the constructor's).

    One without a default in the constructor means nothing in Python until it is given.
    """
    found = registry(kind)[name]
    given, own = configured(kind, name), filled(found, {})
    optional = [key for key, one in inspect.signature(found).parameters.items() if one.default is not one.empty]
    return {key: (given[key], own[key]) for key in optional if key in given and not _agree(given[key], own[key])}


def _agree(given: Any, own: Any) -> bool:
    """A part's options, composed, may be more than those that the constructor names."""
    if isinstance(given, Mapping) and isinstance(own, Mapping):
        return all(key in given and _agree(given[key], value) for key, value in own.items())
    return bool(given == own)


def _check_keys(kind: str, name: str, found: type[Any], options: Mapping[str, Any]) -> None:
    """Raise an `OptionError` unless the configuration's keys are the constructor's options."""
    where = f"{_named(kind, name)}:"
    if options.get("name") != name:
        raise OptionError(
            f"{where} {kind}/{name}.yaml, as {kind}={name} finds it, says name: {json.dumps(options.get('name'))}; "
            f"it must say name: {name}, and no package before this one may have a file of that name"
        )
    parameters = inspect.signature(found).parameters
    if loose := [one.name for one in parameters.values() if one.kind is not inspect.Parameter.KEYWORD_ONLY]:
        raise OptionError(f"{where} the constructor's options must be keyword-only, `*` before {', '.join(loose)}")
    if surplus := [key for key in options if key not in {"name", *parameters}]:
        raise OptionError(f"{where} {kind}/{name}.yaml has {', '.join(surplus)}, which {found.__name__} does not take")
    if lacking := [key for key in parameters if key not in options]:
        raise OptionError(
            f"{where} {kind}/{name}.yaml lacks {', '.join(lacking)}, so that nobody can set it with KEY=VALUE"
        )


def _named(kind: str, name: str) -> str:
    return f"{kind} '{name}' of {registry(kind).plugins[name][0].package}"
