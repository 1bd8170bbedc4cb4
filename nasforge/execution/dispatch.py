"""Candidates sent out to workers, whatever these are; answers as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from queue import SimpleQueue

from nasforge.execution.executor import Answer

Unit = tuple[int, ...]
"""Places of the candidates that one worker estimates in one go: nearly always one."""


class WorkerLost(Exception):
    """The process that had some candidates is gone.

    Attributes:
        blameless: the machine was lost, which no candidate did.
    """

    def __init__(self, how: str, *, blameless: bool = False) -> None:
        super().__init__(how)
        self.blameless = blameless


DEATHS = 2
"""A candidate that was with so many workers when they died is taken to have killed them, and the run gives it up."""
MACHINES = 10
"""How many machines may be lost under one candidate before the run gives it up."""


def dispatched(
    units: Sequence[Unit], submit: Callable[[Unit], Future[list[Answer]]], in_flight: int
) -> Iterator[tuple[int, Answer]]:
    """(place, answer) as they come; a unit whose worker was lost is sent again, each of its candidates alone.

    What this does for a candidate takes the same time and memory however many there are.

    Args:
        submit: sends a unit out; its future gives answers in order, or raises `WorkerLost`.
        in_flight: how many units may be out at once.
    """
    waiting = deque((unit, 0, 0) for unit in units)
    back: SimpleQueue[tuple[tuple[Unit, int, int], Future[list[Answer]]]] = SimpleQueue()
    out = 0
    while waiting or out:
        while waiting and out < in_flight:
            sent = waiting.popleft()
            submit(sent[0]).add_done_callback(lambda future, sent=sent: back.put((sent, future)))  # type: ignore[misc]
            out += 1
        (unit, deaths, machines), future = back.get()
        out -= 1
        try:
            yield from zip(unit, future.result(), strict=True)
        except WorkerLost as lost:
            deaths, machines = deaths + (not lost.blameless), machines + lost.blameless
            for place in unit:
                if answer := _given_up(lost, deaths, machines):
                    yield place, answer
                else:
                    waiting.appendleft(((place,), deaths, machines))


def _given_up(lost: WorkerLost, deaths: int, machines: int) -> Answer | None:
    """Whatever the reason, it is tried again on resume: a system out of memory kills processes that did nothing."""
    if deaths >= DEATHS:
        return Answer({}, "failed", f"it killed its worker {deaths} times: {lost}", 0.0, machine=True)
    if machines >= MACHINES:
        return Answer({}, "failed", f"{machines} machines were lost under it: {lost}", 0.0, machine=True)
    return None
