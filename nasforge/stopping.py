"""Stop signals end a run in order, even deep inside a fit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any


class Interrupted(BaseException):
    """Ctrl-C or a termination signal. Not an `Exception`, so that code that handles failed candidates lets it pass.

    Attributes:
        number: number of the signal.
        folder: folder of the stopped run, if `nasforge resume` can continue it.
        again: the command that continues the work, if it is not `nasforge resume`.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.folder: Path | None = None
        self.again: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickling: a launcher may return it from the process of a stopped sweep job."""
        return type(self), (self.number,), self.__dict__


@contextmanager
def interruptible() -> Iterator[None]:
    """Make SIGINT and SIGTERM raise `Interrupted` in the main thread; Lightning would swallow KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held_back() -> Iterator[None]:
    """Delay SIGINT and SIGTERM until the end of this context, so that a process inside it starts completely.

    That process ignores SIGINT, which Ctrl-C sends to every process of the terminal: only this process handles it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before: dict[int, Any] = {number: signal.signal(number, lambda got, _: arrived.append(got)) for number in numbers}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for number in arrived[:1]:
        signal.raise_signal(number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)
