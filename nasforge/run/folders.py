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
from nasforge.journal.journal import JOURNAL
from nasforge.journal.records import read_json, well_formed
from nasforge.run.beginning import read_config
from nasforge.run.ending import check_left


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """What a search left in its folder.

    Attributes:
        folder: as it was named.
        config: the resolved configuration, `config.yaml`.
        result: the content of `result.json`.
        data: of `data.json`.
        words: the command's, of `overrides.json`.
        timing: of `timing.json`: seconds by what they went into, and in all.
        evaluations: rows of `evaluations.json` (notation, metrics, status) in the order of request.
    """

    folder: Path
    config: Mapping[str, Any]
    result: Mapping[str, Any]
    data: Mapping[str, Any]
    words: Sequence[str]
    timing: Mapping[str, Any]
    evaluations: Sequence[Mapping[str, Any]]

    @property
    def seed(self) -> int:
        """What all its randomness went back to."""
        return int(self.result["seed"])

    @cached_property
    def followed(self) -> tuple[Objective, ...]:
        """The objectives that the search followed, the first one foremost."""
        return followed(self.result)

    @cached_property
    def reported(self) -> tuple[Objective, ...]:
        """Those that were only reported: measured on test data."""
        return tuple(one for one in map(_objective, self.result["objectives"]) if one.report_only)

    def __str__(self) -> str:
        return str(self.folder)


def followed(result: Mapping[str, Any]) -> tuple[Objective, ...]:
    """The objectives that a search followed, from the content of its `result.json`."""
    known = {one.metric: one for one in map(_objective, result["objectives"])}
    names = result.get("followed", [one.metric for one in known.values() if not one.report_only])
    return tuple(known[name] for name in names)


def _objective(given: Mapping[str, Any]) -> Objective:
    return Objective(given["metric"], given["direction"], given["report_only"])


def read_runs(paths: Sequence[Path]) -> tuple[list[FinishedRun], list[str]]:
    """The finished searches in `paths`, and sentences about those that are left out.

    Args:
        paths: folders of runs, or of sweeps.

    Raises:
        RunError: a path is no run and holds none, no run has ended, one is a retraining, or its files are damaged.
    """
    folders = {folder.resolve(): folder for path in paths for folder in _runs_in(path)}.values()
    ended = [folder for folder in folders if (folder / "result.json").exists()]
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
    if _is_run(path):
        return [path]
    inside = [child for child in path.iterdir() if _is_run(child)]
    if not inside:
        raise RunError(f"{path} holds no run: neither it nor a folder in it has a config.yaml")
    return sorted(inside, key=lambda child: [int(part) if part.isdigit() else part for part in _parts(child.name)])


def _is_run(folder: Path) -> bool:
    return (folder / "config.yaml").exists() or (folder / JOURNAL).exists()


def _parts(name: str) -> list[str]:
    """Texts and numbers by turns, so that job 10 comes after job 9."""
    return re.split(r"(\d+)", name)


def _read(folder: Path) -> FinishedRun:
    check_left(folder)
    result = read_json(folder / "result.json", dict)
    if result.get("strategy") == "retrain":
        raise RunError(f"{folder} is a retraining, not a search; compare takes searches")
    missing = [key for key in ("strategy", "space", "data", "seed", "objectives", "evaluations") if key not in result]
    if missing:
        raise RunError(f"{folder / 'result.json'} is damaged: it has no {' and no '.join(missing)}")
    rows = read_json(folder / "evaluations.json", list) if (folder / "evaluations.json").exists() else []
    if len(rows) != result["evaluations"]["requested"]:
        raise RunError(
            f"{folder / 'evaluations.json'} is damaged: it has {len(rows)} rows, "
            f"and result.json says {result['evaluations']['requested']}"
        )
    words = read_json(folder / "overrides.json", list) if (folder / "overrides.json").exists() else []
    data, timing = (read_json(path, dict) if path.exists() else {}
                    for path in (folder / "data.json", folder / "timing.json"))  # fmt: skip
    run = FinishedRun(folder, read_config(folder), result, data, [str(word) for word in words], timing, rows)
    with well_formed(folder):
        _ = (
            run.seed,
            run.followed,
            run.reported,
            [(row["notation"], dict(row["metrics"]), row["status"]) for row in rows],
        )
    return run


def is_own(folder: Path, path: Path) -> bool:
    """Whether `path` is a file and lies in the run's folder, wherever links lead: a report shows no other one."""
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())


def _listed(folders: Iterable[Path]) -> str:
    """The first few by name, the others by number."""
    names = [str(folder) for folder in folders]
    rest = f" and {len(names) - 3} more" if len(names) > 4 else ""
    return ", ".join(names[: 3 if rest else 4]) + rest
