"""Any optimizer of nevergrad, by name, on any space with vectors (Rapin and Teytaud 2018)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import nevergrad as ng
import numpy as np
from pydantic import Field

from nasforge import (
    Architecture,
    AskTellStrategy,
    Evaluation,
    OptionError,
    VectorEncoded,
    text_of,
    unknown,
)

Horizon = Annotated[int, Field(ge=1, le=1_000_000_000)]
Batch = Annotated[int, Field(ge=1, le=10_000)]
WORST = 1e12
"""Loss of a candidate that failed or violates a constraint; nevergrad does not accept infinity."""


class Nevergrad(AskTellStrategy[VectorEncoded]):
    """Minimizes the first objective by an optimizer of nevergrad; each decision of the space is an unordered choice.

    Args:
        optimizer: its name in `nevergrad.optimizers.registry`.
        horizon: number of evaluations that the optimizer plans for; some optimizers require it.
        batch: number of points proposed before any of them is evaluated, to be estimated in parallel; some optimizers
            allow only 1.
    """

    name: ClassVar[str] = "nevergrad"
    baseline = "random_search"

    def __init__(self, *, optimizer: str = "DE", horizon: Horizon | None = None, batch: Batch = 1) -> None:
        if optimizer not in ng.optimizers.registry:
            raise OptionError(f"strategy.optimizer: {unknown('optimizer of nevergrad', optimizer, _readable())}")
        if batch > 1 and ng.optimizers.registry[optimizer].no_parallelization:
            raise OptionError(
                f"strategy.batch={batch}: nevergrad's {optimizer} needs the result of each point before the next; "
                "set strategy.batch=1"
            )
        self.optimizer_name, self.horizon, self.batch = optimizer, horizon, batch

    def begin(self) -> None:
        """Create the optimizer, seeded by the run."""
        self.free = [index for index, choices in enumerate(self.space.cardinalities) if choices > 1]
        choices = [ng.p.Choice(list(range(self.space.cardinalities[index]))) for index in self.free]
        parametrization = ng.p.Tuple(*choices)
        parametrization.random_state = np.random.RandomState(int(self.rng.integers(2**31)))
        try:
            self.optimizer = ng.optimizers.registry[self.optimizer_name](
                parametrization, budget=self.horizon, num_workers=self.batch
            )
        except Exception as error:  # each optimizer refuses in its own way
            raise OptionError(
                f"nevergrad's {self.optimizer_name} cannot be set up ({text_of(error)}); what it calls budget is "
                f"strategy.horizon={self.horizon or 'null'}, and num_workers strategy.batch={self.batch}"
            ) from error

    def ask(self) -> Sequence[Architecture]:
        """The optimizer's next points, at most as many as the budget has left."""
        left = self.batch if self.evaluations_left is None else self.evaluations_left
        self.candidates = [self.optimizer.ask() for _ in range(min(self.batch, left))]
        return [self._architecture(candidate) for candidate in self.candidates]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Report the points' losses."""
        for candidate, evaluation in zip(self.candidates, evaluations, strict=False):  # the budget may cut some off
            cost = evaluation.cost(self.objectives[0])
            self.optimizer.tell(candidate, cost if math.isfinite(cost) else WORST)

    def _architecture(self, candidate: Any) -> Architecture:
        vector = np.zeros(len(self.space.cardinalities), dtype=int)
        vector[self.free] = candidate.value
        return self.space.nearest(vector)


def _readable() -> list[str]:
    """The optimizers' names without hundreds of numbered variants."""
    return [name for name in ng.optimizers.registry if name.isidentifier()]
