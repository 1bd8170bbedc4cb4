"""Find where two searches first differ that should be equal, so that a suite can name the cause."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from nasforge.journal.journal import Journal
from nasforge.journal.run_folder import RunFolder
from nasforge.testing.another_process import ORDER

STRATEGY = f"draw from run.rng, read no clock, and {ORDER}"
DATA = f"a data module must return the same in every process: split and shuffle with a fixed seed, and {ORDER}"


def parting(first: Path, second: Path) -> str:
    """Return the first difference between the searches in two folders, and its remedy; empty if they are equal."""
    data, other = (json.loads(RunFolder(folder).data.read_text()) for folder in (first, second))
    if data != other:  # then everything computed from the data differs too
        keys = [key for key in data if data[key] != other.get(key) and key != "fingerprint"]
        shown = "; ".join(f"{key}: {_brief(data[key])}, then {_brief(other.get(key))}" for key in keys)
        return f"read different data ({shown or 'other images'}): {DATA}"
    works = [work(folder) for folder in (first, second)]
    for key in [*works[0], *works[1]]:
        present = [key in steps for steps in works]
        if not all(present):
            which = "the first" if present[0] else "the second"
            return f"requested different work, only {which} requested {works[present.index(True)][key][0]}: {STRATEGY}"
    if RunFolder(first).result.read_bytes() == RunFolder(second).result.read_bytes():
        return ""
    for key, (what, answer) in works[0].items():
        if (other_answer := works[1][key][1]) != answer:
            return f"got different answers from {what}, {answer} and {other_answer}: it must depend on its arguments"
    return f"returned different results for the same answers: {STRATEGY}"


def work(folder: Path) -> dict[str, tuple[str, str]]:
    """Return (request, answer) of the finished estimates and fits, by key; the order does not matter."""
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
