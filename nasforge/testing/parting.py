"""Where two searches part that should be alike, so that a suite names that, and not just what is usually the cause."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from nasforge.journal.journal import Journal
from nasforge.journal.run_folder import RunFolder
from nasforge.testing.another_process import ORDER

STRATEGY = f"draw from run.rng, read no clock, and {ORDER}"
DATA = f"a data module must give the same wherever it is read: split and shuffle with a fixed seed, and {ORDER}"


def parting(first: Path, second: Path) -> str:
    """What differs first between the searches in two folders, and what would mend it; empty if nothing does."""
    one, other = (json.loads(RunFolder(folder).data.read_text()) for folder in (first, second))
    if one != other:  # so does all that is computed from them
        named = [key for key in one if one[key] != other.get(key) and key != "fingerprint"]
        shown = "; ".join(f"{key}: {_brief(one[key])}, then {_brief(other.get(key))}" for key in named)
        return f"read different data ({shown or 'other images'}): {DATA}"
    works = [work(folder) for folder in (first, second)]
    for key in [*works[0], *works[1]]:
        there = [key in each for each in works]
        if not all(there):
            by = "the first" if there[0] else "the second"
            return f"asked for different things, {by} alone for {works[there.index(True)][key][0]}: {STRATEGY}"
    if RunFolder(first).result.read_bytes() == RunFolder(second).result.read_bytes():
        return ""
    for key, (what, came) in works[0].items():
        if (other_came := works[1][key][1]) != came:
            return f"got different answers of {what}, {came} and {other_came}: it must be a function of its arguments"
    return f"found different things from the same answers: {STRATEGY}"


def work(folder: Path) -> dict[str, tuple[str, str]]:
    """The finished estimates and fits by key, in no order that matters: what was asked for, and what came."""
    with closing(Journal(folder)) as journal:
        estimates = {line["key"]: (_notation(line), _answer(line)) for line in journal.of_kind("estimate")}
        fits = {
            line["key"]: (f"fit '{line['name']}'", f"weights {line['weights'][:8]}") for line in journal.of_kind("fit")
        }
    return estimates | fits


def _notation(line: dict[str, Any]) -> str:
    return str(line["architecture"]["notation"])


def _answer(line: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in line["metrics"].items()) or str(line["reason"])


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
