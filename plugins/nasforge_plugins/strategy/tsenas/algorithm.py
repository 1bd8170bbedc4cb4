"""TS-ENAS (Zou, Wu, Xia, Jiang, Wu and Zheng): search which cells a network has, then search inside the cells.

Comments name the lines of the paper's Algorithms 1, 2 and 4 and the subsections of its section IV. Algorithm 3, the
random network, is `sample` of the search space. docs/strategies.md lists what differs from the paper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from pymoo.core.population import Population as Candidates
from pymoo.operators.selection.tournament import TournamentSelection

from nasforge import (
    Architecture,
    Count,
    CountOrZero,
    Fraction,
    OptionError,
    Population,
    Result,
    Run,
    SGDOptions,
    Strategy,
    now_grouped,
)
from nasforge_plugins.shared.cell_chain import CellChain

from .inheritance import Archive, Individual, Inheritance
from .operators import MUTATIONS, Crossover, Mutation, crossover, fine_mutation, mutation, pruning
from .report import forecast, report
from .supernet import CellSupernetOptions


class TSENAS(Strategy[CellChain]):
    """Two-stage evolution of whole networks built from known cells, whose weights pass from network to network.

    Each option's meaning and the paper's value stand beside it in `conf/strategy/tsenas.yaml`. The fitness is the
    run's first objective. If the estimator trains nothing, or the space lacks `WeightInheritance`, the same search
    runs without inheritance.

    Raises:
        OptionError: the fine search would keep more networks than the rough search has.
    """

    name: ClassVar[str] = "tsenas"
    needs_estimates: ClassVar[bool] = True
    renamed: ClassVar[Mapping[str, str]] = {
        **now_grouped(optimizer=SGDOptions),
        "supernet_epochs": "supernet.epochs",
        "supernet_chains": "supernet.chains",
    }

    def __init__(
        self,
        *,
        population: Population = 10,
        generations: Count = 6,
        crossover_rate: Fraction = 0.8,
        mutation_rate: Fraction = 0.2,
        crossover: Crossover = "multi_point",
        mutations: tuple[Mutation, ...] = MUTATIONS,
        pruning: bool = True,
        threshold: Annotated[float, Field(ge=0, le=1_000_000)] = 0.005,
        fine_population: Count = 4,
        fine_generations: CountOrZero = 4,
        inherit: bool = True,
        store: str | None = None,
        refresh: Count = 3,
        supernet: CellSupernetOptions = CellSupernetOptions(),
        optimizer: SGDOptions = SGDOptions(learning_rate=0.05, final_learning_rate=0.0),
        from_scratch: CountOrZero = 2,
    ) -> None:
        if fine_population > population:
            raise OptionError(
                f"strategy.fine_population={fine_population} is more than strategy.population={population}: "
                "the fine search continues with the best networks of the rough search"
            )
        optimizer.check(supernet.epochs)
        self.population, self.generations = population, generations  # P, T0
        self.crossover_rate, self.mutation_rate, self.threshold = crossover_rate, mutation_rate, threshold
        self.crossover, self.mutations, self.pruning = crossover, mutations, pruning
        self.fine_population, self.fine_generations = fine_population, fine_generations  # S, T1
        self.inherit, self.store, self.refresh = inherit, Path(store) if store else None, refresh
        self.supernet, self.optimizer, self.from_scratch = supernet, optimizer, from_scratch

    @property
    def candidates(self) -> int:
        """The most networks that a search evaluates."""
        children = 1 + self.pruning
        return self.population * (1 + self.generations) + children * self.fine_population * self.fine_generations

    def search(self, run: Run[CellChain]) -> Result:
        """Algorithm 1."""
        run.warn_of_budget(self.population, f"strategy.population={self.population} are drawn at random")
        inheritance = Inheritance(run, inherit=self.inherit, store=self.store)
        forecast(run, inheritance, self.candidates, 0 if self.store else self.supernet.epochs, self.from_scratch)
        inheritance.begin(self.supernet, self.optimizer)  # Alg. 2, lines 2 and 3
        archive = Archive(run, inheritance)
        population = self.rough_search(archive, run)  # Alg. 1, lines 1 to 8
        inheritance.compare(population[: self.from_scratch])
        best = population[: self.fine_population]  # Alg. 1, line 9; Alg. 2, line 24
        self.fine_search(best, archive, run)  # Alg. 1, lines 10 to 14
        return run.result(trace=archive)  # Alg. 1, line 15; Alg. 4, line 12: neither selection ever loses the best

    def rough_search(self, archive: Archive, run: Run[CellChain]) -> list[Individual]:
        """Algorithm 2: which cells a network has and how they are connected.

        Returns:
            The last population, the fittest first.
        """
        space = run.space
        population = archive.evaluate([space.sample(run.rng) for _ in range(self.population)])  # lines 1 and 6
        archive.end_generation("rough", population)
        for generation in run.generations(self.generations, "rough"):  # lines 4, 5 and 22
            children = self.offspring(population, space, run.rng)  # lines 7 to 19: Q
            union = [*population, *archive.evaluate(children)]  # lines 20 and 6
            candidates = list({individual.architecture: individual for individual in union}.values())
            population = environmental_selection(candidates, self.population, self.threshold)  # line 21
            archive.end_generation("rough", population)
            if (generation + 1) % self.refresh == 0:
                archive.inheritance.refresh(population)  # IV.B.2, steps 1 to 4
        return sorted(population, key=lambda individual: individual.cost)

    def offspring(
        self, population: Sequence[Individual], space: CellChain, rng: np.random.Generator
    ) -> list[Architecture]:
        """Algorithm 2, lines 7 to 19: as many children as the population has individuals, three at a time."""
        children: list[Architecture] = []  # line 7: Q
        while len(children) < self.population:  # line 8
            p1, p2, p3 = tournament(population, 3, rng)  # lines 9 and 11
            crossed = rng.random() < self.crossover_rate  # gamma
            q1, q2 = crossover(p1, p2, space, rng, self.crossover) if crossed else (p1, p2)  # line 10
            mutated = rng.random() < self.mutation_rate  # beta
            q3 = mutation(p3, space, rng, self.mutations) if mutated else p3  # lines 12 to 17
            children += [q1, q2, q3]  # line 18
        return children[: self.population]

    def fine_search(self, best: Sequence[Individual], archive: Archive, run: Run[CellChain]) -> None:
        """Algorithm 4: what is inside the cells; each individual competes with its own two children alone."""
        space, population = run.space, list(best)  # line 1: an architecture always holds both layers
        for generation in run.generations(self.fine_generations, "fine"):  # lines 2, 3 and 10
            children = [self.refined(parent.architecture, space, run.rng) for parent in population]  # lines 4 to 6
            archive.evaluate([child for both in children for child in both])  # line 7
            families = [(parent, *archive.known(both)) for parent, both in zip(population, children, strict=True)]
            population = [min(family, key=lambda individual: individual.cost) for family in families]  # line 8
            archive.end_generation("fine", population)
            if (generation + 1) % self.refresh == 0:
                archive.inheritance.refresh(population)  # IV.B.2, steps 1 to 4

    def refined(self, parent: Architecture, space: CellChain, rng: np.random.Generator) -> list[Architecture]:
        """Algorithm 4, lines 5 and 6: a parent's children."""
        mutated = fine_mutation(parent, space, rng, self.mutations)  # p1
        return [mutated, pruning(parent, space, rng)] if self.pruning else [mutated]  # p2

    def explain(self, run: Run[CellChain], trace: Archive) -> None:
        """How the population fared in both stages, and what inheritance was worth."""
        report(run, trace)


