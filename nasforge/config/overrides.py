"""Write values as arguments of the command line, in the grammar of Hydra's overrides."""

from __future__ import annotations

import json
import re
from os import PathLike
from typing import Any


def override(key: str, value: Any) -> str:
    """Return an override that the command line's grammar parses as exactly this value."""
    return f"{key}={_written(value)}"


_PLAIN = re.compile(r"[A-Za-z_]\w*")
_SPECIAL = ("null", "true", "false", "inf", "nan")


def _written(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{','.join(_written(item) for item in value)}]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _SPECIAL:
        return value
    if isinstance(value, str | PathLike):
        return quoted(str(value))
    if hasattr(value, "item"):  # a NumPy or torch number
        value = value.item()
    return repr(value) if isinstance(value, float) else json.dumps(value)


def quoted(text: str) -> str:
    """Quote any text for the grammar of the command line."""
    # In the grammar, a backslash is literal unless it stands before a quote.
    escaped = re.sub(r"(\\*)'", r"\1\1\'", text)
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"
