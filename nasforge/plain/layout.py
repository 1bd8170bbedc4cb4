"""Lay out lines of source code: brackets that are not needed go, and long lines are broken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

WIDTH = 110


def bare(expression: str) -> str:
    """The expression without brackets around all of it, unless they make a tuple."""
    inner = expression[1:-1]
    depths = list(accumulate((letter in "([") - (letter in ")]") for letter in expression))
    enclosed = expression.startswith("(") and 0 not in depths[:-1]
    return inner if enclosed and len(_split(inner, ",")) == 1 else expression


def wrapped(line: str) -> Iterator[str]:
    """The line, or if it is too long one line for each term of a sum, or for each item in its outermost brackets."""
    indent = re.match(r" *", line)[0]  # type: ignore[index]  # it always matches
    start = re.match(r" *(return |[\w., ]+ = )?", line)[0]  # type: ignore[index]
    terms = _split(line[len(start) :], " + ")
    if len(line) <= WIDTH or "(" not in line:
        yield line
    elif len(terms) > 1:
        yield f"{start}("
        for number, term in enumerate(terms):
            yield from wrapped(f"{indent}    {'+ ' if number else ''}{term}")
        yield f"{indent})"
    else:
        opening = min(place for place in (line.find("("), line.find("[")) if place >= 0)
        closing = max(line.rfind(")"), line.rfind("]"))
        yield line[: opening + 1]
        for item in _split(line[opening + 1 : closing], ", "):
            yield from wrapped(f"{indent}    {item},")
        yield f"{indent}{line[closing:]}"


def _split(text: str, separator: str) -> list[str]:
    """The parts of a text between separators outside all brackets."""
    depth, start, parts = 0, 0, []
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if not depth and text.startswith(separator, place):
            parts.append(text[start:place])
            start = place + len(separator)
    return [*parts, text[start:]]
