"""The contract of a search strategy: the paper's algorithm box, with a `Run` for everything else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, get_args

import numpy as np
from typing_extensions import TypeVar, get_original_bases

from nasforge.architecture import Architecture, Constraint, Evaluation, Objective
from nasforge.estimator import Estimator
from nasforge.memory import PlannedNetwork
from nasforge.result import Result
from nasforge.space import SearchSpace, WeightSharing

if TYPE_CHECKING:
    from nasforge.data import SearchData
    from nasforge.run.run import Run


SpaceT = TypeVar("SpaceT", bound=SearchSpace, default=SearchSpace)
"""The space that a strategy needs: `Strategy[WeightSharing]`. Without brackets any space will do."""


class Strategy(ABC, Generic[SpaceT]):
    """Searches a space. A subclass takes its options as keyword-only constructor arguments.

    After a crash `search` runs again from its first line with the same seed, and what the journal holds returns at
    once: so it must draw only from `run.rng`, and keep nothing on disk but through the run.

    Attributes:
        needs: abilities that the space must have; a mismatch stops before any data are read. By default the one in
            brackets: `Strategy[WeightSharing]` needs `WeightSharing`.
        needs_estimates: whether it asks `run.estimate` of candidates, so that `budget.evaluations` bounds it.
        needs_builder: whether it asks about networks that are none of the space's architectures, as a `WiderSpace`
            builds them: estimators must be of those that look at what is built.
        shares_weights: whether it trains a supernet, with whose weights estimators may score.
        needs_data: whether it reads images itself. A search none of whose parts does so reads none.
        published: test accuracies that its paper reports, as fractions, by space and data set.
        renamed: the new name of each option that had another one in the release before, with its group, if it has one.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[type[SearchSpace], ...]] = ()
    needs_estimates: ClassVar[bool] = False
    needs_builder: ClassVar[bool] = False
    shares_weights: ClassVar[bool] = False
    needs_data: ClassVar[bool] = True
    published: ClassVar[Mapping[str, Mapping[str, float]]] = MappingProxyType({})
    renamed: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init_subclass__(cls, **options: Any) -> None:
        """Take `needs` from the brackets of a base class, unless the class states it."""
        super().__init_subclass__(**options)
        if "needs" not in vars(cls):
            arguments = [argument for base in get_original_bases(cls) for argument in get_args(base)]
            spaces = [
                argument for argument in arguments if isinstance(argument, type) and issubclass(argument, SearchSpace)
            ]
            if abilities := tuple(space for space in spaces if space is not SearchSpace):
                cls.needs = abilities

    @abstractmethod
    def search(self, run: Run[SpaceT]) -> Result:
        """Search, and return `run.result(...)`."""

    def explain(self, run: Run[SpaceT], trace: Any) -> None:
        """Show how the search went: pictures by `run.keep`, sentences by `run.notes`.

        Called once when `search` has returned, before the run's result is written.

        Args:
            trace: what `search` gave `run.result(..., trace=...)`.
        """

    def networks(self, space: SpaceT, data: SearchData) -> Sequence[PlannedNetwork]:
        """The largest networks that a search of `space` on `data` builds itself: a run that cannot hold one is refused
        before it begins. By default the space's own supernet, if the strategy trains one."""
        if not (self.shares_weights and isinstance(space, WeightSharing)):
            return []
        return [PlannedNetwork.supernet(lambda space: space.supernet(data.input_shape, data.classes), data)]

    def check_goals(
        self, estimators: Sequence[Estimator], objectives: Sequence[Objective], constraints: Sequence[Constraint]
    ) -> None:
        """Called before a run begins: raise a `NasforgeError` if the strategy cannot do with these.

        Args:
            objectives: those that it would follow.
        """


class AskTellStrategy(Strategy[SpaceT]):
    """A strategy that only proposes and learns: write `ask` and `tell`, inherit the loop.

    Attributes:
        space, objectives, constraints, rng: the run's, set before `begin`.
        evaluations_left: how many estimates `budget.evaluations` still allows, all of them in `begin`; None without
            such a budget. Resumed with more, a search runs again from its first line, as if it had had it all along.
        founders: how many architectures are drawn at random, as `strategy.population` says, before any is learned from;
            a note tells of a budget that ends with them. 0: there is no such option.
    """

    needs_estimates = True
    needs_data = False
    space: SpaceT
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    rng: np.random.Generator
    evaluations_left: int | None = None
    founders: int = 0

    @abstractmethod
    def ask(self) -> Sequence[Architecture]:
        """At least one architecture to estimate next; those of one call may be estimated side by side."""

    @abstractmethod
    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """What was asked for, in that order; failed ones cost infinity. The budget may have cut the last ones off.

        Report-only metrics are not among theirs.
        """

    def begin(self) -> None:
        """Called before the first `ask`, to set up what a search needs anew."""

    def search(self, run: Run[SpaceT]) -> Result:
        """Ask, estimate and tell until the budget is used up; the best of all evaluations is the result."""
        self.space, self.rng = run.space, run.rng
        self.objectives, self.constraints = run.objectives, run.constraints
        self.evaluations_left = run.remaining
        self.begin()
        if self.founders:
            run.warn_of_budget(self.founders, f"strategy.population={self.founders} are drawn at random")
        for _ in run.generations(None, self.name):
            self.evaluations_left = run.remaining
            self.tell(run.estimate(self.ask()[: run.remaining]))
        return run.result()
