"""pymoo's NSGA-II (Deb et al. 2002) on any space, with the space's own crossover and mutation."""

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
"""Violation of a candidate that could not be estimated: it loses to every other candidate."""


class NSGA2(AskTellStrategy):
    """The Pareto front of all followed objectives, under the run's constraints.

    A candidate that violates a constraint loses to one that does not; of two violations, the smaller wins (section VI
    of the paper).

    Args:
        population: N, the number of survivors of a generation, and of its children.
        crossover_rate: probability that two parents are crossed; otherwise their copies proceed to mutation.
        mutation_rate: probability that a child mutates.
    """

    name: ClassVar[str] = "nsga2"
    baseline = "random_search"

    def __init__(
        self,
        *,
        population: Population = 20,
        crossover_rate: Fraction = 0.9,
        mutation_rate: Fraction = 1.0,
    ) -> None:
        if not crossover_rate and not mutation_rate:
            raise OptionError(
                "strategy.crossover_rate=0 and strategy.mutation_rate=0 make children equal to their parents; one of "
                "them must be above 0"
            )
        self.founders, self.crossover_rate, self.mutation_rate = population, crossover_rate, mutation_rate

    def begin(self) -> None:
        """Set up pymoo's algorithm with the architecture as the only variable."""
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
        """A generation of children, or of random architectures if variation yields nothing new."""
        generation = self.algorithm.ask()
        if generation is None or not len(generation):
            generation = Individuals.new("X", _column([self.space.sample(self.rng) for _ in range(self.founders)]))
        self.generation = generation
        return [individual.X[0] for individual in generation]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Set costs and violations of the generation, and select survivors."""
        evaluated = self.generation[: len(evaluations)]
        evaluated.set("F", np.array([self._costs(evaluation) for evaluation in evaluations]))
        evaluated.set("G", np.array([self._violations(evaluation) for evaluation in evaluations]))
        pymoo, problem = self.algorithm, self.algorithm.problem
        pymoo.evaluator.eval(problem, evaluated, skip_already_evaluated=True, evaluate_values_of=[])
        pymoo.tell(infills=evaluated)

    def _costs(self, evaluation: Evaluation) -> list[float]:
        costs = [objective.cost(evaluation.metrics) for objective in self.objectives]
        return costs if np.isfinite(costs).all() else [0.0] * len(costs)

    def _violations(self, evaluation: Evaluation) -> list[float]:
        if not evaluation.metrics:
            return [FAILED, *(0.0 for _ in self.constraints)]
        return [0.0, *(constraint.violation(evaluation.metrics) for constraint in self.constraints)]


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
        """(2, matings, 1) parents to children of the same shape."""
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
        return _column([self.space.mutate(architecture, random_state) for architecture in X[:, 0]])


class _Duplicates(ElementwiseDuplicateElimination):  # type: ignore[misc]
    def is_equal(self, a: Any, b: Any) -> bool:
        return bool(a.X[0] == b.X[0])
