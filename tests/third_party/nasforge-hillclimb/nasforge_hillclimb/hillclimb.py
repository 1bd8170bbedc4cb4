"""Hill climbing with restarts, the simplest search that learns from what it saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from nasforge import Architecture, AskTellStrategy, Evaluation


class HillClimb(AskTellStrategy):
    """Change the best architecture a little, keep what is better, and begin elsewhere when nothing is."""

    baseline = "random_search"

    def __init__(
        self, *, neighbours: Annotated[int, Field(ge=1)] = 4, patience: Annotated[int, Field(ge=1)] = 3
    ) -> None:
        self.neighbours, self.patience = neighbours, patience

    def begin(self) -> None:
        """Nowhere yet."""
        self.best: Evaluation | None = None
        self.fruitless = 0

    def ask(self) -> Sequence[Architecture]:
        """Neighbours of the best; one random architecture to begin with."""
        if self.best is None:
            return [self.space.sample(self.rng)]
        return [self.space.mutate(self.best.architecture, self.rng) for _ in range(self.neighbours)]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Climb if one of them is better; restart when that has not happened for a while."""
        goal = self.objectives[0]
        candidate = min(evaluations, key=lambda evaluation: evaluation.cost(goal))
        if self.best is None or candidate.cost(goal) < self.best.cost(goal):
            self.best, self.fruitless = candidate, 0
        else:
            self.fruitless += 1
        if self.fruitless >= self.patience or not self.best.ok:
            self.begin()
