"""EG-NAS: alphas move along directions that CMA-ES finds (Cai, Zhang, Liu and Fang, AAAI 2024).

Lines are those of the paper's Algorithm 1, equations the paper's; its symbols stand in the comments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import nevergrad as ng
import numpy as np
from pydantic import Field

from nasforge import (
    BatchSize,
    Cells,
    Channels,
    Clip,
    Count,
    CountOrZero,
    Factor,
    FinalLearningRate,
    LearningRate,
    Momentum,
    OptionError,
    PlannedNetwork,
    Population,
    Result,
    Run,
    SearchData,
    SearchSpace,
    Strategy,
    Supernet,
    WeightDecay,
    WeightSharing,
)
from nasforge_plugins.strategy.egnas.alphas import Alphas, Direction, SearchIn, Similarity, Vector
from nasforge_plugins.strategy.egnas.module import EvolvedAlphas

CODE = MappingProxyType({"partial_channels": 4, "include_none": False, "pool_normalization": False})
"""The supernet of the published code, where a space leaves these open."""


@dataclass(frozen=True)
class Individual:
    """A point z with its fitness (eq. 7, minimised) and its accuracy on the epoch's validation batches."""

    z: Vector
    fitness: float
    accuracy: float


Judge = Callable[[Vector], Individual]


