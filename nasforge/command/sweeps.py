"""Jobs of a sweep: each is done once, however often the sweep is started; one that fails does not end the others."""

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
from nasforge.run.beginning import Beginning
from nasforge.run.identity import HOW, differences, may_change


@dataclass(frozen=True)
class Job:
    """One combination of a sweep's values.

    Attributes:
        number: its place in the sweep, from 0.
        words: that make it, `KEY=VALUE`.
        folder: of its run.
        sweep: the sweep's own folder.
    """

    number: int
    words: Sequence[str]
    folder: Path
    sweep: Path

    def do(self, config: Callable[[], dict[str, Any]]) -> None:
        """Search, go on with what was broken off, or leave alone what has finished; a failure is said and recorded.

        Args:
            config: gives the resolved configuration, or says what is wrong with it.
        """
        print(f"\njob {self.number}: {' '.join(self.words)}", flush=True)
        self._record("running")
        try:
            self._record(self._done(config()))
        except (Exception, SystemExit) as error:  # a plug-in that exits must not end the other jobs
            status, sentence = explained(error)
            print(f"nasforge: job {self.number}: {sentence}", file=sys.stderr, flush=True)
            self._record("failed", status, sentence)

    def _record(self, state: str, status: int = 0, sentence: str = "") -> None:
        """Write down what has become of it."""
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
            print(f"job {self.number} has finished before and is not run again: {relative(self.folder)}", flush=True)
            return "finished before"
        print(f"job {self.number} was broken off and goes on: {relative(self.folder)}", flush=True)
        experiment.resume(self.folder, how=config, progress=progress)
        return "finished"

    def _check_same(self, before: Beginning, config: dict[str, Any]) -> None:
        """Raise a `RunError` if the run in its folder is another job's."""
        rest = "give the changed sweep a folder of its own, hydra.sweep.dir=..."
        if _what(before.words) != _what(self.words):
            said = " ".join(before.words) or "unknown"
            raise RunError(
                f"its folder {relative(self.folder)} holds a run of other words ({said}): the sweep was changed, and "
                f"its jobs' numbers are no longer what they were; {rest}"
            )
        same = {section: value for section, value in before.config.items() if section in HOW}  # how may change
        if changed := differences(before.config, {**config, **same}):
            raise RunError(
                f"its folder {relative(self.folder)} holds a run of the same words, but what they stand for was "
                f"changed ({', '.join(changed[:3])}); {rest}"
            )


def _what(words: Iterable[str]) -> list[str]:
    """Those that say what a job computes; how, how long, and where to look may change between two starts of a sweep."""
    return sorted(word for word in words if not (may_change(word) or word.startswith("--")))


@cache
def end_with(starter: int) -> None:
    """Let this process end soon after the one that started the sweep, however that ends, if it is its child.

    Else jobs would go on unseen, and be in the way when the sweep is started again.

    Args:
        starter: the process's number.
    """
    if os.getppid() == starter:
        threading.Thread(target=_watch, args=(starter,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
