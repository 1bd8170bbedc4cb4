"""`nasforge report`, once or again and again while the run goes on."""

from __future__ import annotations

import shlex
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nasforge.experiment.parts import Parts
from nasforge.journal.deaths import RECORD
from nasforge.journal.doing import is_worked_on
from nasforge.journal.run_folder import RunFolder
from nasforge.report.unfinished import UnfinishedReport, how_it_stopped
from nasforge.run.beginning import Beginning, Config
from nasforge.run.goals import Goals
from nasforge.stopping import Interrupted, interruptible

EVERY = 0.2
"""Seconds between two looks at the run's folder."""
PATIENCE = 5.0
"""Seconds without a process that works on the run after which nobody expects one."""


def report_so_far(folder: Path, config: Config, *, followed: bool = False) -> UnfinishedReport:
    """Return the report of a run that has not ended, to be written once or, if `followed`, again and again."""
    beginning = Beginning.if_known(folder)
    searches = beginning is None or beginning.command == "search"
    parts = Parts(config)
    goals = parts.goals if searches and parts.strategy.needs_estimates else Goals()
    return UnfinishedReport(folder, config, goals, followed=followed)


def follow(folder: Path, write: Callable[[], object], finish: Callable[[], Path]) -> Path:
    """Call `write` whenever the run in `folder` has done something, and `finish` at its end; return what it returns.

    A run has ended when no process works on it, at once if it has its result, otherwise after `PATIENCE` and with a
    warning that says how to continue it.
    """
    try:
        with interruptible():
            return _until_the_end(folder, write, finish)
    except Interrupted as error:
        error.again = f"nasforge report {shlex.quote(str(folder))} --follow"
        raise


def _until_the_end(folder: Path, write: Callable[[], object], finish: Callable[[], Path]) -> Path:
    seen: Any = None
    idle = time.monotonic()
    while True:
        if is_worked_on(folder):
            idle = time.monotonic()
        elif RunFolder(folder).has_ended:
            return finish()
        elif time.monotonic() - idle > PATIENCE:
            warnings.warn(how_it_stopped(folder), stacklevel=2)
            return finish()
        if (now := _traces(folder)) != seen:
            seen = now
            write()
        time.sleep(EVERY)


def _traces(folder: Path) -> list[object]:
    """What changes when the run does something: its journal, its note, and its curves."""
    files = RunFolder(folder)
    traces: list[object] = []
    for path in (files.journal, folder / RECORD, *files.histories):
        try:
            traces.append((path, path.stat().st_mtime_ns, path.stat().st_size))
        except FileNotFoundError:  # it went away after it was listed
            traces.append(path)
    return traces
