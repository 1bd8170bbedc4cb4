"""Stop signals that end a run in order, however deep inside a fit they arrive."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any


class Interrupted(BaseException):
    """Ctrl-C or a termination signal. Not an `Exception`: no candidate's failure handling may swallow it.

    Attributes:
        number: the signal's.
        folder: of the run it stopped, once known.
        again: the command that goes on, if it is not `nasforge resume`.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.folder: Path | None = None
        self.again: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """A launcher may send it back from the process in which a job of a sweep was stopped."""
        return type(self), (self.number,), self.__dict__


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM raise `Interrupted` in the main thread; Lightning would swallow KeyboardInterrupt."""
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
    """Inside, SIGINT and SIGTERM wait for the end of the block: a process is started whole in it, and known of.

    That process never hears SIGINT, which a terminal's Ctrl-C sends to all: what it means is decided here.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before: dict[int, Any] = {number: signal.signal(number, lambda one, _: arrived.append(one)) for number in numbers}
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
