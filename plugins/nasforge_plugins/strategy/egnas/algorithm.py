"""EG-NAS: CMA-ES finds the directions in which the alphas move (Cai, Chen, Liu, Ling and Lai, AAAI 2024).

The comments give the lines of the paper's Algorithm 1, its equations and its symbols. `EGNAS.search` is the whole
algorithm, `EvolvedAlphas` one epoch, `EGNAS.step` and `EGNAS.evolve` the evolution strategies. `alphas.py` has the
similarity of eq. 6 and the directions of eq. 8; docs/strategies.md lists the differences from the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import nevergrad as ng
import numpy as np
from pydantic import Field

from nasforge import (
    BatchSize,
    Count,
    CountOrZero,
    Factor,
    OptionError,
    PlannedNetwork,
    Population,
    Result,
    Run,
    SearchData,
    SGDOptions,
    Strategy,
    Supernet,
    SupernetOptions,
    WeightSharing,
    batch_statistics,
    now_grouped,
)
from nasforge_plugins.strategy.egnas.alphas import Alphas, Direction, SearchIn, Similarity, Vector
from nasforge_plugins.strategy.egnas.clipping import CountedAlphas

CODE = MappingProxyType({"partial_channels": 4, "include_none": False, "pool_normalization": False})
"""The supernet options of the published code, for spaces that leave them open."""


@dataclass(frozen=True)
class Individual:
    """A point z with its fitness (eq. 7, minimized) and its accuracy on the epoch's validation batches."""

    z: Vector
    fitness: float
    accuracy: float


Judge = Callable[[Sequence[Vector]], list[Individual]]


class EGNAS(Strategy[WeightSharing]):
    """EG-NAS: evolution strategies explore N directions per epoch, and the most accurate one moves the alphas.

    `conf/strategy/egnas.yaml` explains each option and gives the paper's value.
    """

    name: ClassVar[str] = "egnas"
    shares_weights: ClassVar[bool] = True
    derives: ClassVar[bool] = True
    # Table 3: searched on CIFAR-10, the found cell's accuracies looked up, mean of four seeds
    published: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "nasbench201": {"cifar10": 0.9356, "cifar100": 0.7091, "imagenet16_120": 0.4613}
    }
    renamed: ClassVar[Mapping[str, str]] = {
        **now_grouped(supernet=SupernetOptions, optimizer=SGDOptions),
        "supernet": "supernet_of",
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
        edge_normalization: bool = False,
        supernet_of: Literal["space", "code"] = "space",
        supernet: SupernetOptions = SupernetOptions(),
        optimizer: SGDOptions = SGDOptions(learning_rate=0.1, final_learning_rate=0.0),
        clip_counts_alphas: bool = False,
    ) -> None:
        if warmup_epochs >= epochs:
            raise OptionError(
                f"strategy.warmup_epochs={warmup_epochs} leaves no epoch of strategy.epochs={epochs} for the "
                "alphas; it must be smaller"
            )
        optimizer.check(epochs)
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
        self.preferred: Mapping[str, int | bool] = CODE if supernet_of == "code" else {}
        self.supernet_options = supernet
        self.weight_options: dict[str, Any] = {**vars(optimizer), "edge_normalization": edge_normalization}

    def search(self, run: Run[WeightSharing]) -> Result:
        """Algorithm 1."""
        supernet = self.supernet(run.space, run.data)  # line 1, eq. 1
        module = EvolvedAlphas(supernet, run.space, self, **self.weight_options)
        run.fit(module, "supernet", self.epochs, run.data.halves())  # lines 2 to 17: `EvolvedAlphas`
        architecture = run.derive(module.mix)  # line 18
        return run.result(architecture, run.weights("supernet", module))

    def step(self, parent: Alphas, judge: Judge, epoch: int, rng: np.random.Generator) -> tuple[Vector, Individual]:
        """Lines 4 to 16: the alphas after one step, and the individual whose direction they follow."""
        sigma = self.sigma if self.sigma_schedule == "constant" else max(0.02, self.sigma / (epoch + 1))
        shared = rng.standard_normal(parent.point.shape)
        candidates = []  # D
        for _ in range(self.samples):  # line 4: n = 1 .. N
            y = shared if self.shared_noise else rng.standard_normal(parent.point.shape)  # y ~ N(0, I)
            x = parent.point + self.sigma_noise * y  # line 5: x_n = alpha_t + sigma_n y
            candidates.append(self.evolve(x, sigma, judge, rng))  # line 13: x*_n joins D
        best = min(candidates, key=lambda x_star: (-x_star.accuracy, x_star.fitness))  # line 15, eq. 9
        s = parent.direction(best.z, self.direction)  # s_{t+1}
        return parent.vector + self.step_size * s, best  # line 16, eq. 8: alpha_{t+1} = alpha_t + xi s_{t+1}

    def evolve(self, x: Vector, sigma: float, judge: Judge, rng: np.random.Generator) -> Individual:
        """Lines 6 to 12: the fittest individual that CMA-ES finds, starting at mean m = x and covariance C = I."""
        es = cma_es(x, sigma, self.population, int(rng.integers(2**31)) if self.es_seed is None else self.es_seed)
        fittest = judge([x]) if self.include_mean else []  # P
        for _ in range(self.generations):  # line 6
            asked = [es.ask() for _ in range(self.population)]  # line 7, eq. 3: z_k = m + sigma y_k, y_k ~ N(0, C)
            population = judge([candidate.value for candidate in asked])  # line 8
            for candidate, individual in zip(asked, population, strict=True):
                es.tell(candidate, individual.fitness)  # line 9, eqs. 4 and 5: the last one moves m and C
            fittest.append(min(population, key=lambda individual: individual.fitness))  # line 9: the best joins P
        return min(fittest, key=lambda individual: individual.fitness)  # line 12

    def fitness(self, similarity: float, cross_entropy: float, accuracy: float, parent_accuracy: float) -> float:
        """Eq. 7, minimized: an individual worse than its parent should resemble it, others should differ from it."""
        sign = -1 if parent_accuracy > accuracy else 1  # Acc(alpha_t) > Acc(z)
        return self.zeta * cross_entropy + sign * self.eta * similarity  # zeta L1 -+ eta L2

    @property
    def judged_per_step(self) -> int:
        """The number of individuals that a step of the alphas scores: N means, and N populations per generation."""
        return self.samples * (self.include_mean + self.generations * self.population)

    def supernet(self, space: WeightSharing, data: SearchData) -> Supernet:
        """The supernet to train, with new weights."""
        choices = space.supernet_choices(vars(self.supernet_options), self.preferred)
        return space.supernet(data.input_shape, data.classes, **choices)

    def networks(self, space: WeightSharing, data: SearchData) -> Sequence[PlannedNetwork]:
        """The supernet."""
        return [PlannedNetwork.supernet(partial(self.supernet, data=data), data)]


