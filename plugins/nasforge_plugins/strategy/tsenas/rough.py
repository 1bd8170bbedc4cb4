"""The operators of the rough search (Algorithms 2 and 3): what makes children, and who survives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymoo.core.population import Population
from pymoo.operators.selection.tournament import TournamentSelection

from nasforge import Architecture, CellChain, Evaluation


@dataclass(frozen=True)
class Individual:
    """One network of the population.

    Attributes:
        evaluation: what is known of it.
        cost: its fitness, to be minimised; infinite if it could not be estimated.
        depth: how many cells it has.
    """

    evaluation: Evaluation
    cost: float
    depth: int

    @property
    def architecture(self) -> Architecture:
        """Both layers of its encoding."""
        return self.evaluation.architecture


def offspring(
    population: Sequence[Individual],
    n: int,
    crossover_rate: float,
    mutation_rate: float,
    space: CellChain,
    rng: np.random.Generator,
) -> list[Architecture]:
    """`n` children: two of a pair of parents that is crossed or not, one of a third that mutates or not, and so on."""
    children: list[Architecture] = []
    while len(children) < n:
        a, b, third = tournament(population, 3, rng)
        pair = crossover(a, b, space, rng) if rng.random() < crossover_rate else (a, b)
        children += [*pair, mutation(third, space, rng) if rng.random() < mutation_rate else third]
    return children[:n]


def tournament(population: Sequence[Individual], n: int, rng: np.random.Generator) -> list[Architecture]:
    """The winners of `n` binary tournaments by fitness."""

    def fitter(pop: Population, pairs: np.ndarray, **_: object) -> np.ndarray:
        winners: np.ndarray = pairs[np.arange(len(pairs)), pop.get("F")[pairs, 0].argmin(axis=1)]
        return winners

    costs = Population.new("F", np.array([[one.cost] for one in population]))
    chosen = TournamentSelection(func_comp=fitter).do(None, costs, n, 1, to_pop=False, random_state=rng)
    return [population[int(index)].architecture for index in chosen[:, 0]]


def crossover(
    a: Architecture, b: Architecture, space: CellChain, rng: np.random.Generator
) -> tuple[Architecture, Architecture]:
    """Multi-point: the n-th normal cells of both are exchanged with chance 1/2, and so the n-th reduction cells, until
    either has no more. Each keeps its own wiring and depth."""
    of_a, of_b = by_kind(a, space), by_kind(b, space)
    pairs = [pair for kind in sorted(of_a.keys() & of_b.keys()) for pair in zip(of_a[kind], of_b[kind], strict=False)]
    return space.swap_cells(a, b, [pair for pair in pairs if rng.random() < 0.5])


def by_kind(architecture: Architecture, space: CellChain) -> dict[str, list[int]]:
    """The positions of its cells, from 1 on, by what kind they are of."""
    positions: dict[str, list[int]] = {}
    for position, kind in enumerate(space.kinds(architecture), 1):
        positions.setdefault(kind, []).append(position)
    return positions


def mutation(parent: Architecture, space: CellChain, rng: np.random.Generator) -> Architecture:
    """By a fair coin: several cells become others of their kind, or one cell takes another earlier input."""
    depth = len(space.kinds(parent))
    if rng.random() < 0.5:
        for position in rng.choice(depth, size=rng.integers(1, max(1, depth // 2) + 1), replace=False):
            parent = space.mutate_cell(parent, int(position) + 1, rng)
        return parent
    for position in rng.permutation(depth):  # the first cells have no choice
        child = space.mutate_connection(parent, int(position) + 1, rng)
        if child != parent:
            return child
    return parent


def environmental_selection(candidates: Sequence[Individual], n: int, threshold: float) -> list[Individual]:
    """The `n` survivors, level by level; of a level that is too large, those whose depth few survivors have yet.

    Ties of density go to the fitter one.

    Args:
        threshold: alpha, the width of a level in units of the fitness.
    """
    survivors: list[Individual] = []
    for level in levels(candidates, threshold):
        if len(survivors) + len(level) <= n:
            survivors += level
            continue
        density = Counter(one.depth for one in survivors)
        rest = list(level)
        while len(survivors) < n:
            chosen = min(rest, key=lambda one: (density[one.depth], one.cost))
            rest.remove(chosen)
            survivors.append(chosen)
            density[chosen.depth] += 1
        break
    return survivors


def levels(candidates: Sequence[Individual], threshold: float) -> list[list[Individual]]:
    """Each level holds those within `threshold` of its best; chains of neighbours would make one level of them all."""
    made: list[list[Individual]] = []
    for one in sorted(candidates, key=lambda one: one.cost):
        if made and (one.cost <= made[-1][0].cost + threshold):
            made[-1].append(one)
        else:
            made.append([one])
    return made
