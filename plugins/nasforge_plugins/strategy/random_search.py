"""Random search: what every other strategy must beat at the same budget (Li and Talwalkar 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from nasforge import Architecture, AskTellStrategy, Evaluation, Result, Run, rank_sums


class RandomSearch(AskTellStrategy):
    """Architectures drawn one after the other, none remembered; the best one is the result.

    Args:
        select: what is best of several objectives. `foremost`: the first one decides. `rank_sum`: the smallest sum of
            ranks in all of them, which is how zero-cost proxies of unlike scales are combined.
        batch: how many are drawn at a time, so that several can be estimated side by side. No draw looks at an answer:
            what is found is the same for every number, but `budget.seconds` is only looked at after as many.
    """

    name: ClassVar[str] = "random_search"

    def __init__(
        self,
        *,
        select: Literal["foremost", "rank_sum"] = "foremost",
        batch: Annotated[int, Field(ge=1, le=10_000)] = 16,
    ) -> None:
        self.select, self.batch = select, batch

    def ask(self) -> Sequence[Architecture]:
        """Draws from the space, no more than the budget has left."""
        left = self.batch if self.evaluations_left is None else self.evaluations_left
        return [self.space.sample(self.rng) for _ in range(min(self.batch, left))]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Random search learns nothing."""

    def search(self, run: Run) -> Result:
        """Draw until the budget is used up."""
        result = super().search(run)
        usable = [one for one in run.evaluations if one.ok]
        if self.select == "foremost" or len(run.objectives) == 1 or not usable:
            return result
        costs = np.array([[one.cost(objective) for objective in run.objectives] for one in usable])
        metrics = ", ".join(objective.metric for objective in run.objectives)
        run.notes.append(f"the found architecture has the smallest sum of ranks in {metrics}")
        return run.result(usable[int(rank_sums(costs).argmin())].architecture)
