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
        self.fine_population, self.fine_generations = fine_population, fine_generations  # S, T1
        self.inherit, self.store, self.refresh = inherit, Path(store) if store else None, refresh
        self.supernet, self.optimizer, self.from_scratch = supernet, optimizer, from_scratch

    @property
    def candidates(self) -> int:
        """The most networks that a search evaluates."""
        return self.population * (1 + self.generations) + 2 * self.fine_population * self.fine_generations

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
            rates = self.crossover_rate, self.mutation_rate
            children = offspring(population, self.population, *rates, space, run.rng)  # lines 7 to 19: Q
            union = [*population, *archive.evaluate(children)]  # lines 20 and 6
            candidates = list({individual.architecture: individual for individual in union}.values())
            population = environmental_selection(candidates, self.population, self.threshold)  # line 21
            archive.end_generation("rough", population)
            if (generation + 1) % self.refresh == 0:
                archive.inheritance.refresh(population)  # IV.B.2, steps 1 to 4
        return sorted(population, key=lambda individual: individual.cost)

    def fine_search(self, best: Sequence[Individual], archive: Archive, run: Run[CellChain]) -> None:
        """Algorithm 4: what is inside the cells; each individual competes with its own two children alone."""
        space, population = run.space, list(best)  # line 1: an architecture always holds both layers
        for generation in run.generations(self.fine_generations, "fine"):  # lines 2, 3 and 10
            children = [
                (
                    fine_mutation(parent.architecture, space, run.rng),  # line 5: p1
                    pruning(parent.architecture, space, run.rng),  # line 6: p2
                )
                for parent in population  # line 4
            ]
            archive.evaluate([child for pair in children for child in pair])  # line 7
            families = [(parent, *archive.known(pair)) for parent, pair in zip(population, children, strict=True)]
            population = [min(family, key=lambda individual: individual.cost) for family in families]  # line 8
            archive.end_generation("fine", population)
            if (generation + 1) % self.refresh == 0:
                archive.inheritance.refresh(population)  # IV.B.2, steps 1 to 4

    def explain(self, run: Run[CellChain], trace: Archive) -> None:
        """How the population fared in both stages, and what inheritance was worth."""
        report(run, trace)


def offspring(
    population: Sequence[Individual],
    n: int,
    crossover_rate: float,
    mutation_rate: float,
    space: CellChain,
    rng: np.random.Generator,
) -> list[Architecture]:
    """Algorithm 2, lines 7 to 19: `n` children, three at a time.

    Args:
        crossover_rate, mutation_rate: gamma and beta.
    """
    children: list[Architecture] = []  # line 7: Q
    while len(children) < n:  # line 8
        p1, p2, p3 = tournament(population, 3, rng)  # lines 9 and 11
        q1, q2 = crossover(p1, p2, space, rng) if rng.random() < crossover_rate else (p1, p2)  # line 10
        q3 = mutation(p3, space, rng) if rng.random() < mutation_rate else p3  # lines 12 to 17
        children += [q1, q2, q3]  # line 18
    return children[:n]


def tournament(population: Sequence[Individual], n: int, rng: np.random.Generator) -> list[Architecture]:
    """Lines 9 and 11: the winners of `n` binary tournaments by fitness."""

    def fitter(candidates: Candidates, pairs: np.ndarray, **_: object) -> np.ndarray:
        winners: np.ndarray = pairs[np.arange(len(pairs)), candidates.get("F")[pairs, 0].argmin(axis=1)]
        return winners

    costs = Candidates.new("F", np.array([[individual.cost] for individual in population]))
    chosen = TournamentSelection(func_comp=fitter).do(None, costs, n, 1, to_pop=False, random_state=rng)
    return [population[int(index)].architecture for index in chosen[:, 0]]


def crossover(
    p1: Architecture, p2: Architecture, space: CellChain, rng: np.random.Generator
) -> tuple[Architecture, Architecture]:
    """Line 10, IV.B.3, Fig. 3(a): multi-point crossover. Both parents keep their depth and their connections.

    The n-th normal cells of both parents change places with probability 1/2, and so do the n-th reduction cells, until
    one parent has no more of the kind.
    """
    kinds1, kinds2 = positions_by_kind(p1, space), positions_by_kind(p2, space)
    pairs = [pair for kind in sorted(kinds1.keys() & kinds2.keys())  # IV.B.3: "the cell category remains unchanged"
             for pair in zip(kinds1[kind], kinds2[kind], strict=False)]  # else "skip the current cell"  # fmt: skip
    return space.swap_cells(p1, p2, [pair for pair in pairs if rng.random() < 0.5])  # line 10: q1 and q2


def positions_by_kind(architecture: Architecture, space: CellChain) -> dict[str, list[int]]:
    """The positions, counted from 1, of the cells of each kind."""
    positions: dict[str, list[int]] = {}
    for position, kind in enumerate(space.kinds(architecture), 1):
        positions.setdefault(kind, []).append(position)
    return positions


def mutation(p3: Architecture, space: CellChain, rng: np.random.Generator) -> Architecture:
    """Lines 12 to 17, IV.B.3, Fig. 3(b): cell mutation or connection mutation, with equal probability."""
    depth = len(space.kinds(p3))
    if rng.random() < 0.5:  # lines 12 and 13: c
        for position in rng.choice(depth, size=rng.integers(1, max(1, depth // 2) + 1), replace=False):
            p3 = space.mutate_cell(p3, int(position) + 1, rng)  # line 14
        return p3
    for position in rng.permutation(depth):  # the first cells may have no other input to choose
        child = space.mutate_connection(p3, int(position) + 1, rng)  # line 16
        if child != p3:
            return child
    return p3


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


def fine_mutation(p: Architecture, space: CellChain, rng: np.random.Generator) -> Architecture:
    """Algorithm 4, line 5, Fig. 3(c): every cell gets an edge mutation or a node mutation, with equal probability."""
    for position in range(1, len(space.kinds(p)) + 1):  # IV.C: "until all the cells complete the mutation"
        mutate = space.mutate_operation if rng.random() < 0.5 else space.mutate_input  # IV.C: "an equal probability"
        p = mutate(p, position, rng)
    return p


def pruning(p: Architecture, space: CellChain, rng: np.random.Generator) -> Architecture:
    """Algorithm 4, line 6, Fig. 3(d): one random cell loses one random node. No cell loses its last one."""
    for position in rng.permutation(len(space.kinds(p))):
        child = space.prune_node(p, int(position) + 1, rng)  # IV.C: "randomly delete a certain node in the cell"
        if child != p:
            return child
    return p
