"""Read finished searches from their folders; a sweep's folder holds one folder per job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nasforge.architecture import Objective
from nasforge.errors import RunError
from nasforge.journal.records import read_as, read_histories, read_json, well_formed
from nasforge.journal.run_folder import RunFolder
from nasforge.result import Candidate, SearchResult, Timing
from nasforge.run.beginning import read_config
from nasforge.run.ending import check_left


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """The content of a finished search's folder.

    Attributes:
        folder: the path that the user gave, or a folder in it.
        config: the resolved configuration.
        data: the recorded facts about its data.
        words: arguments of the command.
        evaluations: in the order in which they were requested.
    """

    folder: Path
    config: Mapping[str, Any]
    result: SearchResult
    data: Mapping[str, Any]
    words: Sequence[str]
    timing: Timing
    evaluations: Sequence[Candidate]

    @property
    def seed(self) -> int:
        """The seed of all its randomness."""
        return self.result.seed

    @cached_property
    def followed(self) -> tuple[Objective, ...]:
        """The objectives that the search followed, the main one first."""
        return self.result.goals

    @cached_property
    def reported(self) -> tuple[Objective, ...]:
        """The objectives that were only reported, because they are measured on test data."""
        return tuple(objective for objective in self.result.objectives if objective.report_only)

    @cached_property
    def histories(self) -> Mapping[str, Mapping[str, Any]]:
        """The content of `history.json` of each fit, by the fit's name."""
        return read_histories(RunFolder(self.folder))

    def __str__(self) -> str:
        return str(self.folder)


def read_runs(paths: Sequence[Path]) -> tuple[list[FinishedRun], list[str]]:
    """Return the finished searches in `paths`, and a sentence about unfinished ones if there are any.

    Args:
        paths: folders of runs or of sweeps.

    Raises:
        RunError: a path neither is a run nor holds one, no run has ended, one is a retraining, or files are damaged.
    """
    folders = {folder.resolve(): folder for path in paths for folder in _runs_in(path)}.values()
    ended = [folder for folder in folders if RunFolder(folder).result.exists()]
    unfinished = [folder for folder in folders if folder not in ended]
    has, is_ = ("has", "is") if len(unfinished) == 1 else ("have", "are")
    message = f"{_listed(unfinished)} {has} not ended yet"
    if not ended:
        raise RunError(f"{message}; `nasforge resume RUN` continues a run")
    left_out = [f"{message} and {is_} left out; `nasforge resume RUN` continues a run"] if unfinished else []
    return [_read(folder) for folder in ended], left_out


def _runs_in(path: Path) -> list[Path]:
    if not path.is_dir():
        raise RunError(f"there is no folder {path}")
    if RunFolder(path).is_run:
        return [path]
    inside = [child for child in path.iterdir() if RunFolder(child).is_run]
    if not inside:
        raise RunError(f"{path} holds no run: there is no config.yaml in it or in a folder inside it")
    return sorted(inside, key=lambda child: [int(part) if part.isdigit() else part for part in _parts(child.name)])


def _parts(name: str) -> list[str]:
    """Split a name into texts and numbers, so that job 10 comes after job 9."""
    return re.split(r"(\d+)", name)


def _read(folder: Path) -> FinishedRun:
    check_left(folder)
    files = RunFolder(folder)
    result: SearchResult = read_as(files.result, SearchResult)
    if result.strategy == "retrain":
        raise RunError(f"{folder} is a retraining, not a search; compare takes searches")
    candidates = read_as(files.evaluations, list[Candidate]) if files.evaluations.exists() else []
    if len(candidates) != result.evaluations.requested:
        raise RunError(
            f"{files.evaluations} is damaged: it has {len(candidates)} rows, "
            f"but {files.result.name} says {result.evaluations.requested}"
        )
    words = read_json(files.words, list) if files.words.exists() else []
    data = read_json(files.data, dict) if files.data.exists() else {}
    timing = read_as(files.timing, Timing) if files.timing.exists() else Timing()
    run = FinishedRun(folder, read_config(folder), result, data, [str(word) for word in words], timing, candidates)
    with well_formed(folder):
        _ = run.followed
    return run


def _listed(folders: Iterable[Path]) -> str:
    """List the first few by name, and give the number of the others."""
    names = [str(folder) for folder in folders]
    rest = f" and {len(names) - 3} more" if len(names) > 4 else ""
    return ", ".join(names[: 3 if rest else 4]) + rest
