"""Note on disk what a run is doing, so that the next start knows what killed this one."""

from __future__ import annotations

import faulthandler
import json
import os
import shlex
import subprocess
import sys
import warnings
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from nasforge.journal import deaths
from nasforge.journal.deaths import RECORD, STACK, Death, cause, last_death
from nasforge.journal.journal import Journal
from nasforge.journal.run_folder import RunFolder
from nasforge.stopping import held_back

TWICE = 2
"""A place is blamed after the run has died there this many times."""
BETWEEN = ("", "between two fits or candidates")
_BORN = os.urandom(8).hex()
"""Identifies a process together with its ID: forks inherit this, and systems reuse IDs, above all in containers."""


class Doing:
    """Notes what a run is doing. Its creator closes it.

    A note is one write without a sync: it survives the process, but not a power cut. When native code crashes, a file
    keeps the Python stack. A small watcher process reports the death of this one.

    Attributes:
        deaths: how often the run has died at each place, over all starts.
    """

    def __init__(self, folder: Path, journal: Journal) -> None:
        """Begin a start of the run in `folder`, and warn if the start before it died."""
        self._process = _process()
        death = last_death(folder, alive=self._process)
        if death:
            _record(folder, journal, death)
        self.deaths = Counter(str(line["key"]) for line in journal.of_kind("death"))
        self._now = BETWEEN
        self._file = os.open(folder / RECORD, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
        self._stack = None if faulthandler.is_enabled() else (folder / STACK).open("w")
        self.close = weakref.finalize(self, _ended, os.getpid(), folder, self._file, self._stack, _watcher(folder))
        self.note(*BETWEEN)

    def note(self, place: str, what: str) -> None:
        """Note that the run is now at `place`, which messages describe as `what`."""
        self._now = place, what
        if not self.close.alive:  # another file may have the same descriptor by now
            return
        if self._stack:  # again, because Lightning resets all signals to their default actions after each fit
            faulthandler.disable()
            faulthandler.enable(self._stack)
        with suppress(OSError):  # the journal reports a full disk
            os.pwrite(self._file, json.dumps([self._process, place, what]).encode() + b"\n", 0)

    @contextmanager
    def at(self, place: str, what: str) -> Iterator[None]:
        """Note that the run is at `place` inside this context; an empty place is never blamed."""
        before = self._now
        self.note(place, what)
        try:
            yield
        finally:
            self.note(*before)


def is_worked_on(folder: Path) -> bool:
    """Return whether a process works on the run in `folder`: its note remains after a kill, but its lock does not."""
    if last_death(folder, alive=_process()) is None:
        return (folder / RECORD).exists()  # this process, whose lock would go if it were tried
    try:
        with RunFolder(folder).lock.open() as file:
            os.lockf(file.fileno(), os.F_TEST, 0)  # a lock, however short, would refuse a run that starts now
    except FileNotFoundError:
        return False
    except OSError:  # somebody holds it
        return True
    return False


def _process() -> str:
    return f"{_BORN} {os.getpid()}"


def _record(folder: Path, journal: Journal, death: Death) -> None:
    """Write the death to the journal, keep its stack, and warn about it."""
    journal.write("death", death.place, what=death.what, how=death.how)
    stack = f"fault-{len(journal.of_kind('death'))}.txt"
    if death.how:
        (folder / STACK).replace(folder / stack)
    times = sum(line["key"] == death.place for line in journal.of_kind("death")) if death.place else 1
    warnings.warn(_sentence(death, times, stack), stacklevel=2)


def _sentence(death: Death, times: int, stack: str) -> str:
    if times < TWICE:
        return f"the last start of this run died {death.what} ({cause(death, stack)}); it continues"
    if death.place.startswith("candidate"):
        advice = "it now runs in a separate process, and fails if it kills that; executor.workers=2 does so for all"
    elif death.how:
        advice = "`nasforge doctor` tests its kernels; try another torch, or a new run with other executor.threads"
    else:
        advice = "if memory ran out, start a new run with a smaller data.batch_size or fewer channels"
    return f"this run has died {times} times {death.what} ({cause(death, stack)}): {advice}"


def _watcher(folder: Path) -> subprocess.Popen[bytes] | None:
    """Start the process that reports how this one died. It notices the end only through its standard input."""
    with suppress(OSError), held_back():
        again = f"nasforge resume {shlex.quote(os.path.relpath(folder))}"
        command = [sys.executable, "-I", "-S", deaths.__file__, str(folder), again]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    return None


def _ended(
    process: int, folder: Path, record: int, stack: IO[str] | None, watcher: subprocess.Popen[bytes] | None
) -> None:
    """Remove the note and end the watcher, because the run's process has finished in order."""
    if os.getpid() != process:  # this is a fork of the run's process
        return
    with suppress(OSError):  # the folder may be read-only by now
        (folder / RECORD).unlink()
    os.close(record)
    if stack:
        faulthandler.disable()
        stack.close()
        with suppress(OSError):
            (folder / STACK).unlink()
    if watcher:
        with suppress(OSError):
            watcher.communicate(b"in order")
