"""Estimate candidates that have killed the run twice in a separate process, which they may kill instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future

from nasforge.errors import OptionError
from nasforge.estimator import Estimator
from nasforge.execution.executor import Answer, Began, Executor, LocalExecutor, Work, nothing
from nasforge.execution.remote_work import stays_here
from nasforge.journal.doing import TWICE, Doing
from nasforge.journal.journal import digest


class Quarantine(Executor):
    """Runs another executor and notes what it estimates, but sends candidates that killed the run to a process.

    Which candidates go there depends on the run's journal alone; one that survives has the same answer.
    """

    def __init__(self, inner: Executor, doing: Doing) -> None:
        self.threads = inner.threads
        self._inner, self._doing = inner, doing
        self._separate: Executor | None = None

    def run(self, estimator: Estimator, work: Work, began: Began = nothing) -> Iterator[tuple[int, Answer]]:
        """Yield (index into `work`, answer) pairs as they arrive."""
        if stays_here(estimator):  # a table lookup cannot crash, and takes less time than a note
            yield from self._inner.run(estimator, work, began)
            return

        def noted(started: Work) -> None:
            self._doing.note(_place(started), _what(estimator, started))
            began(started)

        with self._doing.at("", _what(estimator, work)):
            suspects = self._suspects(work)
            others = [index for index in range(len(work)) if index not in suspects]
            for indices, run in ((suspects, self._apart), (others, self._inner.run)):
                for position, answer in run(estimator, [work[index] for index in indices], noted) if indices else ():
                    yield indices[position], answer

    def start(self) -> int:
        """Get the inner executor ready."""
        return self._inner.start()

    def submit(self, estimator: Estimator, work: Work, began: Began = nothing) -> Future[list[Answer]]:
        """Estimate in this process as `run` does, or send to the inner executor's workers, which cannot kill it."""
        if isinstance(self._inner, LocalExecutor):
            return super().submit(estimator, work, began)
        return self._inner.submit(estimator, work, began)

    def close(self) -> None:
        """End the separate process; the inner executor is closed by its owner."""
        if self._separate:
            self._separate.close()

    def _suspects(self, work: Work) -> Sequence[int]:
        """Return the indices into `work` of candidates that killed this process `TWICE`, alone or together."""
        if not isinstance(self._inner, LocalExecutor) or not any(map(_of_candidates, self._doing.deaths)):
            return ()
        if self._doing.deaths[_place(work)] >= TWICE:
            return range(len(work))
        return [index for index, item in enumerate(work) if self._doing.deaths[_place([item])] >= TWICE]

    def _apart(self, estimator: Estimator, work: Work, began: Began) -> Iterator[tuple[int, Answer]]:
        from nasforge.execution.local_workers import LocalWorkers

        self._separate = self._separate or LocalWorkers(self.threads, 1)
        self._doing.note("", _what(estimator, work))
        try:
            yield from self._separate.run(estimator, work)
        except OptionError as error:  # it cannot be pickled
            message = f"it killed this run {TWICE} times, and it cannot run in a separate process: {error}"
            yield from enumerate([Answer({}, "failed", message, 0.0, machine=True)] * len(work))


def _of_candidates(place: str) -> bool:
    return place.startswith("candidate")


def _place(work: Work) -> str:
    """Return the place name for the journal; a context's seed is a function of the estimate's content."""
    seeds = [context.seed for _, context in work]
    return f"candidate {seeds[0]}" if len(seeds) == 1 else f"candidates {digest(seeds)}"


def _what(estimator: Estimator, work: Work) -> str:
    which = f"candidate {work[0][0]}" if len(work) == 1 else f"{len(work)} candidates"
    return f"at {which} (estimator '{estimator.name}')"
