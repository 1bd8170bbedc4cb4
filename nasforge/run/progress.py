"""Show a run's progress: bars with the remaining time on a terminal, lines in a file or a pipe."""

from __future__ import annotations

import math
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
    """How much to print: everything, one line at the end (for a job of a sweep), or nothing (for quiet Python)."""

    ALL = "all"
    LINE = "line"
    NOTHING = "nothing"


REFRESH = 0.05
"""The fewest seconds between two movements of a bar, which take longer than an estimate on a table."""
EVERY = 1.0
"""The fewest seconds between two lines: with a table, generations take less."""


class Progress:
    """Shows the progress of one run. Bars nest, and disappear when their work is done.

    Args:
        console: where to print; None: standard error.
        detail: how much to print.
    """

    def __init__(self, console: Console | None = None, *, detail: Detail = Detail.ALL) -> None:
        self.console = console or Console(stderr=True)
        self.detail = detail
        self._lines = detail is Detail.ALL and not self.console.is_terminal
        self._last = time.monotonic()
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
        """Set the run's phases, and begin the first."""
        self._phases = phases
        self.phase(phases[0])

    def phase(self, name: str) -> None:
        """Begin the phase `name`."""
        self._phase = f"{name} ({self._phases.index(name) + 1} of {len(self._phases)}): "

    def say(self, text: str) -> None:
        """Print a sentence, if everything is to be printed."""
        if self.detail is Detail.ALL:
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, description: str, total: int | None) -> Iterator[Bar]:
        """Show a bar of `total` steps inside this context; None: the number is unknown."""
        if self._depth == 0:
            self._bars.start()
        self._depth += 1
        bar = Bar(self, f"{self._phase}{description}", self._bars.add_task(f"{self._phase}{description}", total=total))
        try:
            yield bar
        finally:
            self._bars.remove_task(bar.task)
            self._depth -= 1
            if self._depth == 0 and not self._bars.disable:  # rich before 14.3 stops disabled bars with an empty line
                self._bars.stop()


class Bar:
    """The bar of one piece of work; call it after each step."""

    def __init__(self, progress: Progress, description: str, task: TaskID) -> None:
        self._progress, self._description, self.task = progress, description, task
        self._steps, self._moved = 0, -math.inf

    def __call__(self) -> None:
        """Advance by one step."""
        self._steps += 1
        if (now := time.monotonic()) >= self._moved + REFRESH:
            self._move(now)

    def _move(self, now: float) -> None:
        self._progress._bars.advance(self.task, self._steps)
        self._steps, self._moved = 0, now

    @property
    def due(self) -> bool:
        """Whether progress is shown, and was not shown less than `EVERY` seconds ago."""
        progress = self._progress
        shown = progress._lines or not progress._bars.disable
        return shown and time.monotonic() >= progress._last + EVERY

    def tell(self, *facts: str) -> None:
        """Show facts about the progress beside the bar, or as a line with the remaining time."""
        text, progress = ", ".join(filter(None, [self._description, *facts])), self._progress
        progress._last = time.monotonic()
        self._move(progress._last)
        progress._bars.update(self.task, description=text)
        if progress._lines:
            (task,) = (task for task in progress._bars.tasks if task.id == self.task)
            left = f", {duration(task.time_remaining)} left" if task.time_remaining else ""
            progress.say(f"{text}{left}")
