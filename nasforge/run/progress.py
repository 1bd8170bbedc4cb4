"""What a person sees of a run that goes on: bars with the time left at a terminal, lines in a file or a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress as Bars,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from nasforge.wording import duration


class Detail(Enum):
    """How much is said: all there is; of a job of a sweep one line, at its end; of a search from Python nothing."""

    ALL = "all"
    LINE = "line"
    NOTHING = "nothing"


EVERY = 1.0
"""Seconds from one line to the next, at least: on a table generations are over in less."""


class Progress:
    """What one run says while it goes on. Bars nest, and vanish when their work is done.

    Args:
        console: where to; standard error if None.
        detail: how much is said.
    """

    def __init__(self, console: Console | None = None, *, detail: Detail = Detail.ALL) -> None:
        self.console = console or Console(stderr=True)
        self.detail = detail
        self._lines = detail is Detail.ALL and not self.console.is_terminal
        self._said = time.monotonic()
        self._phases: Sequence[str] = ()
        self._phase = ""
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=detail is Detail.NOTHING or not self.console.is_terminal,
        )
        self._depth = 0

    def begin(self, phases: Sequence[str]) -> None:
        """Name what a run does, one after the other; it begins with the first."""
        self._phases = phases
        self.phase(phases[0])

    def phase(self, name: str) -> None:
        """Say from now on that the run is at `name`, one of its phases."""
        self._phase = f"{name} ({self._phases.index(name) + 1} of {len(self._phases)}): "

    def say(self, text: str) -> None:
        """A sentence of its own, unless little is to be said."""
        if self.detail is Detail.ALL:
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, description: str, total: int | None) -> Iterator[Bar]:
        """A bar of `total` steps; None: nobody knows how many."""
        if self._depth == 0:
            self._bars.start()
        self._depth += 1
        bar = Bar(self, f"{self._phase}{description}", self._bars.add_task(f"{self._phase}{description}", total=total))
        try:
            yield bar
        finally:
            self._bars.remove_task(bar.task)
            self._depth -= 1
            if self._depth == 0:
                self._bars.stop()


class Bar:
    """One piece of work; call it when a step of it is done."""

    def __init__(self, progress: Progress, description: str, task: TaskID) -> None:
        self._progress, self._description, self.task = progress, description, task

    def __call__(self) -> None:
        """One step further."""
        self._progress._bars.advance(self.task)

    @property
    def due(self) -> bool:
        """Whether there is someone to tell how far it is, who has not just been told."""
        progress = self._progress
        heard = progress._lines or not progress._bars.disable
        return heard and time.monotonic() >= progress._said + EVERY

    def tell(self, *facts: str) -> None:
        """How far it is and how well it goes: beside the bar, or as a line of its own with the time left."""
        said, progress = ", ".join(fact for fact in facts if fact), self._progress
        progress._said = time.monotonic()
        progress._bars.update(self.task, description=f"{self._description}, {said}")
        if progress._lines:
            (task,) = (one for one in progress._bars.tasks if one.id == self.task)
            left = f", {duration(task.time_remaining)} left" if task.time_remaining else ""
            progress.say(f"{self._description}, {said}{left}")
