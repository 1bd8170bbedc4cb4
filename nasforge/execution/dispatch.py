"""Send candidates to workers of any kind, and yield their answers as they arrive."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

from nasforge.execution.executor import Answer

Item = TypeVar("Item")


class WorkerLost(Exception):
    """The process that was estimating some candidates died.

    Attributes:
        blameless: the machine was lost, which no candidate can cause.
    """

    def __init__(self, message: str, *, blameless: bool = False) -> None:
        super().__init__(message)
        self.blameless = blameless


DEATHS = 2
"""The run gives up a candidate after this many of its workers died: it probably killed them."""
MACHINES = 10
"""The run gives up a candidate after this many machines were lost while they estimated it."""


def dispatched(
    units: Iterable[tuple[Item, ...]],
    submit: Callable[[tuple[Item, ...]], Future[list[Answer]]],
    in_flight: int,
) -> Iterator[tuple[Item, Answer]]:
    """Yield (item, answer) pairs as they arrive. If a worker is lost, send its candidates again, one by one.

    The next unit is taken when a worker is free, and not before the answers so far were handled. The time and memory
    for each candidate do not depend on how many candidates there are.

    Args:
        units: the items that one worker estimates in one call; nearly always a single one.
        submit: sends a unit to a worker; its future returns the answers in order, or raises `WorkerLost`.
        in_flight: how many units may be with workers at once.
    """
    fresh = ((unit, 0, 0) for unit in units)
    again: deque[tuple[tuple[Item, ...], int, int]] = deque()
    finished: SimpleQueue[tuple[tuple[tuple[Item, ...], int, int], Future[list[Answer]]]] = SimpleQueue()
    running = 0
    while True:
        while running < in_flight and (sent := again.popleft() if again else next(fresh, None)):
            future = submit(sent[0])
            future.add_done_callback(lambda future, sent=sent: finished.put((sent, future)))  # type: ignore[misc]
            running += 1
        if not running:
            return
        (unit, deaths, machines), future = finished.get()
        running -= 1
        try:
            yield from zip(unit, future.result(), strict=True)
        except WorkerLost as lost:
            deaths, machines = deaths + (not lost.blameless), machines + lost.blameless
            for item in unit:
                if answer := _given_up(lost, deaths, machines):
                    yield item, answer
                else:
                    again.appendleft(((item,), deaths, machines))


def _given_up(lost: WorkerLost, deaths: int, machines: int) -> Answer | None:
    """Resuming tries it again in any case: a system that is out of memory also kills innocent processes."""
    if deaths >= DEATHS:
        return Answer({}, "failed", f"it killed its worker {deaths} times: {lost}", 0.0, machine=True)
    if machines >= MACHINES:
        return Answer({}, "failed", f"{machines} machines were lost while they estimated it: {lost}", 0.0, machine=True)
    return None
