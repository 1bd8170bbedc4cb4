"""Summarize the jobs of a sweep, and print the next commands."""

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
from nasforge.journal.run_folder import JOBS
from nasforge.stopping import Interrupted, interruptible


@dataclass(frozen=True)
class Record:
    """The state of a job.

    Attributes:
        state: running, finished, "finished before" or failed; a job that died remains "running".
        status, sentence: the exit status and the message of a failed job.
    """

    number: int
    words: str
    folder: str
    state: str
    status: int = 0
    sentence: str = ""

    def write(self, sweep: Path) -> None:
        """Write the record into a sweep's folder."""
        write_json(sweep / JOBS / f"{self.number}.json", asdict(self))


class Sweep(Callback):
    """Hydra callback (`hydra.callbacks`) that notes the start of a sweep, in the process that starts it."""

    def on_multirun_start(self, config: Any, **kwargs: Any) -> None:
        """Note the sweep's folder, and delete old records."""
        folder = Path(str(config.hydra.sweep.dir))
        shutil.rmtree(folder / JOBS, ignore_errors=True)
        _begun.append(folder)


_begun: list[Path] = []


@contextmanager
def summed_up(words: Sequence[str]) -> Iterator[None]:
    """Print a summary of the sweep that ran inside this context, if there was one.

    Args:
        words: the command's arguments.

    Raises:
        SweepError: a job failed.
        RunError: the launcher did not finish all jobs.
    """
    _begun.clear()
    try:
        # Needed while a launcher waits for its jobs: a process that simply dies would leave them running.
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
        lost = [record for record in _summary(_begun[-1], words) if record.state == "running"] if _begun else []
        if not lost:
            raise
        raise RunError(f"{_jobs(lost)} of this sweep died: {reason(error)}") from error
    records = _summary(_begun[-1], words) if _begun else []
    if _begun and not records:
        raise OptionError("this sweep has no job: one of its lists or ranges is empty")
    failed = [record for record in records if record.state == "failed"]
    if failed:
        raise SweepError(failed[0].status)


def again(words: Sequence[str], sweep: Path) -> str:
    """Return the command that starts a sweep again."""
    others = [word for word in words if not word.startswith("hydra.sweep.dir=")]
    return shlex.join(["nasforge", *others, f"hydra.sweep.dir={relative(sweep)}"])


def _summary(sweep: Path, words: Sequence[str]) -> list[Record]:
    """Print the jobs' states and the next commands; return the records in the jobs' order."""
    paths = (sweep / JOBS).glob("*.json")
    records = sorted((Record(**read_json(path, dict)) for path in paths), key=lambda record: record.number)
    if not records:
        return []
    states = ("finished", "finished before", "failed", "running")
    counts = {state: sum(record.state == state for record in records) for state in states}
    names = {"running": "unfinished"}
    totals = ", ".join(f"{count} {names.get(state, state)}" for state, count in counts.items() if count)
    print(f"\nsweep       {relative(sweep)}: {totals}")
    for record in records:
        if record.state in ("failed", "running"):
            where = f", in {record.folder}" if Path(record.folder).exists() else ""
            print(f"{names.get(record.state, record.state):<12}job {record.number}: {record.words}{where}")
            print(f"            {record.sentence}") if record.sentence else None
    if counts["failed"] or counts["running"]:
        print(f"again       {again(words, sweep)}\n            skips the jobs that have finished")
    if counts["finished"] or counts["finished before"]:
        print(f"compare     nasforge compare {shlex.quote(relative(sweep))}", flush=True)
    return records


def _jobs(records: Sequence[Record]) -> str:
    numbers = ", ".join(str(record.number) for record in records)
    return f"job{'s' if len(records) > 1 else ''} {numbers}"


def relative(path: Path) -> str:
    """Return the path relative to the working directory if it is below it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
