"""Evaluations that a strategy learns from one by one, as they arrive, in an order that a resumed run repeats."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future

from nasforge.architecture import Architecture, Evaluation
from nasforge.errors import RunError
from nasforge.estimator import Context
from nasforge.execution.dispatch import dispatched
from nasforge.execution.executor import Answer, Executor, done
from nasforge.journal.journal import Journal
from nasforge.run.estimates import Estimates, Part

Request = tuple[Architecture, int | None]
"""An architecture, and the number of epochs after which to estimate it; None: all."""
Both = tuple[Evaluation, Evaluation]
"""An evaluation as people see it, and as a strategy may see it."""
KNOWN = Answer({}, "ok", "", 0.0)
"""Stands for the answer to a request whose estimates are in the journal or in a table."""


class Arrivals:
    """The journaled order in which evaluations arrive, with the number of requests before each.

    What a strategy requests is a function of what has arrived. So a resumed run takes as many requests and hands over
    the evaluations in the same order, whatever its workers do, and then goes on.

    Args:
        context: by number of epochs.
        ended: whether no more requests may be taken, given how many wait for their evaluation.
        synced: whether a line is to be synced.
    """

    def __init__(
        self,
        journal: Journal,
        estimates: Estimates,
        executor: Executor,
        context: Callable[[int | None], Context],
        ended: Callable[[int], bool],
        synced: Callable[[], bool],
    ) -> None:
        self._journal, self._estimates, self._executor = journal, estimates, executor
        self._context, self._ended, self._synced = context, ended, synced
        self._streams = itertools.count()

    def of(self, requests: Iterable[Request]) -> Iterator[Both]:
        """Yield evaluations as they arrive; take the next request when a worker is free and all arrivals were handled.

        Raises:
            RunError: the strategy requests other candidates than it did in an earlier start.
        """
        name, stream = next(self._streams), _Stream(requests)
        number = 0
        while line := self._journal.find("arrival", f"{name}/{number}"):
            yield self._evaluated(stream.repeated(line["request"], line["requests"]))
            number += 1
        for request in self._live(stream):
            requests_so_far = len(stream.taken)
            self._journal.write(
                "arrival", f"{name}/{number}", sync=self._synced(), request=request, requests=requests_so_far
            )
            number += 1
            yield self._evaluated(stream.handed_over(request))

    def _evaluated(self, request: Request) -> Both:
        architecture, epochs = request
        return self._estimates.both([architecture], self._context(epochs))[0]

    def _live(self, stream: _Stream) -> Iterator[int]:
        """Yield the number of each request whose estimates have all arrived."""
        missing: Counter[int] = Counter()

        def parts() -> Iterator[tuple[tuple[int, Part | None]]]:
            fresh = iter(lambda: None if self._ended(len(stream.waiting)) else stream.take(), None)
            for number in itertools.chain(list(stream.waiting), fresh):
                architecture, epochs = stream.taken[number]
                unknown: list[Part | None] = [*self._estimates.missing(architecture, self._context(epochs))]
                missing[number] = len(unknown) or 1
                yield from (((number, part),) for part in unknown or [None])

        def submit(unit: tuple[tuple[int, Part | None], ...]) -> Future[list[Answer]]:
            ((_, part),) = unit
            return done([KNOWN]) if part is None else self._executor.submit(part.estimator, [part.work])

        for (number, part), answer in dispatched(parts(), submit, self._executor.start()):
            if part is not None:
                self._estimates.take(part, answer)
            missing[number] -= 1
            if not missing[number]:
                yield number


class _Stream:
    """The requests taken so far, and the numbers of those that wait for their evaluation."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._requests = iter(requests)
        self.taken: list[Request] = []
        self.waiting: dict[int, None] = {}

    def take(self) -> int | None:
        """Take the next request and return its number; None if there is none."""
        for request in self._requests:
            self.taken.append(request)
            self.waiting[len(self.taken) - 1] = None
            return len(self.taken) - 1
        return None

    def handed_over(self, number: int) -> Request:
        """Return a request whose evaluation arrives."""
        del self.waiting[number]
        return self.taken[number]

    def repeated(self, number: int, requests: int) -> Request:
        """Return a request whose evaluation arrived in an earlier start, when so many had been taken."""
        while len(self.taken) < requests and self.take() is not None:
            pass
        if number not in self.waiting:
            raise RunError(
                f"the journal has an evaluation of request {number + 1}, which the strategy does not make now; "
                "continue with the version of the strategy that began this run"
            )
        return self.handed_over(number)
