"""Local search: from a random start to the best neighbour, until none is better (White et al., UAI 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from nasforge import Architecture, AskTellStrategy, Evaluation, Result, Run, VectorEncoded


class LocalSearch(AskTellStrategy[VectorEncoded]):
    """Hill climbing over all neighbours (vectors that differ in one decision); from a local optimum it starts afresh.

    It follows the first objective.
    """

    name: ClassVar[str] = "local_search"

    def begin(self) -> None:
        """Nowhere yet."""
        self.here: Architecture | None = None
        self.cost = math.inf

    def search(self, run: Run[VectorEncoded]) -> Result:
        """Climb until the budget is used up."""
        around = sum(choices - 1 for choices in run.space.cardinalities)
        run.warn_of_budget(around, f"{1 + around} are a random start and its neighbours")
        return super().search(run)

    def ask(self) -> Sequence[Architecture]:
        """A random start, or all neighbours of where the search stands."""
        return [self.space.sample(self.rng)] if self.here is None else neighbours(self.space, self.here)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Move to the best neighbour; if none is better this was a local optimum."""
        (objective, *_) = self.objectives
        best = min(evaluations, key=lambda evaluation: evaluation.cost(objective))
        started = self.here is None
        if started or best.cost(objective) < self.cost:
            self.here, self.cost = best.architecture, best.cost(objective)
        else:
            self.begin()


def neighbours(space: VectorEncoded, architecture: Architecture) -> list[Architecture]:
    """All architectures whose vectors differ from this one's in exactly one decision."""
    vector = space.encode(architecture)
    found = []
    for position, choices in enumerate(space.cardinalities):
        for value in range(choices):
            if value != vector[position]:
                other = vector.copy()
                other[position] = value
                found.append(space.decode(other))
    return found
