"""What a strategy is given instead of a run when its candidates are looked up: no folder, no journal, no process."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from nasforge.architecture import Architecture, Evaluation
from nasforge.data import NoData
from nasforge.errors import AbilityError
from nasforge.estimator import Context, Estimator, Weights
from nasforge.execution.executor import LocalExecutor
from nasforge.run.arrivals import Request
from nasforge.run.budgeted_search import BudgetedSearch, SpaceT_co
from nasforge.run.estimates import for_estimator, merged
from nasforge.run.goals import Goals, further
from nasforge.run.resources import Budget
from nasforge.run.run import Run
from nasforge.space import SearchSpace


class Answers:
    """The evaluations of one simulation, which its runs share: each is looked up once.

    Attributes:
        whole: evaluations with report-only metrics, in the order in which the architectures were first asked for.
        visible: the same evaluations as a strategy may see them.
    """

    def __init__(self, space: SearchSpace, estimators: Sequence[Estimator], goals: Goals) -> None:
        self._estimators, self._goals, self._executor = estimators, goals, LocalExecutor(1)
        self._context = Context(space, NoData(), "cpu", threads=1, seed=0)  # type: ignore[arg-type]
        self._numbers: dict[int | None, dict[Architecture, int]] = {}
        self.whole: list[Evaluation] = []
        self.visible: list[Evaluation] = []

    def numbers(self, architectures: Sequence[Architecture], epochs: int | None = None) -> list[int]:
        """Return the index of each architecture's evaluation in `whole` and `visible`."""
        known = self._numbers.setdefault(epochs, {})
        try:
            return [known[architecture] for architecture in architectures]
        except KeyError:
            missing = [candidate for candidate in dict.fromkeys(architectures) if candidate not in known]
            for whole in self._looked_up(missing, replace(self._context, epochs=epochs)):
                known[whole.architecture] = len(self.whole)
                self.whole.append(whole)
                self.visible.append(self._goals.visible(whole))
            return self.numbers(architectures, epochs)

    def _looked_up(self, architectures: Sequence[Architecture], context: Context) -> Iterator[Evaluation]:
        """Yield evaluations as a `Run` makes them, without the keys of a journal, which take as long as a table. So all
        candidates have one seed, which estimators that draw nothing do not use."""
        works = [[(each, for_estimator(part, context)) for each in architectures] for part in self._estimators]
        answers = [
            self._executor.submit(part, work).result() for part, work in zip(self._estimators, works, strict=True)
        ]
        for architecture, *lines in zip(architectures, *answers, strict=True):
            yield self._goals.judged(merged(architecture, [vars(line) for line in lines], context))


class SimulatedRun(BudgetedSearch[SpaceT_co]):
    """One search of a simulation. It has the services of a `Run` that need neither a folder nor training.

    Attributes:
        asked: the index in `answers` of each candidate, in order.
        finished: when simulated workers finished each, in seconds of training, for a strategy that streams requests.

    Args:
        evaluations: the budget.
        workers: how many candidates of a stream are trained at once.
    """

    def __init__(
        self,
        answers: Answers,
        space: SpaceT_co,
        estimators: Sequence[Estimator],
        goals: Goals,
        seed: int,
        evaluations: int,
        workers: int = 1,
    ) -> None:
        super().__init__(space, estimators, goals, seed, Budget(evaluations=evaluations))
        self.data = NoData()
        self._answers, self._allowed, self._workers = answers, evaluations, workers
        self.asked: list[int] = []
        self.finished: list[float] = []

    @property
    def remaining(self) -> int:
        """How many more estimates the budget allows."""
        return self._allowed - len(self.evaluations)

    def estimate(
        self, architectures: Sequence[Architecture], weights: Weights | None = None, epochs: int | None = None
    ) -> list[Evaluation]:
        """Look the architectures up, as `Run.estimate` does."""
        self._check_fidelity(epochs)
        numbers = self._answers.numbers(architectures, epochs)
        evaluations = [self._answers.visible[number] for number in numbers]
        self.asked += numbers
        self.evaluations += evaluations
        return evaluations

    def stream(self, requests: Iterable[Request], name: str) -> Iterator[Evaluation]:
        """Yield evaluations in the order in which simulated workers finish them."""
        waiting = iter(requests)
        running: list[tuple[float, int, int]] = []  # when it ends, after how many others it began, its number
        trained: dict[Hashable, float] = {}
        clock, begun = 0.0, 0
        while True:
            while len(running) < min(self._workers, self.remaining) and (request := next(waiting, None)):
                architecture, epochs = self._checked(request)
                (number,) = self._answers.numbers([architecture], epochs)
                metrics = self._answers.whole[number].metrics
                ends = clock + further(architecture, epochs, metrics, trained)
                heapq.heappush(running, (ends, begun := begun + 1, number))
            if not running:
                return
            clock, _, number = heapq.heappop(running)
            self.asked.append(number)
            self.finished.append(clock)
            self.evaluations.append(self._answers.visible[number])
            yield self.evaluations[-1]

    def generations(self, n: int | None, name: str) -> Iterator[int]:
        """Yield 0, 1, ... up to `n`, or until the budget is used up."""
        for index in itertools.count() if n is None else range(n):
            if self.remaining <= 0:
                return
            yield index

    def _front(self, usable: Sequence[Evaluation]) -> tuple[Evaluation, ...]:
        """Return none: it takes longer than the search, and a simulation keeps what each search asked for."""
        return ()

    def out_of_time(self) -> bool:
        """Return False: a simulation has no `budget.seconds`."""
        return False

    def log(self, step: int, **metrics: float) -> None:
        """Do nothing: a simulation has no loggers."""

    def say(self, text: str) -> None:
        """Do nothing: a thousand runs would say it."""

    def timed(self, label: str) -> AbstractContextManager[None]:
        """Do nothing: the time of a simulation is not that of a search."""
        return nullcontext()

    def __getattr__(self, name: str) -> Any:
        if not hasattr(Run, name) and name not in ("folder", "journal", "logs"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        raise AbilityError(
            f"this strategy uses run.{name}, which a simulation lacks, because it only looks candidates up; "
            "without `simulate`, nasforge runs it in a folder"
        )
