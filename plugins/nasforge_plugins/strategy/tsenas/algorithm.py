"""TS-ENAS (Zou et al.), Algorithms 1 to 4: the outside of a network first, then the inside of its cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from nasforge import (
    CellChain,
    Clip,
    Count,
    CountOrZero,
    Fraction,
    LearningRate,
    Momentum,
    OptionError,
    Population,
    Result,
    Run,
    Strategy,
    WeightDecay,
)

from .census import Census
from .cost import announce
from .fine import edited, pruned
from .inheritance import Inheritance
from .pictures import keep_pictures
from .rough import Individual, environmental_selection, offspring


class TSENAS(Strategy[CellChain]):
    """Two-stage evolution of whole networks out of known cells, whose weights go from network to network.

    Each option's meaning and the paper's value stand beside it in `conf/strategy/tsenas.yaml`. The fitness is the
    first objective that the run follows. With an estimator that trains nothing, or on a space without
    `WeightInheritance`, the same search runs without inheritance.

    Raises:
        OptionError: the fine search would keep more networks than the rough one has.
    """

    name: ClassVar[str] = "tsenas"
    needs_estimates: ClassVar[bool] = True

    def __init__(
        self,
        *,
        population: Population = 10,
        generations: Count = 6,
        crossover_rate: Fraction = 0.8,
        mutation_rate: Fraction = 0.2,
        threshold: Annotated[float, Field(ge=0, le=1_000_000)] = 0.005,
        fine_population: Count = 4,
        fine_generations: CountOrZero = 4,
        inherit: bool = True,
        store: str | None = None,
        refresh: Count = 3,
        supernet_epochs: Count = 4,
        supernet_chains: Annotated[int, Field(ge=0, le=1_000)] = 16,
        learning_rate: LearningRate = 0.05,
        momentum: Momentum = 0.9,
        weight_decay: WeightDecay = 3e-4,
        clip: Clip = 5.0,
        from_scratch: CountOrZero = 2,
    ) -> None:
        if fine_population > population:
            raise OptionError(
                f"strategy.fine_population={fine_population} is more than strategy.population={population}: "
                "the fine search goes on with the best networks of the rough one"
            )
        self.population, self.generations = population, generations
        self.crossover_rate, self.mutation_rate, self.threshold = crossover_rate, mutation_rate, threshold
        self.fine_population, self.fine_generations = fine_population, fine_generations
        self.inherit, self.store, self.refresh = inherit, Path(store) if store else None, refresh
        self.supernet_epochs, self.supernet_chains = supernet_epochs, supernet_chains
        self.from_scratch = from_scratch
        self.sgd = {
            "learning_rate": learning_rate, "momentum": momentum, "weight_decay": weight_decay, "clip": clip,
        }  # fmt: skip

    def search(self, run: Run[CellChain]) -> Result:
        """Algorithm 1: the rough search, the fine search, the best network."""
        run.warn_of_budget(self.population, f"strategy.population={self.population} are drawn at random")
        inheritance = Inheritance(run, inherit=self.inherit, store=self.store)
        announce(
            run,
            inheritance,
            candidates=self.candidates,
            supernet_epochs=0 if self.store else self.supernet_epochs,
            from_scratch=self.from_scratch,
        )
        inheritance.begin(self.supernet_epochs, self.supernet_chains, self.sgd)
        census = Census(run, run.space, inheritance)
        population = self.rough_search(census, inheritance, run)
        inheritance.compare(population[: self.from_scratch])
        self.fine_search(population, census, inheritance, run)
        keep_pictures(run, census.generations, inheritance)
        return run.result()

    @property
    def candidates(self) -> int:
        """How many networks are estimated at most."""
        return self.population * (1 + self.generations) + 2 * self.fine_population * self.fine_generations

    def rough_search(self, census: Census, inheritance: Inheritance, run: Run[CellChain]) -> list[Individual]:
        """Algorithm 2: which cells, and how they are wired; the last population, the fittest first."""
        space = run.space
        population = census.of([space.sample(run.rng) for _ in range(self.population)])
        census.count("rough", population)
        for generation in run.generations(self.generations, "rough"):
            children = offspring(population, self.population, self.crossover_rate, self.mutation_rate, space, run.rng)
            candidates = {one.architecture: one for one in [*population, *census.of(children)]}.values()
            population = environmental_selection(list(candidates), self.population, self.threshold)
            census.count("rough", population)
            if (generation + 1) % self.refresh == 0:
                inheritance.refresh(population)
        return sorted(population, key=lambda one: one.cost)

    def fine_search(
        self, population: Sequence[Individual], census: Census, inheritance: Inheritance, run: Run[CellChain]
    ) -> list[Individual]:
        """Algorithm 4: every lineage keeps the best of parent, edited child and pruned child."""
        space = run.space
        lineages = list(population[: self.fine_population])
        for generation in run.generations(self.fine_generations, "fine"):
            children = [(edited(one.architecture, space, run.rng), pruned(one.architecture, space, run.rng))
                        for one in lineages]  # fmt: skip
            census.of([child for pair in children for child in pair])
            families = [(parent, *census.known(pair)) for parent, pair in zip(lineages, children, strict=True)]
            lineages = [min(family, key=lambda one: one.cost) for family in families]
            census.count("fine", lineages)
            if (generation + 1) % self.refresh == 0:
                inheritance.refresh(lineages)
        return lineages
