"""What every search has, in a folder or simulated: goals, a budget, the evaluations so far, and the best of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Generic

from typing_extensions import TypeVar

from nasforge.architecture import Architecture, Evaluation, Metrics, ParetoFront, after_most_epochs
from nasforge.errors import OptionError, RunError
from nasforge.estimator import Estimator, Weights, common_fidelities
from nasforge.journal.named import Kind
from nasforge.randomness import rng_of
from nasforge.result import Result
from nasforge.run.goals import Goals
from nasforge.run.resources import Budget
from nasforge.space import SearchSpace
from nasforge.wording import numbers

SpaceT_co = TypeVar("SpaceT_co", bound=SearchSpace, default=SearchSpace, covariant=True)


class BudgetedSearch(ABC, Generic[SpaceT_co]):
    """A search of a space under a budget, wherever its estimates come from; `Run` documents its attributes."""

    def __init__(
        self, space: SpaceT_co, estimators: Sequence[Estimator], goals: Goals, seed: int, budget: Budget
    ) -> None:
        self.space, self.seed = space, seed
        self.rng = rng_of(seed, "search")
        self.estimators, self.goals = tuple(estimators), goals
        self.objectives, self.constraints = goals.followed, goals.constraints
        self._budget = budget
        self.evaluations: list[Evaluation] = []
        self.notes: list[str] = []
        self.stopped = ""

    @property
    def remaining(self) -> int | None:
        """How many more estimates `budget.evaluations` allows; None: no limit."""
        if self._budget.evaluations is None:
            return None
        left = max(0, self._budget.evaluations - len(self.evaluations))
        if left == 0:
            self.stopped = f"budget.evaluations={self._budget.evaluations} is used up"
        return left

    @cached_property
    def fidelities(self) -> tuple[int, ...]:
        """The numbers of epochs after which candidates can be estimated, ascending; none if no estimator trains."""
        return common_fidelities(self.estimators)

    def _checked(self, request: tuple[Architecture, int | None]) -> tuple[Architecture, int | None]:
        self._check_fidelity(request[1])
        return request

    def _check_fidelity(self, epochs: int | None) -> None:
        """Raise an `OptionError` for a number of epochs after which the estimators cannot estimate."""
        if epochs is not None and epochs not in self.fidelities:
            raise OptionError(
                f"candidates can be estimated after {numbers(self.fidelities) or 'all'} epochs, not after {epochs}"
            )

    def result(
        self, architecture: Architecture | None = None, weights: Weights | None = None, *, trace: Any = None
    ) -> Result:
        """Return the search's result: `architecture`, or the best evaluated one, with its metrics and the Pareto front.

        Of evaluations after different numbers of epochs, only those after the most epochs count.

        Args:
            weights: the shared weights behind it, with which the control compares it with random architectures.
            trace: argument for `Strategy.explain`; it stays in memory.

        Raises:
            RunError: no architecture is given, and no evaluation succeeded or satisfied the constraints.
        """
        usable = [evaluation for evaluation in after_most_epochs(self.evaluations) if evaluation.ok]
        if architecture is None:
            if not usable:
                raise RunError(self._why_none())
            architecture = min(usable, key=lambda evaluation: evaluation.cost(self.objectives[0])).architecture
        own: Metrics = next((each.metrics for each in usable if each.architecture == architecture), {})
        return Result(architecture, own, weights, self._front(usable), trace)

    def _front(self, usable: Sequence[Evaluation]) -> tuple[Evaluation, ...]:
        """Return the Pareto front of several objectives; for one there is none."""
        if len(self.objectives) == 1:
            return ()
        distinct = {evaluation.architecture: evaluation for evaluation in usable}.values()
        return tuple(ParetoFront(distinct, self.objectives))

    def _why_none(self) -> str:
        if not self.evaluations:
            return f"no candidate was estimated{f': {self.stopped}' if self.stopped else ''}"
        infeasible = [evaluation for evaluation in self.evaluations if evaluation.metrics]
        if not infeasible:
            reasons = sorted({evaluation.reason for evaluation in self.evaluations})
            return f"no candidate could be evaluated: {'; '.join(reasons[:3])}"
        metrics = [evaluation.metrics for evaluation in infeasible]
        nearest = [f"{bound} (the nearest had {bound.nearest(metrics):g})" for bound in self.constraints]
        return f"none of {len(self.evaluations)} candidates satisfies {' and '.join(nearest)}; loosen constraints=[...]"

    def name_architecture(self, kind: Kind, name: str, architecture: Architecture) -> None:
        """Name an architecture, so that `nasforge retrain RUN KIND=NAME` trains it; a simulation forgets the name.

        A run names the best evaluated architecture of each of its `generations`, numbered from 1, and of what was
        evaluated before them, 0, unless the strategy names another one.

        Args:
            kind: "generation", "stage" of the search, or "member" of a population.
            name: unique for its kind, such as "3" or "init/3".
        """

    def warn_of_budget(self, drawn: int, what: str) -> None:
        """Say, now and in the result, if `budget.evaluations` ends before the strategy can learn anything.

        Args:
            drawn: number of candidates that do not depend on earlier ones.
            what: the end of the message about them: "strategy.population=50 are drawn at random".
        """
        if self._budget.evaluations is not None and self._budget.evaluations <= drawn:
            self.note(
                f"budget.evaluations={self._budget.evaluations} is used up before anything is learned, because the "
                f"first {what}: this is only a random search"
            )

    def note(self, text: str) -> None:
        """Print a sentence now, and again with the result."""
        self.say(text)
        self.notes.append(text)

    @abstractmethod
    def say(self, text: str) -> None:
        """Print a sentence, which is not recorded."""
