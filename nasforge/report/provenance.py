"""How a run was made, for its report: the command, the configuration, the data and the machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasforge.journal.records import read_json
from nasforge.journal.run_folder import RunFolder
from nasforge.run.beginning import Beginning


def provenance(run: RunFolder) -> dict[str, Any]:
    """What the last section of a report shows."""
    environment, beginning = facts(run, run.environment), Beginning.if_known(run.path)
    commit = str(environment.get("commit", ""))
    return {
        "command": beginning.command_line if beginning else "",
        "work": "retraining" if beginning and beginning.command == "retrain" else "search",
        "versions": [f"{name} {environment[name]}" for name in ("nasforge", "torch", "python") if name in environment],
        "commit": "" if commit.endswith("-dirty") else commit,
        "changed": commit.removesuffix("-dirty") if commit.endswith("-dirty") else "",
        "config": text(run, run.config),
        "facts": {
            "Data": {key: _brief(value) for key, value in facts(run, run.data).items()},
            "Environment": environment,
        },
    }


def text(run: RunFolder, path: Path) -> str:
    """The text of a file of the run; empty if the run does not have it."""
    return path.read_text(encoding="utf-8") if run.owns(path) else ""


def facts(run: RunFolder, path: Path) -> dict[str, Any]:
    """The content of a JSON file of the run; empty if the run does not have it."""
    return read_json(path, dict) if run.owns(path) else {}


def _brief(value: Any) -> str:
    """A fact on one line; a long list becomes its length."""
    if isinstance(value, Mapping):
        value = [f"{key}: {item}" for key, item in value.items()]
    if isinstance(value, list):
        return f"{len(value)} in data.json" if len(value) > 20 else ", ".join(str(item) for item in value)
    return str(value)
