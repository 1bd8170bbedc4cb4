"""The contract of a search strategy: it writes the paper's algorithm, and a `Run` does everything else."""

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
"""The space that a strategy needs: `Strategy[WeightSharing]`. Without brackets it accepts any space."""


class Strategy(ABC, Generic[SpaceT]):
    """Searches a space. A subclass takes its options as keyword-only constructor arguments.

    After a crash `search` runs again from its first line with the same seed, and results in the journal return at once.
    Therefore it must draw only from `run.rng`, and write to disk only through the run.

    Attributes:
        needs: abilities that the space must have, checked before any data is read. By default the one in brackets:
            `Strategy[WeightSharing]` needs `WeightSharing`.
        needs_estimates: whether it calls `run.estimate`, so that `budget.evaluations` limits it.
        needs_builder: whether it scores networks from outside the space, built by a `WiderSpace`, which requires
            estimators with `Estimator.builds`.
        shares_weights: whether it trains a supernet, whose weights estimators may use.
        derives: whether `run.derive` makes its architecture from mixing weights, so that it keeps constraints without
            estimates.
        needs_data: whether it reads images itself. If no part of a search does, the search reads none.
        needs_fidelities: whether it asks for estimates after different numbers of epochs, so that an estimator must
            have `Estimator.fidelities`.
        architecture_options: options, annotated `str | None`, that name an architecture in any form that
            `SearchSpace.read` knows. A run records the architecture itself, since a file may be gone when the run is
            resumed.
        baseline: name of the strategy that a search on a table is compared with; None for a baseline itself.
        published: test accuracies that its paper reports, as fractions, by space and data set.
        renamed: the new name, with its group if it has one, of each option that was renamed since the last release.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[type[SearchSpace], ...]] = ()
    needs_estimates: ClassVar[bool] = False
    needs_builder: ClassVar[bool] = False
    shares_weights: ClassVar[bool] = False
    derives: ClassVar[bool] = False
    needs_data: ClassVar[bool] = True
    needs_fidelities: ClassVar[bool] = False
    architecture_options: ClassVar[tuple[str, ...]] = ()
    baseline: ClassVar[str | None] = None
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
        """Show how the search went: charts with `run.keep`, sentences with `run.notes`.

        Called once after `search` has returned, before the run's result is written.

        Args:
            trace: the value that `search` passed to `run.result(..., trace=...)`.
        """

    def networks(self, space: SpaceT, data: SearchData) -> Sequence[PlannedNetwork]:
        """Return the largest networks that a search of `space` on `data` builds; a run that cannot hold one is refused
        before it begins. By default the space's supernet, if the strategy trains one."""
        if not (self.shares_weights and isinstance(space, WeightSharing)):
            return []
        return [PlannedNetwork.supernet(lambda space: space.supernet(data.input_shape, data.classes), data)]

    def check_goals(
        self, estimators: Sequence[Estimator], objectives: Sequence[Objective], constraints: Sequence[Constraint]
    ) -> None:
        """Raise a `NasforgeError` if the strategy does not support these; called before a run begins.

        Args:
            objectives: the objectives that the strategy would follow.
        """


class AskTellStrategy(Strategy[SpaceT]):
    """A strategy that only proposes and learns: it writes `ask` and `tell`, and inherits the loop.

    Attributes:
        space, objectives, constraints, rng: set from the run before `begin`.
        evaluations_left: how many estimates `budget.evaluations` still allows (in `begin`: all); None without such a
            budget. A search resumed with a larger budget repeats as if it had had that budget from the start.
        founders: how many random architectures (`strategy.population`) it starts from; a note says if the budget ends
            with them. 0: the strategy has no such option.
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
        """Return at least one architecture to estimate next; they may be estimated in parallel."""

    @abstractmethod
    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Learn from the evaluations of the last `ask`, in its order, without report-only metrics.

        Failed evaluations have infinite cost. The budget may have removed the last ones.
        """

    def begin(self) -> None:
        """Set up a new search; called before the first `ask`."""

    def search(self, run: Run[SpaceT]) -> Result:
        """Ask, estimate and tell until the budget is used up; return the best evaluation."""
        self.space, self.rng = run.space, run.rng
        self.objectives, self.constraints = run.objectives, run.constraints
        self.evaluations_left = run.remaining
        self.begin()
        if self.founders:
            run.warn_of_budget(self.founders, f"strategy.population={self.founders} are drawn at random")
        for _ in run.generations(None, self.name):
            self.evaluations_left = run.remaining
            self.tell(run.estimate(self.ask()[: self.evaluations_left]))
        return run.result()
