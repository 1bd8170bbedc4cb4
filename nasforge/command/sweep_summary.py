"""What became of a sweep's jobs, and what to type next."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback

from nasforge.command.messages import SweepError
from nasforge.errors import OptionError, RunError, reason
from nasforge.journal.journal import write_json
from nasforge.journal.records import read_json
from nasforge.stopping import Interrupted, interruptible

RECORDS = ".jobs"
"""In a sweep's folder: what became of each job. Jobs may run in other processes and on other machines."""


@dataclass(frozen=True)
class Record:
    """What became of a job.

    Attributes:
        state: running, finished, "finished before" or failed; a job that died is still said to be running.
        status: the exit status, and the sentence, of one that failed.
    """

    number: int
    words: str
    folder: str
    state: str
    status: int = 0
    sentence: str = ""

    def write(self, sweep: Path) -> None:
        """Into a sweep's folder."""
        write_json(sweep / RECORDS / f"{self.number}.json", asdict(self))


class Sweep(Callback):
    """Hydra tells it that a sweep begins, in the process that was asked for it (`hydra.callbacks`)."""

    def on_multirun_start(self, config: Any, **kwargs: Any) -> None:
        """Called by Hydra."""
        folder = Path(str(config.hydra.sweep.dir))
        shutil.rmtree(folder / RECORDS, ignore_errors=True)
        _begun.append(folder)


_begun: list[Path] = []


@contextmanager
def summed_up(words: Sequence[str]) -> Iterator[None]:
    """Afterwards, what became of the jobs of the sweep that was run inside, if one was, is printed.

    Args:
        words: of the command.

    Raises:
        SweepError: a job failed.
        RunError: the launcher did not bring all jobs to their end.
    """
    _begun.clear()
    try:
        # Also while a launcher waits for its jobs, which a process that just dies would leave behind.
        with interruptible():
            yield
    except (KeyboardInterrupt, Interrupted) as error:
        if not _begun:
            raise
        _summary(_begun[-1], words)
        stop = error if isinstance(error, Interrupted) else Interrupted(signal.SIGINT)
        stop.again = again(words, _begun[-1])
        raise stop from None
    except Exception as error:
        lost = [one for one in _summary(_begun[-1], words) if one.state == "running"] if _begun else []
        if not lost:
            raise
        raise RunError(f"{_jobs(lost)} of this sweep ended without a word: {reason(error)}") from error
    records = _summary(_begun[-1], words) if _begun else []
    if _begun and not records:
        raise OptionError("this sweep has no job: one of its lists or ranges is empty")
    failed = [one for one in records if one.state == "failed"]
    if failed:
        raise SweepError(failed[0].status)


def again(words: Sequence[str], sweep: Path) -> str:
    """The command that starts a sweep again."""
    others = [word for word in words if not word.startswith("hydra.sweep.dir=")]
    return shlex.join(["nasforge", *others, f"hydra.sweep.dir={relative(sweep)}"])


def _summary(sweep: Path, words: Sequence[str]) -> list[Record]:
    """Print what became of the jobs, and what to type next; the records, in the jobs' order."""
    paths = (sweep / RECORDS).glob("*.json")
    records = sorted((Record(**read_json(path, dict)) for path in paths), key=lambda one: one.number)
    if not records:
        return []
    states = ("finished", "finished before", "failed", "running")
    counts = {state: sum(one.state == state for one in records) for state in states}
    names = {"running": "broken off"}
    said = ", ".join(f"{count} {names.get(state, state)}" for state, count in counts.items() if count)
    print(f"\nsweep       {relative(sweep)}: {said}")
    for one in records:
        if one.state in ("failed", "running"):
            where = f", in {one.folder}" if Path(one.folder).exists() else ""
            print(f"{names.get(one.state, one.state):<12}job {one.number}: {one.words}{where}")
            print(f"            {one.sentence}") if one.sentence else None
    if counts["failed"] or counts["running"]:
        print(f"again       {again(words, sweep)}\n            does not run again what has finished")
    if counts["finished"] or counts["finished before"]:
        print(f"compare     nasforge compare {shlex.quote(relative(sweep))}", flush=True)
    return records


def _jobs(records: Sequence[Record]) -> str:
    numbers = ", ".join(str(one.number) for one in records)
    return f"job{'s' if len(records) > 1 else ''} {numbers}"


def relative(path: Path) -> str:
    """As short as it can be said from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