def tournament(population: Sequence[Individual], n: int, rng: np.random.Generator) -> list[Architecture]:
    """Lines 9 and 11: the winners of `n` binary tournaments by fitness."""

    def fitter(candidates: Candidates, pairs: np.ndarray, **_: object) -> np.ndarray:
        winners: np.ndarray = pairs[np.arange(len(pairs)), candidates.get("F")[pairs, 0].argmin(axis=1)]
        return winners

    costs = Candidates.new("F", np.array([[individual.cost] for individual in population]))
    chosen = TournamentSelection(func_comp=fitter).do(None, costs, n, 1, to_pop=False, random_state=rng)
    return [population[int(index)].architecture for index in chosen[:, 0]]


def environmental_selection(candidates: Sequence[Individual], n: int, threshold: float) -> list[Individual]:
    """Line 21, IV.B.4: the `n` survivors, level by level; the level that does not fit gives its rarest depths.

    Args:
        threshold: alpha, the width of a level in units of the fitness.
    """
    survivors: list[Individual] = []  # P_{t+1}
    for level in levels(candidates, threshold):  # IV.B.4: "the hierarchy is divided according to alpha"
        if len(survivors) + len(level) <= n:
            survivors += level  # IV.B.4: "put into the next generation population sequentially"
            continue
        density = Counter(survivor.depth for survivor in survivors)  # IV.B.4: survivors "with the same N value"
        rest = list(level)
        while len(survivors) < n:  # IV.B.4: "until the population reaches the upper limit"
            chosen = min(rest, key=lambda individual: (density[individual.depth], individual.cost))  # IV.B.4: density
            rest.remove(chosen)
            survivors.append(chosen)
            density[chosen.depth] += 1
        break
    return survivors


def levels(candidates: Sequence[Individual], threshold: float) -> list[list[Individual]]:
    """IV.B.4: each level holds the individuals within `threshold` of its best one.

    Comparing neighbors instead could chain all individuals into a single level.
    """
    ranked: list[list[Individual]] = []
    for individual in sorted(candidates, key=lambda individual: individual.cost):
        if ranked and individual.cost <= ranked[-1][0].cost + threshold:
            ranked[-1].append(individual)  # IV.B.4: "at the same level"
        else:
            ranked.append([individual])
    return ranked
