"""Read architectures from text files: one as JSON or as a line of a log, or several, each with a name."""

from __future__ import annotations

import json
import re
from pathlib import Path

from nasforge.errors import ArchitectureError

_ASSIGNED = re.compile(r"^(\w+)[ \t]*=(.*?)(?=^\w+[ \t]*=|\Z)", re.MULTILINE | re.DOTALL)


def typed(value: object) -> str:
    """Return an option that names an architecture as it was typed: YAML reads an index as a number, or as a list."""
    return json.dumps(value) if isinstance(value, int | float | list | dict) else str(value)


def file_of(text: str) -> tuple[str, str] | None:
    """Read the file that `text` names: all of FILE, or from FILE:NAME the part that the file assigns to NAME.

    Returns:
        (`text`, content), or None if there is no such file.

    Raises:
        ArchitectureError: the file cannot be read as text, or assigns nothing to NAME.
    """
    if (path := _existing(text)) is not None:
        return text, _content(path)
    place, _, name = text.rpartition(":")
    if not name or (path := _existing(place)) is None:
        return None
    assigned = dict(_ASSIGNED.findall(_content(path)))
    if name not in assigned:
        known = f"; it has {', '.join(list(assigned)[:20])}" if assigned else ""
        raise ArchitectureError(f"{place} has no line that begins with '{name} ='{known}")
    return text, assigned[name]


def names_in(content: str) -> list[str]:
    """Return the names that a file assigns values to, in lines such as `NAME = ...`."""
    return [name for name, _ in _ASSIGNED.findall(content)]


def _existing(text: str) -> Path | None:
    try:
        path = Path(text).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # too long for a path, home of an unknown user, a zero byte
        return None


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArchitectureError(f"{path} cannot be read as text ({error})") from None