class EvolvedAlphas(CountedAlphas):
    """One epoch t (line 2): the weights learn (line 3, `training_step` of the base class), then the alphas move."""

    explains: ClassVar[Mapping[str, str]] = {
        "es_accuracy": "the individual of the evolution strategy whose direction the alphas follow",
        "parent_accuracy": "the alphas before that step, on the same validation images",
        "es_fitness": "the individual's cross-entropy and similarity to the alphas (eq. 7); smaller is better",
    }

    def __init__(self, supernet: Supernet, space: WeightSharing, method: EGNAS, **weights: Any) -> None:
        super().__init__(supernet, space, counted=method.clip_counts_alphas, **weights)
        self.method = method

    def work(self, epochs: int, batches: int) -> int:
        """The number of batches for the weights plus the number of individuals."""
        return epochs * batches + max(0, epochs - self.method.warmup_epochs) * self.method.judged_per_step

    def on_train_epoch_start(self) -> None:
        """Move the alphas before the weights, as in the published code."""
        super().on_train_epoch_start()
        if self.method.order == "es_first":
            self._move_alphas()

    def on_train_epoch_end(self) -> None:
        """Move the alphas after the weights, as in the paper."""
        super().on_train_epoch_end()
        if self.method.order == "weights_first":
            self._move_alphas()

    def _move_alphas(self) -> None:
        """Lines 4 to 16, on this epoch's validation images; skipped during the warm-up."""
        method = self.method
        if self.current_epoch < method.warmup_epochs:
            return
        parent = Alphas(self.alphas, self.betas, self.space, method.search_in, method.row_normalize)
        batches = self.validation_batches(
            method.validation_batches, method.validation_batch_size, augment=method.augment_validation
        )
        training = self.supernet.training
        self.supernet.eval()
        with batch_statistics(self.supernet) if method.statistics == "batch" else nullcontext():
            scored = partial(self.score_mixes, self.replaying(self.supernet), batches=batches)
            (parent_scores,) = scored([parent.parent_mix()])
            parent_accuracy = parent_scores["accuracy"]
            judge = partial(self._judge, parent, parent_accuracy, scored)
            moved, best = method.step(parent, judge, self.current_epoch, self.rng("directions"))
        self.supernet.train(training)
        for values, current in zip(parent.named(moved), (self.alphas, self.betas), strict=True):
            for cell, tensor in (values or {}).items():
                (current or {})[cell].copy_(tensor)
        self.record(es_accuracy=best.accuracy, parent_accuracy=parent_accuracy, es_fitness=best.fitness)

    def _judge(
        self, parent: Alphas, parent_accuracy: float, scored: Callable[..., Any], points: Sequence[Vector]
    ) -> list[Individual]:
        """Line 8: score individuals on the same images as their parent."""
        individuals = []
        for z, scores in zip(points, scored(map(parent.mix, points)), strict=True):
            cross_entropy, accuracy = scores["cross_entropy"], scores["accuracy"]  # eq. 6: L1
            similarity = parent.similarity(z, self.method.similarity)  # eq. 6: L2
            fitness = self.method.fitness(similarity, cross_entropy, accuracy, parent_accuracy)
            individuals.append(Individual(z, fitness, accuracy))
            self.advance()
        return individuals


def cma_es(mean: Vector, sigma: float, population: int, seed: int) -> Any:
    """nevergrad's CMA-ES with full covariance, starting from N(mean, sigma^2 I)."""
    parametrization = ng.p.Array(init=mean).set_mutation(sigma=sigma)
    parametrization.random_state = np.random.RandomState(seed)
    return ng.optimizers.ParametrizedCMA(popsize=population)(parametrization)
