"""Finished searches, read back from their folders; a sweep's folder holds one folder for each job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nasforge.architecture import Objective
from nasforge.errors import RunError
from nasforge.journal.records import read_as, read_json, well_formed
from nasforge.journal.run_folder import RunFolder
from nasforge.result import Candidate, SearchResult, Timing
from nasforge.run.beginning import read_config
from nasforge.run.ending import check_left


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """What a search left in its folder.

    Attributes:
        folder: as it was named.
        config: the resolved configuration.
        data: what it recorded of its data.
        words: the command's.
        evaluations: in the order of request.
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
        """What all its randomness went back to."""
        return self.result.seed

    @cached_property
    def followed(self) -> tuple[Objective, ...]:
        """The objectives that the search followed, the first one foremost."""
        return self.result.goals

    @cached_property
    def reported(self) -> tuple[Objective, ...]:
        """Those that were only reported: measured on test data."""
        return tuple(objective for objective in self.result.objectives if objective.report_only)

    def __str__(self) -> str:
        return str(self.folder)


def read_runs(paths: Sequence[Path]) -> tuple[list[FinishedRun], list[str]]:
    """The finished searches in `paths`, and sentences about those that are left out.

    Args:
        paths: folders of runs, or of sweeps.

    Raises:
        RunError: a path is no run and holds none, no run has ended, one is a retraining, or its files are damaged.
    """
    folders = {folder.resolve(): folder for path in paths for folder in _runs_in(path)}.values()
    ended = [folder for folder in folders if RunFolder(folder).result.exists()]
    open_ones = [folder for folder in folders if folder not in ended]
    said = f"{_listed(open_ones)} {'has' if len(open_ones) == 1 else 'have'} not ended yet"
    if not ended:
        raise RunError(f"{said}; `nasforge resume RUN` goes on with a run")
    left_out = (
        [f"{said} and {'is' if len(open_ones) == 1 else 'are'} left out; `nasforge resume RUN` goes on with a run"]
        if open_ones
        else []
    )
    return [_read(folder) for folder in ended], left_out


def _runs_in(path: Path) -> list[Path]:
    if not path.is_dir():
        raise RunError(f"there is no folder {path}")
    if RunFolder(path).is_run:
        return [path]
    inside = [child for child in path.iterdir() if RunFolder(child).is_run]
    if not inside:
        raise RunError(f"{path} holds no run: neither it nor a folder in it has a config.yaml")
    return sorted(inside, key=lambda child: [int(part) if part.isdigit() else part for part in _parts(child.name)])


def _parts(name: str) -> list[str]:
    """Texts and numbers by turns, so that job 10 comes after job 9."""
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
            f"and {files.result.name} says {result.evaluations.requested}"
        )
    words = read_json(files.words, list) if files.words.exists() else []
    data = read_json(files.data, dict) if files.data.exists() else {}
    timing = read_as(files.timing, Timing) if files.timing.exists() else Timing()
    run = FinishedRun(folder, read_config(folder), result, data, [str(word) for word in words], timing, candidates)
    with well_formed(folder):
        _ = run.followed
    return run


def _listed(folders: Iterable[Path]) -> str:
    """The first few by name, the others by number."""
    names = [str(folder) for folder in folders]
    rest = f" and {len(names) - 3} more" if len(names) > 4 else ""
    return ", ".join(names[: 3 if rest else 4]) + rest
