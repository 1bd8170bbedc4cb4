"""NSGA-II (Deb et al. 2002), pymoo's, on any space: the space's own operators vary its architectures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2 as PymooNSGA2
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import ElementwiseDuplicateElimination
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population as Individuals
from pymoo.core.problem import Problem
from pymoo.core.sampling import Sampling
from pymoo.core.termination import NoTermination

from nasforge import Architecture, AskTellStrategy, Evaluation, Fraction, OptionError, Population, SearchSpace

FAILED = 1e12
"""Violation of a candidate that could not be estimated: it loses to every one that could."""


class NSGA2(AskTellStrategy):
    """The Pareto front of all followed objectives, under the run's constraints.

    Whoever breaks a constraint loses to whoever does not, and among themselves the smaller violation wins (section
    VI of the paper).

    Args:
        population: N, individuals that survive a generation; as many children are made.
        crossover_rate: probability that two parents are crossed; else their copies go on to mutation.
        mutation_rate: probability that a child mutates.
    """

    name: ClassVar[str] = "nsga2"

    def __init__(
        self,
        *,
        population: Population = 20,
        crossover_rate: Fraction = 0.9,
        mutation_rate: Fraction = 1.0,
    ) -> None:
        if not crossover_rate and not mutation_rate:
            raise OptionError(
                "strategy.crossover_rate=0 and strategy.mutation_rate=0 leave children as their parents are; one of "
                "them must be above 0"
            )
        self.founders, self.crossover_rate, self.mutation_rate = population, crossover_rate, mutation_rate

    def begin(self) -> None:
        """Set up pymoo's algorithm over vectors of one object: the architecture."""
        self.algorithm = PymooNSGA2(
            pop_size=self.founders,
            sampling=_Sampling(self.space),
            crossover=_Crossover(self.space, self.crossover_rate),
            mutation=_Mutation(self.space, self.mutation_rate),
            eliminate_duplicates=_Duplicates(),
        )
        problem = Problem(n_var=1, n_obj=len(self.objectives), n_ieq_constr=1 + len(self.constraints), vtype=object)
        seed = int(self.rng.integers(2**31))
        self.algorithm.setup(problem, termination=NoTermination(), seed=seed)

    def ask(self) -> Sequence[Architecture]:
        """A generation; afresh from the space where variation finds nothing new."""
        asked = self.algorithm.ask()
        if asked is None or not len(asked):
            asked = Individuals.new("X", _column([self.space.sample(self.rng) for _ in range(self.founders)]))
        self.asked = asked
        return [individual.X[0] for individual in asked]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Costs and violations of the generation; survivors are chosen."""
        told = self.asked[: len(evaluations)]
        told.set("F", np.array([self._costs(evaluation) for evaluation in evaluations]))
        told.set("G", np.array([self._violations(evaluation) for evaluation in evaluations]))
        self.algorithm.evaluator.eval(self.algorithm.problem, told, skip_already_evaluated=True, evaluate_values_of=[])
        self.algorithm.tell(infills=told)

    def _costs(self, evaluation: Evaluation) -> list[float]:
        costs = [objective.cost(evaluation.metrics) for objective in self.objectives]
        return costs if np.isfinite(costs).all() else [0.0] * len(costs)

    def _violations(self, evaluation: Evaluation) -> list[float]:
        failed = not evaluation.metrics
        return [FAILED * failed, *(0.0 if failed else one.violation(evaluation.metrics) for one in self.constraints)]


def _column(architectures: Sequence[Architecture]) -> np.ndarray:
    column = np.empty((len(architectures), 1), dtype=object)
    column[:, 0] = architectures
    return column


class _Sampling(Sampling):  # type: ignore[misc]  # pymoo has no types
    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        self.space = space

    def _do(self, problem: Any, n_samples: int, *args: Any, random_state: Any = None, **kwargs: Any) -> np.ndarray:
        return _column([self.space.sample(random_state) for _ in range(n_samples)])


class _Crossover(Crossover):  # type: ignore[misc]
    def __init__(self, space: SearchSpace, rate: float) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=rate)
        self.space = space

    def _do(self, problem: Any, X: np.ndarray, *args: Any, random_state: Any = None, **kwargs: Any) -> np.ndarray:
        """(2, matings, 1) parents to as many children."""
        children = np.empty_like(X)
        for mating, (a, b) in enumerate(zip(X[0, :, 0], X[1, :, 0], strict=True)):
            children[:, mating, 0] = [
                self.space.crossover(a, b, random_state),
                self.space.crossover(b, a, random_state),
            ]
        return children


class _Mutation(Mutation):  # type: ignore[misc]
    def __init__(self, space: SearchSpace, rate: float) -> None:
        super().__init__(prob=rate)
        self.space = space

    def _do(self, problem: Any, X: np.ndarray, *args: Any, random_state: Any = None, **kwargs: Any) -> np.ndarray:
        return _column([self.space.mutate(one, random_state) for one in X[:, 0]])


class _Duplicates(ElementwiseDuplicateElimination):  # type: ignore[misc]
    def is_equal(self, a: Any, b: Any) -> bool:
        return bool(a.X[0] == b.X[0])
