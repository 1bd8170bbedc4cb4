"""The file of a search that is asked and told: what defines it, and what it was told, with a checksum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasforge.architecture import Architecture, Evaluation
from nasforge.errors import NasforgeError, RunError, reason
from nasforge.journal.journal import digest, write_json
from nasforge.journal.records import read_json

FORMAT = 1


@dataclass(frozen=True)
class Told:
    """What the search was told about one candidate."""

    number: int
    architecture: Architecture
    metrics: Mapping[str, float]
    failed: str


@dataclass(frozen=True)
class State:
    """The content of a file: the setting, how many candidates were asked for, and what was told, in order."""

    setting: Mapping[str, Any]
    asked: int
    told: Sequence[Told]


def write_state(path: Path, setting: Mapping[str, Any], asked: int, told: Sequence[tuple[int, Evaluation]]) -> None:
    """Write the file, whole or not at all, so that a crash leaves the one before.

    Args:
        told: (number of the candidate, evaluation) in the order of the tells.
    """
    lines = [
        {
            "number": number,
            "architecture": evaluation.architecture.to_json(),
            "metrics": dict(evaluation.metrics),
            "failed": evaluation.reason if evaluation.status == "failed" else "",
        }
        for number, evaluation in told
    ]
    content = {"format": FORMAT, "setting": dict(setting), "asked": asked, "told": lines}
    write_json(path, {**content, "checksum": digest(content)})


def read_state(path: Path) -> State:
    """Return the content of the file; a `RunError` if it is missing, damaged or of another format."""
    content = read_json(path, dict)
    if content.pop("checksum", None) != digest(content):
        raise RunError(f"{path} was altered, or is no saved search: its checksum differs; restore it from a copy")
    if content["format"] != FORMAT:
        raise RunError(f"{path} has format {content['format']}; this version reads {FORMAT}")
    try:
        told = [
            Told(line["number"], Architecture.from_json(line["architecture"]), line["metrics"], line["failed"])
            for line in content["told"]
        ]
        return State(content["setting"], content["asked"], told)
    except (KeyError, TypeError, NasforgeError) as error:
        raise RunError(f"{path} is damaged: {reason(error)}") from None
