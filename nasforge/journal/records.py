"""Read and write a run's JSON and YAML files. The reader trusts nothing: anyone may have written them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, get_origin

import yaml
from pydantic import TypeAdapter, ValidationError

from nasforge.errors import NasforgeError, RunError, reason
from nasforge.journal.run_folder import RunFolder


def read_json(path: Path, kind: type) -> Any:
    """Return the content of a file that must hold a `dict` or a `list`; `RunError` if it does not."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} is missing") from None
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged: {reason(error)}") from None
    if not isinstance(content, kind):
        raise RunError(f"{path} is damaged: it must hold a JSON {'object' if kind is dict else 'list'}")
    return content


def read_as(path: Path, kind: Any) -> Any:
    """Return the content of a JSON file as a dataclass, or as a `list` of dataclasses; unknown keys are ignored.

    Raises:
        RunError: the file is missing or damaged; the message names the key that is missing or invalid.
    """
    content = read_json(path, get_origin(kind) or dict)
    try:
        return _adapter(kind).validate_python(content)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        missing = [_key(detail["loc"]) for detail in errors if detail["type"] == "missing"][:MOST_NAMED]
        message = errors[0]["msg"].removeprefix("Value error, ")
        problem = f"it has no {' and no '.join(missing)}" if missing else f"{_key(errors[0]['loc'])}: {message}"
        raise RunError(f"{path} is damaged: {problem}") from None


MOST_NAMED = 4
"""How many missing keys a message names."""


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _key(places: tuple[int | str, ...]) -> str:
    return ".".join(map(str, places))


def read_histories(run: RunFolder) -> dict[str, dict[str, Any]]:
    """Return the content of `history.json` of each fit, by the fit's name; files outside the folder are skipped."""
    files = [path for path in run.histories if run.owns(path)]
    return {path.parent.relative_to(run.fits).as_posix(): read_json(path, dict) for path in files}


class _Plain(yaml.SafeLoader):
    """Refuses aliases: a few nested ones expand to more than any memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it must not contain an alias (*name)")
        return super().compose_node(parent, index)


class _WrittenOut(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def read_yaml(path: Path) -> Any:
    """Return the content of a file that must hold keys and values; `RunError` if it does not."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Plain)  # safe: it derives from SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged: {reason(error)}") from None
    if not isinstance(content, dict):
        raise RunError(f"{path} is damaged: it must hold keys and values")
    return content


def yaml_of(content: Mapping[str, Any]) -> str:
    """Return the content as YAML that `read_yaml` reads."""
    return yaml.dump(dict(content), Dumper=_WrittenOut, sort_keys=False)


@contextmanager
def well_formed(folder: Path) -> Iterator[None]:
    """Turn errors about malformed content of a run's files into a `RunError`."""
    try:
        yield
    except NasforgeError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise RunError(
            f"the files in {folder} are damaged, or from another version of nasforge: {reason(error)}"
        ) from error


def flat(options: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return dotted keys and their values; an empty mapping is a value."""
    flattened: dict[str, Any] = {}
    for key, value in options.items():
        nested = isinstance(value, Mapping) and value
        flattened |= flat(value, f"{above}{key}.") if nested else {f"{above}{key}": value}
    return flattened
