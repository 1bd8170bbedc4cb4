"""Jobs of a sweep. Each runs to its end once, even if the sweep is started again; a failed job does not end others."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from nasforge.command.messages import explained
from nasforge.command.sweep_summary import Record, relative
from nasforge.errors import RunError
from nasforge.journal.run_folder import RunFolder
from nasforge.registry.entry_points import build
from nasforge.run.beginning import Beginning
from nasforge.run.identity import HOW, differences, may_change


@dataclass(frozen=True)
class Job:
    """One combination of a sweep's values.

    Attributes:
        number: index in the sweep, from 0.
        words: its overrides, `KEY=VALUE`.
        folder: the folder of its run.
        sweep: the folder of the sweep.
    """

    number: int
    words: Sequence[str]
    folder: Path
    sweep: Path

    def do(self, config: Callable[[], dict[str, Any]]) -> None:
        """Search, continue an unfinished run, or skip a finished one; print and record a failure.

        Args:
            config: returns the resolved configuration, or raises an error if it is invalid.
        """
        print(f"\njob {self.number}: {' '.join(self.words)}", flush=True)
        self._record("running")
        try:
            self._record(self._done(config()))
        except (Exception, SystemExit) as error:  # `SystemExit`: a plug-in must not end the other jobs
            status, sentence = explained(error)
            print(f"nasforge: job {self.number}: {sentence}", file=sys.stderr, flush=True)
            self._record("failed", status, sentence)

    def _record(self, state: str, status: int = 0, sentence: str = "") -> None:
        """Write the job's state to the sweep's folder."""
        words, folder = " ".join(self.words), relative(self.folder)
        Record(self.number, words, folder, state, status, sentence).write(self.sweep)

    def _done(self, config: dict[str, Any]) -> str:
        from nasforge.experiment import experiment
        from nasforge.run.progress import Detail, Progress

        progress = Progress(detail=Detail.LINE)
        files = RunFolder(self.folder)
        if not files.journal.exists():
            experiment.search(config, self.folder, self.words, progress=progress)
            return "finished"
        self._check_same(Beginning.of(self.folder), config)
        if files.has_ended:
            print(f"job {self.number} finished before and is skipped: {relative(self.folder)}", flush=True)
            return "finished before"
        print(f"job {self.number} is unfinished and continues: {relative(self.folder)}", flush=True)
        experiment.resume(self.folder, how=config, progress=progress)
        return "finished"

    def _check_same(self, before: Beginning, config: dict[str, Any]) -> None:
        """Raise a `RunError` if the run in its folder belongs to another job."""
        from nasforge.experiment.parts import with_architectures

        remedy = "give the changed sweep its own folder, hydra.sweep.dir=..."
        if _what(before.words) != _what(self.words):
            words = " ".join(before.words) or "unknown"
            raise RunError(
                f"its folder {relative(self.folder)} holds a run with other arguments ({words}): the sweep was "
                f"changed, so its jobs have other numbers now; {remedy}"
            )
        same = {section: value for section, value in before.config.items() if section in HOW}  # how may change
        strategy = with_architectures(config["strategy"], build("space", config["space"]))
        if changed := differences(before.config, {**config, **same, "strategy": strategy}):
            raise RunError(
                f"its folder {relative(self.folder)} holds a run with the same arguments, but the configuration that "
                f"they select was changed ({', '.join(changed[:3])}); {remedy}"
            )


def _what(words: Iterable[str]) -> list[str]:
    """Return the arguments that define what a job computes; how, how long and where may change between two starts."""
    return sorted(word for word in words if not (may_change(word) or word.startswith("--")))


@cache
def end_with(starter: int) -> None:
    """Make this process end soon after its parent, if the parent is the process that started the sweep.

    Otherwise jobs would continue unseen, and conflict with those of a new start of the sweep.

    Args:
        starter: ID of the process that started the sweep.
    """
    if os.getppid() == starter:
        threading.Thread(target=_watch, args=(starter,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
