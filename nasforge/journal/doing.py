"""What a run is doing, written where it outlives the process, so that the next start knows what this one died of."""

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
from nasforge.stopping import held_back

TWICE = 2
"""A place at which a run has died so often is taken to be what kills it."""
BETWEEN = ("", "between two fits or candidates")
_BORN = os.urandom(8).hex()
"""With its number it tells a process from others: numbers come again, above all in containers, and forks inherit it."""


class Doing:
    """What a run is at; whoever makes one closes it.

    A note is one write to a file that is not synced: it outlives the process, though not a power cut. A fault of native
    code leaves its Python stack. A small process says what happened when this one dies.

    Attributes:
        deaths: how often the run has died at each place, over all starts.
    """

    def __init__(self, folder: Path, journal: Journal) -> None:
        """Begin a start of the run in `folder`; a warning says how the one before it died, if it did."""
        self._process = f"{_BORN} {os.getpid()}"
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
        """From here on the run is at `place`, which people read as `what`."""
        self._now = place, what
        if not self.close.alive:  # the number of its file may be another's by now
            return
        if self._stack:  # anew, since Lightning ends each fit by giving all signals their default actions
            faulthandler.disable()
            faulthandler.enable(self._stack)
        with suppress(OSError):  # of a full disk the journal will tell
            os.pwrite(self._file, json.dumps([self._process, place, what]).encode() + b"\n", 0)

    @contextmanager
    def at(self, place: str, what: str) -> Iterator[None]:
        """Inside, the run is at `place`; an empty one is never blamed."""
        before = self._now
        self.note(place, what)
        try:
            yield
        finally:
            self.note(*before)


def _record(folder: Path, journal: Journal, death: Death) -> None:
    """Journal it, keep its stack, and say so."""
    journal.write("death", death.place, what=death.what, how=death.how)
    stack = f"fault-{len(journal.of_kind('death'))}.txt"
    if death.how:
        (folder / STACK).replace(folder / stack)
    times = sum(line["key"] == death.place for line in journal.of_kind("death")) if death.place else 1
    warnings.warn(_sentence(death, times, stack), stacklevel=2)


def _sentence(death: Death, times: int, stack: str) -> str:
    if times < TWICE:
        return f"the last start of this run died {death.what} ({cause(death, stack)}); it goes on"
    if death.place.startswith("candidate"):
        rest = "it goes on in a process of its own, and has failed if it ends that; executor.workers=2 keeps all apart"
    elif death.how:
        rest = "`nasforge doctor` tries its kernels; another torch may help, or a new run with other executor.threads"
    else:
        rest = "if memory ran out, a new run with a smaller data.batch_size, or with fewer channels, needs less"
    return f"this run has died {times} times {death.what} ({cause(death, stack)}): {rest}"


def _watcher(folder: Path) -> subprocess.Popen[bytes] | None:
    """The process that says how this one died. Nothing but its standard input tells it of the end."""
    with suppress(OSError), held_back():
        again = f"nasforge resume {shlex.quote(os.path.relpath(folder))}"
        command = [sys.executable, "-I", "-S", deaths.__file__, str(folder), again]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    return None


def _ended(
    process: int, folder: Path, record: int, stack: IO[str] | None, watcher: subprocess.Popen[bytes] | None
) -> None:
    """The process that made the note has ended its work in order, or ends itself so."""
    if os.getpid() != process:  # a fork of it
        return
    with suppress(OSError):  # of a folder that can no longer be written
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
