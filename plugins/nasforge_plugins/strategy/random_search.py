"""Random search: the baseline for every other strategy at the same budget (Li and Talwalkar 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from nasforge import Architecture, AskTellStrategy, Evaluation, Result, Run, rank_sums


class RandomSearch(AskTellStrategy):
    """Draws architectures independently; the best one is the result.

    Args:
        select: how to choose among several objectives. `foremost`: by the first one. `rank_sum`: by the smallest sum of
            ranks over all of them, which combines zero-cost proxies with different scales.
        batch: number of architectures drawn at a time, to be estimated in parallel. Draws do not depend on estimates,
            so the result is the same for every number, but `budget.seconds` is checked only between batches.
        draw_seed: seed of the draws; None: that of the run. With one, runs with other seeds train the same
            architectures again, from other initial weights.
    """

    name: ClassVar[str] = "random_search"

    def __init__(
        self,
        *,
        select: Literal["foremost", "rank_sum"] = "foremost",
        batch: Annotated[int, Field(ge=1, le=10_000)] = 16,
        draw_seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None,
    ) -> None:
        self.select, self.batch, self.draw_seed = select, batch, draw_seed

    def begin(self) -> None:
        """Start the draws."""
        if self.draw_seed is not None:
            self.rng = np.random.default_rng(self.draw_seed)

    def ask(self) -> Sequence[Architecture]:
        """Random architectures, at most as many as the budget has left."""
        left = self.batch if self.evaluations_left is None else self.evaluations_left
        return [self.space.sample(self.rng) for _ in range(min(self.batch, left))]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Do nothing: random search does not learn."""

    def search(self, run: Run) -> Result:
        """Draw until the budget is used up."""
        result = super().search(run)
        usable = [evaluation for evaluation in run.evaluations if evaluation.ok]
        if self.select == "foremost" or len(run.objectives) == 1 or not usable:
            return result
        costs = np.array([[evaluation.cost(objective) for objective in run.objectives] for evaluation in usable])
        metrics = ", ".join(objective.metric for objective in run.objectives)
        run.notes.append(f"the found architecture has the smallest sum of ranks in {metrics}")
        return run.result(usable[int(rank_sums(costs).argmin())].architecture)
