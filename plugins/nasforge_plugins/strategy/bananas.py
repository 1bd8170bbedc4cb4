"""BANANAS: Bayesian optimization with an ensemble of neural predictors (White, Neiswanger and Savani, AAAI 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from nasforge import (
    Architecture,
    AskTellStrategy,
    Count,
    Evaluation,
    LearningRate,
    OptionError,
    Population,
    VectorEncoded,
    torch_threads,
)
from nasforge_plugins.shared.mutants import new_mutants
from nasforge_plugins.shared.predictors import Ensemble, encoded


class BANANAS(AskTellStrategy[VectorEncoded]):
    """Bayesian optimization with an ensemble of neural predictors; it follows the first objective.

    Each round trains the ensemble on all evaluations, mutates the best architectures, draws a cost for each mutant from
    the normal distribution that the ensemble predicts (independent Thompson sampling), and proposes those with the
    lowest draws.

    Args:
        population: t0, the number of random architectures at the start.
        batch: k, the number of architectures proposed in a round.
        candidates: c, the number of mutants among which a round chooses.
        parents: x, the number of best architectures that are mutated.
        edits: the largest number of mutations between a parent and a mutant; each number is as likely.
        members: M, the number of networks in the ensemble.
        layers: hidden layers of each network.
        width: neurons in a hidden layer.
        epochs: of each fit, whose batch is all evaluations.
        learning_rate: of Adam.
    """

    name: ClassVar[str] = "bananas"
    baseline = "random_search"

    def __init__(
        self,
        *,
        population: Population = 10,
        batch: Annotated[int, Field(ge=1, le=10_000)] = 10,
        candidates: Annotated[int, Field(ge=1, le=100_000)] = 100,
        parents: Annotated[int, Field(ge=1, le=10_000)] = 10,
        edits: Annotated[int, Field(ge=1, le=1_000)] = 2,
        members: Annotated[int, Field(ge=2, le=100)] = 5,
        layers: Annotated[int, Field(ge=1, le=100)] = 3,
        width: Annotated[int, Field(ge=1, le=10_000)] = 20,
        epochs: Count = 200,
        learning_rate: LearningRate = 0.01,
    ) -> None:
        if batch > candidates:
            raise OptionError(f"strategy.batch={batch} is more than strategy.candidates={candidates}")
        self.founders, self.batch, self.candidates, self.parents = population, batch, candidates, parents
        self.edits = edits
        self.members, self.layers, self.width = members, layers, width
        self.epochs, self.learning_rate = epochs, learning_rate

    def begin(self) -> None:
        """Start without evaluations."""
        self.costs: dict[Architecture, float] = {}

    def ask(self) -> Sequence[Architecture]:
        """Random architectures until one has a cost, then the mutants with the lowest draws."""
        ranked = sorted(self.costs, key=self.costs.__getitem__)
        if not ranked or math.isinf(self.costs[ranked[0]]):
            return [self.space.sample(self.rng) for _ in range(self.founders)]
        mutants = self._mutants(ranked[: self.parents])
        mean, deviation = self._predicted(ranked, mutants)
        draws = self.rng.normal(mean, deviation)
        return [mutants[index] for index in draws.argsort(kind="stable")[: self.batch]]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Remember the costs."""
        (objective, *_) = self.objectives
        self.costs.update((evaluation.architecture, evaluation.cost(objective)) for evaluation in evaluations)

    def _mutants(self, parents: Sequence[Architecture]) -> list[Architecture]:
        """New mutants of the parents in turn; random architectures if all neighbors have been evaluated."""
        mutants = new_mutants(self.space, parents, self.costs, self.rng, count=self.candidates, edits=self.edits)
        return mutants or [self.space.sample(self.rng) for _ in range(self.batch)]

    def _predicted(
        self, known: Sequence[Architecture], mutants: Sequence[Architecture]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation (mutants,) of the costs that an ensemble predicts, which is trained on the known ones."""
        features = encoded(self.space, [*known, *mutants])
        costs = np.array([self.costs[architecture] for architecture in known])
        costs = np.minimum(costs, costs[np.isfinite(costs)].max())  # a failure is as bad as the worst
        widths = [features.shape[1], *[self.width] * self.layers]
        seed = int(self.rng.integers(2**31))
        with torch_threads(1):  # so that the last bits do not depend on the machine's other work
            ensemble = Ensemble(self.members, widths, seed)
            ensemble.train(features[: len(known)], costs, epochs=self.epochs, learning_rate=self.learning_rate)
            return ensemble.predict(features[len(known) :])
