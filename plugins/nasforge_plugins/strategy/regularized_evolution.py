"""Regularized evolution: tournament selection in a population whose oldest member dies (Real et al., AAAI 2019)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from operator import itemgetter
from typing import Annotated, ClassVar

from pydantic import Field

from nasforge import Architecture, AskTellStrategy, Evaluation, OptionError

Members = Annotated[int, Field(ge=1, le=10_000)]


class RegularizedEvolution(AskTellStrategy):
    """Aging evolution, Algorithm 1 of the paper. It follows the first objective.

    Args:
        population: P, the number of individuals alive.
        sample: S, the number of individuals drawn, with replacement, for a tournament.
        batch: number of children proposed before any of them is evaluated, to be estimated in parallel; the paper's
            algorithm has 1.
    """

    name: ClassVar[str] = "regularized_evolution"
    baseline = "random_search"

    def __init__(self, *, population: Members = 50, sample: Members = 10, batch: Members = 1) -> None:
        for option, value in (("sample", sample), ("batch", batch)):
            if value > population:
                raise OptionError(f"strategy.{option}={value} is more than strategy.population={population}")
        self.founders, self.sample_size, self.batch = population, sample, batch

    def begin(self) -> None:
        """Start with an empty population."""
        self.population: deque[tuple[float, Architecture]] = deque(maxlen=self.founders)  # the oldest first

    def ask(self) -> Sequence[Architecture]:
        """P random architectures at first, then children."""
        if not self.population:
            return [self.space.sample(self.rng) for _ in range(self.founders)]
        return [self._child() for _ in range(self.batch)]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Add the children; each replaces the oldest individual."""
        (objective, *_) = self.objectives
        self.population.extend((evaluation.cost(objective), evaluation.architecture) for evaluation in evaluations)

    def _child(self) -> Architecture:
        """A mutation of the best individual of a sample."""
        drawn = self.rng.integers(len(self.population), size=self.sample_size).tolist()
        _, parent = min(map(self.population.__getitem__, drawn), key=itemgetter(0))
        return self.space.mutate(parent, self.rng)
