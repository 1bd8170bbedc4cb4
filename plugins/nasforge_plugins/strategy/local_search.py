"""Local search: from a random start, move to the best neighbor until none is better (White et al., UAI 2021)."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import ClassVar

from nasforge import Architecture, AskTellStrategy, Evaluation, Result, Run, VectorEncoded


class LocalSearch(AskTellStrategy[VectorEncoded]):
    """Hill climbing over all neighbors (mostly those that differ in one decision), with restarts at local optima.

    It follows the first objective.
    """

    name: ClassVar[str] = "local_search"
    baseline = "random_search"

    def begin(self) -> None:
        """Prepare a random start."""
        self.current: Architecture | None = None
        self.cost = math.inf

    def search(self, run: Run[VectorEncoded]) -> Result:
        """Climb until the budget is used up."""
        start = run.space.sample(copy.deepcopy(run.rng))  # the same that `ask` draws
        count = len(run.space.neighbors(start))
        run.warn_of_budget(count, f"{1 + count} are a random start and its neighbors")
        return super().search(run)

    def ask(self) -> Sequence[Architecture]:
        """A random start, or all neighbors of the current architecture."""
        return [self.space.sample(self.rng)] if self.current is None else self.space.neighbors(self.current)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Move to the best neighbor; if none is better, restart."""
        (objective, *_) = self.objectives
        best = min(evaluations, key=lambda evaluation: evaluation.cost(objective))
        started = self.current is None
        if started or best.cost(objective) < self.cost:
            self.current, self.cost = best.architecture, best.cost(objective)
        else:
            self.begin()
