"""Candidates at which a run has died twice: they are estimated in a process of their own, which may die of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nasforge.errors import OptionError
from nasforge.estimator import Estimator
from nasforge.execution.executor import Answer, Began, Executor, LocalExecutor, Work, nothing
from nasforge.execution.remote_work import stays_here
from nasforge.journal.doing import TWICE, Doing
from nasforge.journal.journal import digest


class Quarantine(Executor):
    """Runs another executor, and notes what that estimates; what killed the run twice is estimated elsewhere.

    What is estimated elsewhere depends on the run's journal alone; a candidate that survives has the same answer.
    """

    def __init__(self, inner: Executor, doing: Doing) -> None:
        self.threads = inner.threads
        self._inner, self._doing = inner, doing
        self._elsewhere: Executor | None = None

    def run(self, estimator: Estimator, work: Work, began: Began = nothing) -> Iterator[tuple[int, Answer]]:
        """(index into `work`, answer) as they come."""
        if stays_here(estimator):  # nothing to die of, in less time than a note takes
            yield from self._inner.run(estimator, work, began)
            return

        def noted(some: Work) -> None:
            self._doing.note(_place(some), _what(estimator, some))
            began(some)

        with self._doing.at("", _what(estimator, work)):
            suspects = self._suspects(work)
            others = [place for place in range(len(work)) if place not in suspects]
            for places, run in ((suspects, self._apart), (others, self._inner.run)):
                for index, answer in run(estimator, [work[place] for place in places], noted) if places else ():
                    yield places[index], answer

    def close(self) -> None:
        """End the process that was started for such candidates; whoever made the other executor closes that."""
        if self._elsewhere:
            self._elsewhere.close()

    def _suspects(self, work: Work) -> Sequence[int]:
        """Places in `work` of those that have killed this process often enough, alone or together."""
        if not isinstance(self._inner, LocalExecutor) or not any(map(_of_candidates, self._doing.deaths)):
            return ()
        if self._doing.deaths[_place(work)] >= TWICE:
            return range(len(work))
        return [place for place, one in enumerate(work) if self._doing.deaths[_place([one])] >= TWICE]

    def _apart(self, estimator: Estimator, work: Work, began: Began) -> Iterator[tuple[int, Answer]]:
        from nasforge.execution.local_workers import LocalWorkers

        self._elsewhere = self._elsewhere or LocalWorkers(self.threads, 1)
        self._doing.note("", _what(estimator, work))
        try:
            yield from self._elsewhere.run(estimator, work)
        except OptionError as error:  # it cannot be sent there
            said = f"this run has died {TWICE} times at it, and it cannot be kept apart: {error}"
            yield from enumerate([Answer({}, "failed", said, 0.0, machine=True)] * len(work))


def _of_candidates(place: str) -> bool:
    return place.startswith("candidate")


def _place(work: Work) -> str:
    """Its name; a context's seed is a function of the estimate's content."""
    seeds = [context.seed for _, context in work]
    return f"candidate {seeds[0]}" if len(seeds) == 1 else f"candidates {digest(seeds)}"


def _what(estimator: Estimator, work: Work) -> str:
    which = f"candidate {work[0][0]}" if len(work) == 1 else f"{len(work)} candidates"
    return f"at {which} (estimator '{estimator.name}')"