class EGNAS(Strategy):
    """EG-NAS: evolution strategies explore N directions an epoch, the most accurate one moves the alphas.

    Each option's meaning and the paper's value stand beside it in `conf/strategy/egnas.yaml`.
    """

    name: ClassVar[str] = "egnas"
    needs: ClassVar[tuple[type[SearchSpace], ...]] = (WeightSharing,)
    shares_weights: ClassVar[bool] = True
    # Table 3: searched on CIFAR-10, the found cell's accuracies looked up, mean of four seeds
    published: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "nasbench201": {"cifar10": 0.9356, "cifar100": 0.7091, "imagenet16_120": 0.4613}
    }

    def __init__(
        self,
        *,
        epochs: Count = 6,
        warmup_epochs: CountOrZero = 2,
        samples: Count = 2,
        population: Population = 12,
        generations: Count = 1,
        step_size: Annotated[float, Field(gt=0, le=100)] = 0.6,
        zeta: Factor = 1.0,
        eta: Factor = 0.4,
        search_in: SearchIn = "alpha",
        row_normalize: bool = False,
        sigma_noise: Annotated[float, Field(ge=0, le=100)] = 0.01,
        sigma: Annotated[float, Field(gt=0, le=100)] = 1.0,
        sigma_schedule: Literal["constant", "inverse"] = "constant",
        direction: Direction = "prob",
        similarity: Similarity = "flat",
        include_mean: bool = True,
        shared_noise: bool = False,
        es_seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None,
        statistics: Literal["batch", "running"] = "batch",
        validation_batches: Count = 1,
        validation_batch_size: BatchSize = 128,
        augment_validation: bool = False,
        order: Literal["weights_first", "es_first"] = "weights_first",
        supernet: Literal["space", "code"] = "space",
        channels: Channels | None = None,
        cells: Cells | None = None,
        partial_channels: Channels | None = None,
        edge_normalization: bool = False,
        include_none: bool | None = None,
        pool_normalization: bool | None = None,
        learning_rate: LearningRate = 0.1,
        final_learning_rate: FinalLearningRate = 0.0,
        momentum: Momentum = 0.9,
        weight_decay: WeightDecay = 3e-4,
        clip: Clip = 5.0,
        clip_counts_alphas: bool = False,
    ) -> None:
        if warmup_epochs >= epochs:
            raise OptionError(
                f"strategy.warmup_epochs={warmup_epochs} leaves none of strategy.epochs={epochs} to the alphas; "
                "it must be smaller"
            )
        if not zeta and not eta:
            raise OptionError("strategy.zeta=0 and strategy.eta=0 leave no fitness; one of them must be above 0")
        self.epochs, self.warmup_epochs, self.order = epochs, warmup_epochs, order
        self.samples, self.population, self.generations = samples, population, generations
        self.step_size, self.zeta, self.eta = step_size, zeta, eta
        self.search_in, self.row_normalize = search_in, row_normalize
        self.direction, self.similarity = direction, similarity
        self.sigma_noise, self.sigma, self.sigma_schedule = sigma_noise, sigma, sigma_schedule
        self.include_mean, self.shared_noise, self.es_seed = include_mean, shared_noise, es_seed
        self.statistics, self.augment_validation = statistics, augment_validation
        self.validation_batches, self.validation_batch_size = validation_batches, validation_batch_size
        self.clip_counts_alphas = clip_counts_alphas
        self.preferred: Mapping[str, int | bool] = CODE if supernet == "code" else {}
        self.supernet_options: dict[str, Any] = {
            "channels": channels,
            "cells": cells,
            "partial_channels": partial_channels,
            "include_none": include_none,
            "pool_normalization": pool_normalization,
        }
        self.weight_options: dict[str, Any] = {
            "learning_rate": learning_rate,
            "final_learning_rate": final_learning_rate,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "clip": clip,
            "edge_normalization": edge_normalization,
        }

    def supernet(self, space: WeightSharing, data: SearchData) -> Supernet:
        """What is trained, with fresh weights."""
        choices = space.supernet_choices(self.supernet_options, self.preferred)
        return space.supernet(data.input_shape, data.classes, **choices)

    def networks(self, space: SearchSpace, data: SearchData) -> Sequence[PlannedNetwork]:
        """The supernet."""
        return [PlannedNetwork.supernet(partial(self.supernet, data=data), data)]

    def search(self, run: Run) -> Result:
        """Train the supernet while its alphas evolve (lines 1 to 17); derive the cell from the last ones (line 18)."""
        assert isinstance(run.space, WeightSharing)  # `needs` was checked before the run began
        supernet = self.supernet(run.space, run.data)
        module = EvolvedAlphas(supernet, run.space, self, **self.weight_options)
        run.fit(module, "supernet", self.epochs, run.data.halves())
        return run.result(run.space.derive(module.mix), run.weights("supernet", module))

    def step(self, parent: Alphas, judge: Judge, epoch: int, rng: np.random.Generator) -> tuple[Vector, Individual]:
        """Lines 4 to 16: the alphas after one step, and the individual whose direction they took."""
        sigma = self.sigma if self.sigma_schedule == "constant" else max(0.02, self.sigma / (epoch + 1))
        shared = rng.standard_normal(parent.point.shape)
        found = []  # D
        for _ in range(self.samples):  # line 4: n = 1 .. N
            y = shared if self.shared_noise else rng.standard_normal(parent.point.shape)  # y ~ N(0, I)
            found.append(self.evolve(parent.point + self.sigma_noise * y, sigma, judge, rng))  # lines 5 to 13
        best = min(found, key=lambda one: (-one.accuracy, one.fitness))  # line 15, eq. 9; ties by lower fitness
        s = parent.direction(best.z, self.direction)
        return parent.vector + self.step_size * s, best  # line 16, eq. 8

    def evolve(self, x: Vector, sigma: float, judge: Judge, rng: np.random.Generator) -> Individual:
        """Lines 6 to 13: CMA-ES from mean x with covariance I; the fittest of P = {mean, each generation's best}."""
        es = cma_es(x, sigma, self.population, int(rng.integers(2**31)) if self.es_seed is None else self.es_seed)
        fittest = [judge(x)] if self.include_mean else []  # P
        for _ in range(self.generations):
            asked = [es.ask() for _ in range(self.population)]  # line 7, eq. 3
            population = [judge(candidate.value) for candidate in asked]  # line 8
            for candidate, individual in zip(asked, population, strict=True):
                es.tell(candidate, individual.fitness)  # line 9, eqs. 4 and 5: when the last one is told
            fittest.append(min(population, key=lambda one: one.fitness))
        return min(fittest, key=lambda one: one.fitness)  # line 12

    def judged(self, z: Vector, parent: Alphas, loss: float, accuracy: float, parent_accuracy: float) -> Individual:
        """Eqs. 6 and 7: who does worse than the parent should resemble it, who does not should differ from it."""
        similarity = parent.similarity(z, self.similarity)  # L2; L1 is `loss`, the cross-entropy
        sign = -1 if parent_accuracy > accuracy else 1
        return Individual(z, self.zeta * loss + sign * self.eta * similarity, accuracy)

    @property
    def judged_per_step(self) -> int:
        """How many individuals are scored for one step of the alphas: the N means, and N populations a generation."""
        return self.samples * (self.include_mean + self.generations * self.population)


def cma_es(mean: Vector, sigma: float, population: int, seed: int) -> Any:
    """nevergrad's CMA-ES with full covariance, begun at N(mean, sigma^2 I)."""
    parametrization = ng.p.Array(init=mean).set_mutation(sigma=sigma)
    parametrization.random_state = np.random.RandomState(seed)
    return ng.optimizers.ParametrizedCMA(popsize=population)(parametrization)
