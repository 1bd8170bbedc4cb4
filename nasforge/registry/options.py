"""Check options against the annotations of a constructor; errors name the key and what would be right."""

from __future__ import annotations

import difflib
import inspect
import itertools
import json
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from nasforge.errors import OptionError

Built = TypeVar("Built")


def checked(cls: Callable[..., Built], options: Mapping[str, Any], *, where: str) -> Built:
    """Return `cls(**options)` after checking every option against the annotations of the constructor.

    Args:
        cls: a class whose constructor takes keyword-only arguments, or a dataclass.
        where: the section of the configuration, for messages: `strategy`, `retrain`.

    Raises:
        OptionError: about the first key that is unknown, is missing, or has a wrong value.
    """
    return cls(**arguments(cls, options, where=where))


def arguments(cls: Callable[..., Any], options: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Return the options as the constructor of `cls` takes them; arguments and errors as for `checked`.

    A number must be a number ("8" and true are not); an integer is also a float, and a list becomes a tuple where one
    is expected. Options missing from a group (a dataclass) are taken from the constructor's default.
    """
    schema = _schema(cls)
    if not isinstance(options, Mapping):
        raise OptionError(f"{where}={_shown(options)}: it must hold the options {', '.join(schema)}")
    for key in options:
        if key not in schema:
            raise unknown_key(f"{where}.{key}", schema, grouped_options(cls))
    for key, parameter in schema.items():
        if key not in options and parameter.default is inspect.Parameter.empty:
            raise OptionError(f"{where}.{key} is missing: it must be {described(parameter.annotation)}")
    complete = {key: _completed(schema[key].default, value) for key, value in options.items()}
    return {key: _value(f"{where}.{key}", schema[key].annotation, value) for key, value in complete.items()}


def filled(cls: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as plain JSON, with defaults filled in."""
    defaults = {key: parameter.default for key, parameter in _schema(cls).items()}
    given = {key: _completed(defaults.get(key), value) for key, value in options.items()}
    content: dict[str, Any] = json.loads(json.dumps({**defaults, **given}, default=plain))
    return content


def path_options(cls: Callable[..., Any]) -> tuple[str, ...]:
    """Return the options annotated `Path` or `Path | None`: the locations of a user's files."""
    annotations = {key: parameter.annotation for key, parameter in _schema(cls).items()}
    return tuple(key for key, annotation in annotations.items() if Path in (annotation, *get_args(annotation)))


def options_annotated(cls: Callable[..., Any], annotation: Any) -> tuple[str, ...]:
    """Return the options with exactly this annotation."""
    return tuple(key for key, parameter in _schema(cls).items() if parameter.annotation == annotation)


def grouped_options(cls: Callable[..., Any]) -> list[str]:
    """Return the dotted names of the options in all groups: `supernet.channels`."""
    groups = {key: parameter.default for key, parameter in _schema(cls).items() if _is_group(parameter.default)}
    return [f"{key}.{option}" for key, group in groups.items() for option in asdict(group)]


def plain(value: Any) -> Any:
    """Return what JSON cannot hold in a form that it can: a dataclass as its fields, anything else as text."""
    return vars(value) if is_dataclass(value) else str(value)


def _completed(default: Any, value: Any) -> Any:
    """Return a group's options with missing ones taken from its default; any other value as it is."""
    return {**asdict(default), **value} if _is_group(default) and isinstance(value, Mapping) else value


def _is_group(default: Any) -> bool:
    return is_dataclass(default) and not isinstance(default, type)


def unknown_key(key: str, available: Sequence[str] | Mapping[str, Any], grouped: Sequence[str] = ()) -> OptionError:
    """Return the error for a key that its section does not have, with the nearest valid key.

    Args:
        available: the keys that the section has.
        grouped: dotted keys of the section's groups, which the user may have meant.
    """
    section, _, name = key.rpartition(".")
    known = {option.rpartition(".")[2]: option for option in (*grouped, *available)}
    near = [known[option] for option in difflib.get_close_matches(name, list(known), n=1)]
    nearest = f"{section}.{near[0]}" if section and near else "".join(near)
    hint = f" Did you mean {nearest}?" if near else ""
    of = f"{section} has" if section else "There are"
    return OptionError(f"there is no option {key}.{hint} {of}: {', '.join(available) or 'no options'}.")


def described(annotation: Any) -> str:
    """Describe valid values in words: 'a whole number, at least 1, or null'."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return described(arguments[0]) + _range(arguments[1:])
    if origin in (Union, types.UnionType):
        return ", or ".join(map(described, arguments))
    if origin is Literal:
        return "one of " + ", ".join(str(value) for value in arguments)
    if origin in (list, tuple, set, Sequence):
        return f"a list, each item {described(arguments[0])}" if arguments else "a list"
    return _WORDS.get(origin or annotation, getattr(annotation, "__name__", str(annotation)))


_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
    Mapping: "a mapping",
    type(None): "null",
}
_BOUNDS = {
    "ge": "at least {:,}",
    "gt": "above {:,}",
    "le": "at most {:,}",
    "lt": "below {:,}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
}


def _range(metadata: Sequence[Any]) -> str:
    nested = [item.metadata if isinstance(item, FieldInfo) else [item] for item in metadata]
    bounds = [
        words.format(getattr(constraint, bound))
        for constraint in itertools.chain(*nested)
        for bound, words in _BOUNDS.items()
        if getattr(constraint, bound, None) is not None
    ]
    return ", " + " and ".join(bounds) if bounds else ""


@cache
def _schema(cls: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the constructor's named parameters with resolved annotations."""
    source: Any = cls if is_dataclass(cls) else cls.__init__  # type: ignore[misc]  # read, never called
    try:
        hints = get_type_hints(source, include_extras=True)
    except NameError as error:
        raise OptionError(f"the options of {cls.__module__}.{cls.__qualname__} cannot be read: {error}") from error
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(cls).parameters
    return {
        name: parameter.replace(annotation=hints.get(name, Any))
        for name, parameter in parameters.items()
        if parameter.kind in named
    }


def _value(key: str, annotation: Any, value: Any) -> Any:
    """Return the value in its annotated type. It is read as JSON, whose strict mode turns lists into tuples."""
    if is_dataclass(annotation) and isinstance(annotation, type):
        return checked(annotation, value, where=key)
    items = get_args(annotation)
    if items and is_dataclass(items[0]) and isinstance(value, list | tuple):
        return tuple(_value(f"{key}[{index}]", items[0], item) for index, item in enumerate(value))
    try:
        converted = _adapter(annotation).validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        own = str(first["msg"]).removeprefix("Value error, ") if first["type"] == "value_error" else ""
        raise OptionError(f"{key}={_shown(value)}: it must be {own or described(annotation)}") from None
    if not _same_booleans(value, converted):
        raise OptionError(f"{key}={_shown(value)}: it must be {described(annotation)}")
    return converted


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))


def _same_booleans(given: Any, converted: Any) -> bool:
    """Whether the same values are booleans; `Literal[1, 2]` would accept true, which equals 1."""
    if isinstance(given, list | tuple) and isinstance(converted, list | tuple):
        return all(_same_booleans(*pair) for pair in zip(given, converted, strict=False))
    return isinstance(given, bool) == isinstance(converted, bool)


def _shown(value: Any) -> str:
    """Return the value as YAML writes it."""
    return json.dumps(value, default=str, ensure_ascii=False)
