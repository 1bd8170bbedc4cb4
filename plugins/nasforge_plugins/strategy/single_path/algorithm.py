"""Single Path One-Shot Neural Architecture Search with Uniform Sampling (Guo et al., ECCV 2020)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import numpy as np

from nasforge import (
    Architecture,
    Count,
    Elastic,
    Evaluation,
    PlannedNetwork,
    Population,
    Result,
    Run,
    SearchData,
    SGDOptions,
    Strategy,
    Supernet,
    SupernetOptions,
    Weights,
    WeightSharing,
    build_supernet,
)
from nasforge_plugins.strategy.single_path.module import SinglePaths

TRIES = 50
"""How often a new candidate is drawn again because it is known already, before a known one is taken."""


@dataclass(frozen=True, kw_only=True)
class EvolutionOptions:
    """The evolutionary search of the trained supernet.

    Attributes:
        population: P, the number of candidates in a generation.
        generations: T.
        parents: k, the number of best candidates so far that have children.
    """

    population: Population = 20
    generations: Count = 5
    parents: Count = 10


class SinglePath(Strategy[WeightSharing]):
    """SPOS: trains a supernet one path at a time, then searches it by evolution, scoring candidates with its weights.

    `conf/strategy/single_path.yaml` explains each option and gives the paper's value.
    """

    name: ClassVar[str] = "single_path"
    shares_weights: ClassVar[bool] = True
    needs_estimates: ClassVar[bool] = True

    def __init__(
        self,
        *,
        epochs: Count = 40,
        sampling: Literal["uniform", "fair", "sandwich"] = "uniform",
        split: str | None = None,
        evolution: EvolutionOptions = EvolutionOptions(),
        supernet: SupernetOptions = SupernetOptions(),
        optimizer: SGDOptions = SGDOptions(),
    ) -> None:
        optimizer.check(epochs)
        self.epochs, self.sampling, self.split, self.evolution = epochs, sampling, split, evolution
        self.supernet_options, self.optimizer = supernet, optimizer
        if sampling == "sandwich":
            self.needs = (Elastic,)  # type: ignore[misc]  # other samplings need no sizes

    def supernet(self, space: WeightSharing, data: SearchData) -> Supernet:
        """The supernet to train, with new weights."""
        options = {**vars(self.supernet_options), "split": self.split}
        return build_supernet(space, data.input_shape, data.classes, options)

    def networks(self, space: WeightSharing, data: SearchData) -> Sequence[PlannedNetwork]:
        """The supernet."""
        return [PlannedNetwork.supernet(partial(self.supernet, data=data), data)]

    def search(self, run: Run[WeightSharing]) -> Result:
        """Train the weights of all architectures (eq. 7), then search with them (eq. 5)."""
        if not any(estimator.needs_weights for estimator in run.estimators):
            run.notes.append(
                "no estimator has scored candidates with the supernet; estimator=[supernet_recalibrated,...] does"
            )
        module = SinglePaths(
            self.supernet(run.space, run.data), run.space, sampling=self.sampling, **vars(self.optimizer)
        )
        run.fit(module, "supernet", self.epochs, run.data.halves())
        weights = run.weights("supernet", module)
        self.evolve(run, weights)
        return run.result(weights=weights)

    def evolve(self, run: Run[WeightSharing], weights: Weights) -> None:
        """Algorithm 1: evolutionary architecture search."""
        space, rng = run.space, run.rng
        scored: dict[Architecture, Evaluation] = {}
        candidates = [space.sample(rng) for _ in range(self.evolution.population)]  # line 2
        for _ in run.generations(self.evolution.generations, "evolution"):  # line 5
            for evaluation in run.estimate(candidates[: run.remaining], weights):  # line 6
                scored[evaluation.architecture] = evaluation
            ranked = sorted(scored, key=lambda candidate: scored[candidate].cost(run.objectives[0]))  # line 7
            candidates = self.children(space, ranked[: self.evolution.parents], set(scored), rng)  # lines 8 to 10

    def children(
        self, space: WeightSharing, parents: Sequence[Architecture], known: set[Architecture], rng: np.random.Generator
    ) -> list[Architecture]:
        """As many children by crossover as by mutation, new ones if possible."""

        def parent() -> Architecture:
            return parents[int(rng.integers(len(parents)))]

        crossed = self.evolution.population // 2
        makers: list[Callable[[], Architecture]] = [
            *[lambda: space.crossover(parent(), parent(), rng)] * crossed,
            *[lambda: space.mutate(parent(), rng)] * (self.evolution.population - crossed),
        ]
        children: list[Architecture] = []
        for make in makers:
            children.append(_new(make, known))
            known.add(children[-1])
        return children


def _new(make: Callable[[], Architecture], known: set[Architecture]) -> Architecture:
    for _ in range(TRIES):
        if (candidate := make()) not in known:
            break
    return candidate
