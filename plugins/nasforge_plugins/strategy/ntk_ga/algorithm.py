"""The NTK / linear-region GA (Reolon): cells that grow under three scores of untrained networks, and tournaments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from nasforge import (
    Architecture,
    Cells,
    Channels,
    Clip,
    Count,
    CountOrZero,
    Evaluation,
    Fraction,
    GrowingCells,
    LearningRate,
    OptionError,
    PlannedNetwork,
    Population,
    Probability,
    Result,
    Run,
    SearchData,
    SearchSpace,
    Strategy,
    WeightDecay,
)

from .adaptation import Adaptation
from .pictures import keep_pictures
from .selection import Dominance, select
from .tournament import Arena, survivors
from .training import Loss
from .variation import GenericVariation, GrowingVariation, Variation

Step = Literal["breed", "breed more", "breed and compete", "compete"]


@dataclass(frozen=True)
class Individual:
    """A member of the population.

    Attributes:
        costs: of the followed objectives, minimised; infinite if it could not be estimated or breaks a constraint.
        age: generations that it has survived.
    """

    architecture: Architecture
    costs: tuple[float, ...]
    age: int = 0


class NTKGA(Strategy):
    """A (mu + lambda) GA with aging: Pareto selection of all objectives, every third generation a tournament.

    Each option's meaning and the paper's value stand beside it in `conf/strategy/ntk_ga.yaml`.

    Raises:
        OptionError: a tournament of more candidates than the population has members.
    """

    name: ClassVar[str] = "ntk_ga"
    needs_estimates: ClassVar[bool] = True

    def __init__(
        self,
        *,
        population: Population = 5,
        offspring: Annotated[int, Field(ge=1, le=10_000)] = 15,
        generations: Count | None = 9,
        max_age: Count = 10,
        dominance: Dominance = "strict",
        uniform_rate: Fraction = 0.3,
        minimum_rate: Fraction = 0.2,
        exploration: Fraction = 0.5,
        resize_rate: Fraction = 0.55,
        swap_rate: Fraction = 0.2,
        tournament_period: CountOrZero = 3,
        tournament_size: Population = 2,
        schedule: Literal["paper", "code"] = "paper",
        tournament_images: Annotated[int, Field(ge=10, le=1_000_000_000)] = 2000,
        tournament_epochs: Count = 1,
        tournament_loss: Loss = "cross_entropy",
        tournament_channels: Channels | None = None,
        tournament_cells: Cells | None = None,
        learning_rate: LearningRate = 0.004,
        weight_decay: WeightDecay = 1e-5,
        clip: Clip = 2.0,
        dropout: Probability = 0.2,
        final_cells: Cells = 3,
        landmarks: Annotated[int, Field(ge=0, le=10_000)] = 20,
    ) -> None:
        if tournament_period and tournament_size > population:
            raise OptionError(
                f"strategy.tournament_size={tournament_size} is more than strategy.population={population}: "
                f"{population} or fewer would be right, or strategy.tournament_period=0 for no tournaments"
            )
        self.population, self.offspring, self.generations = population, offspring, generations
        self.max_age, self.dominance, self.final_cells = max_age, dominance, final_cells
        self.landmarks = landmarks
        self.uniform_rate, self.minimum_rate, self.exploration = uniform_rate, minimum_rate, exploration
        self.growth = {"resize": resize_rate, "swap": swap_rate}
        self.period, self.tournament_size, self.schedule = tournament_period, tournament_size, schedule
        self.arena = Arena(
            images=tournament_images, epochs=tournament_epochs, loss=tournament_loss, channels=tournament_channels,
            cells=tournament_cells, learning_rate=learning_rate, weight_decay=weight_decay, clip=clip, dropout=dropout,
        )  # fmt: skip
        self.needs_data = tournament_period > 0  # type: ignore[misc]  # without tournaments, only estimators read

    def networks(self, space: SearchSpace, data: SearchData) -> Sequence[PlannedNetwork]:
        """Those of a tournament, where its networks are not of growing cells."""
        if not self.period:
            return []
        self.arena.data(data)  # too few images are refused now, and not when the first tournament comes
        most = min(self.population * self.tournament_size, self.population + self.offspring)
        return self.arena.networks(space, data, most)

    def search(self, run: Run) -> Result:
        """Breed, score, select; every third generation let those compete whom the scores like."""
        run.warn_of_budget(self.population, f"strategy.population={self.population} are drawn at random")
        variation = self.variation(run.space)
        founders = [variation.founder(run.rng) for _ in range(self.population)]
        population = self.scored(founders, run)
        populations = [population]
        for generation in run.generations(self.generations, self.name):
            step = self.step(generation)
            if step != "compete":
                kept = self.population * (1 if step == "breed" else self.tournament_size)
                population = self.bred(population, kept, variation, run)
            if step in ("breed and compete", "compete"):
                architectures = [one.architecture for one in population]
                places = survivors(architectures, self.population, generation, self.arena, run)
                population = [population[place] for place in places]
            self.log(generation, population, run)
            populations.append(population)
        keep_pictures(run, [[one.architecture for one in population] for population in populations], self.landmarks)
        return run.result(self.found(population, run))

    def step(self, generation: int) -> Step:
        """What a generation does: the paper's every third one ends in a tournament; the code's cycle of four has two
        plain ones, one that keeps candidates for the tournament, and the tournament alone."""
        if not self.period:
            return "breed"
        if self.schedule == "paper":
            return "breed" if (generation + 1) % self.period else "breed and compete"
        place = generation % (self.period + 1)
        return "compete" if place == self.period else "breed more" if place == self.period - 1 else "breed"

    def bred(self, parents: list[Individual], n: int, variation: Variation, run: Run) -> list[Individual]:
        """The `n` best of parents that are not too old and of their children, best first."""
        known = {run.space.function_key(one.architecture) for one in parents}
        architectures = [one.architecture for one in parents]
        children = variation.offspring(architectures, known, self.offspring, run.rng)[: run.remaining]
        scored = self.scored([child.architecture for child in children], run)
        young = [replace(one, age=one.age + 1) for one in parents if one.age < self.max_age]
        selected = self.selected([*young, *scored], n)
        variation.adaptation.learn(children, {one.architecture for one in selected})
        return selected

    def scored(self, architectures: Sequence[Architecture], run: Run) -> list[Individual]:
        """Of age 0, as far as the budget reaches."""
        evaluations = run.estimate(list(architectures)[: run.remaining])
        return [Individual(one.architecture, _costs(one, run)) for one in evaluations]

    def selected(self, pool: list[Individual], n: int) -> list[Individual]:
        """Pareto selection with the rank-sum reduction."""
        costs = np.array([one.costs for one in pool])
        return [pool[row] for row in select(costs, n, self.dominance)]

    def variation(self, space: SearchSpace) -> Variation:
        """The seed's operators where cells grow, else the space's."""
        adaptation = Adaptation(self.uniform_rate, self.minimum_rate, self.exploration)
        if isinstance(space, GrowingCells):
            return GrowingVariation(space, adaptation, **self.growth)
        return GenericVariation(space, adaptation)

    def found(self, population: list[Individual], run: Run) -> Architecture | None:
        """Where cells grow, the shortest of the last population in a chain; else its best member by the sum of ranks.

        None, for the best of all evaluations, if there is one objective alone, or if nobody left could be estimated.
        """
        usable = [one for one in population if np.isfinite(one.costs).all()]
        ranked = [one.architecture for one in self.selected(usable, len(usable))] if usable else []
        if ranked and isinstance(run.space, GrowingCells):
            chained = sorted(ranked, key=run.space.length)[: self.final_cells]
            run.notes.append(f"the found network chains the {len(chained)} shortest cells of the last population")
            return run.space.chain(chained)
        if not ranked or len(run.objectives) == 1:
            return None
        metrics = ", ".join(objective.metric for objective in run.objectives)
        run.notes.append(f"the found architecture has the last population's smallest sum of ranks in {metrics}")
        return ranked[0]

    def log(self, generation: int, population: list[Individual], run: Run) -> None:
        """The best value of each objective in the population, and its mean age."""
        best = np.min([one.costs for one in population], axis=0)
        values = {f"best_{one.metric}": -cost if one.direction == "max" else cost
                  for one, cost in zip(run.objectives, best.tolist(), strict=True)}  # fmt: skip
        run.log(generation, **values, mean_age=float(np.mean([one.age for one in population])))


def _costs(evaluation: Evaluation, run: Run) -> tuple[float, ...]:
    return tuple(evaluation.cost(objective) for objective in run.objectives)
