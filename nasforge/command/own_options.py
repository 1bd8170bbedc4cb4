"""A command's own options, written `KEY=VALUE` among words that have another meaning."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from typing import Any

import yaml

from nasforge.errors import OptionError

MOST_NUMBERS = 1_000_000
"""In a range of names."""


def split(words: Sequence[str], names: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Return the values of the options with these names, as they were typed, and all other words in order."""
    own, others = {}, []
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key in names:
            own[key] = value
        else:
            others.append(word)
    return own, others


def usual_choices() -> Mapping[str, Any]:
    """Return what commands that search tables choose unless they are told otherwise: `conf/tables.yaml`."""
    content: dict[str, Any] = yaml.safe_load(files("nasforge.conf").joinpath("tables.yaml").read_text("utf-8"))
    return content


def value_of(key: str, text: str) -> Any:
    """Return a value as YAML reads it."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise OptionError(f"{key}={text}: its value must be a number, a word or a list") from None


def names_of(text: str) -> list[str]:
    """Return the names in `a`, `a,b` or `[a,b]`."""
    return [name.strip() for name in text.strip("[]").split(",") if name.strip()]


def chosen_names(words: Sequence[str], kinds: Collection[str]) -> tuple[dict[str, list[str] | None], list[str]]:
    """Return the names chosen by options such as `generation=3`, and all other words in order.

    Names are written as `3`, `init/3`, `0,5,10`, `[0,5,10]`, `range(0,100,10)` or `all`, which is None here.

    Raises:
        OptionError: an option chooses no name.
    """
    own, others = split(words, kinds)
    chosen: dict[str, list[str] | None] = {}
    for kind, text in own.items():
        names = _numbers(kind, text) if text.startswith("range(") else names_of(text)
        if not names:
            raise OptionError(f"{kind}={text} chooses none; {kind}=all chooses every one")
        chosen[kind] = None if names == ["all"] else names
    return chosen, others


def _numbers(kind: str, text: str) -> list[str]:
    """Return the numbers in `range(3)`, `range(3,9)` or `range(0,100,10)`."""
    bounds = re.fullmatch(r"range\((\d+(?:,\s*\d+)?(?:,\s*[1-9]\d*)?)\)", text)
    numbers = range(*map(int, bounds[1].split(","))) if bounds else range(0)
    if not bounds or len(numbers) > MOST_NUMBERS:
        raise OptionError(
            f"{kind}={text} is not a range of at most {MOST_NUMBERS:,} numbers, such as range(10) or range(0,100,10)"
        )
    return [str(number) for number in numbers]


def seeds_of(text: str) -> Sequence[int]:
    """Return the seeds in `1000`, `[3,5]`, `range(10)` or `range(10,20)`."""
    if text.isdecimal():
        return range(int(text))
    if match := re.fullmatch(r"range\((\d+)(?:,\s*(\d+))?\)", text):
        first, last = match.groups()
        return range(int(first)) if last is None else range(int(first), int(last))
    try:
        seeds = json.loads(text)
    except ValueError:
        seeds = None
    if not isinstance(seeds, list):
        raise OptionError(
            f"seeds={text}: write how many, as in seeds=1000, or which, as in seeds=[3,5] or seeds=range(5,9)"
        )
    return seeds
