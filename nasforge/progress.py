"""Progress bars with the time left, for a person at a terminal; silence for a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress as Bars,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Progress:
    """The bars of one run; they nest, and vanish when their work is done."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._depth = 0

    @contextmanager
    def bar(self, description: str, total: int | None, done: int = 0) -> Iterator[Callable[[], None]]:
        """A bar of `total` steps; the value is the function that advances it by one."""
        if self._depth == 0:
            self._bars.start()
        self._depth += 1
        task = self._bars.add_task(description, total=total, completed=done)
        try:
            yield lambda: self._bars.advance(task)
        finally:
            self._bars.remove_task(task)
            self._depth -= 1
            if self._depth == 0:
                self._bars.stop()
