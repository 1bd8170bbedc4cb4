"""How children are made: on growing cells by the seed's self-adapting operators, elsewhere by the space's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence

import numpy as np

from nasforge import Architecture, CrossoverMode, GrowingCells, GrowthRates, SearchSpace

from .adaptation import Adaptation, Child

PATIENCE = 4
"""Attempts for each child that is wanted: variation of few parents often makes what is known already."""


class Variation(ABC):
    """Makes founders and children in one space.

    Attributes:
        adaptation: the rates, which `Adaptation.learn` moves.
    """

    def __init__(self, space: SearchSpace, adaptation: Adaptation) -> None:
        self.space, self.adaptation = space, adaptation

    def offspring(
        self, population: Sequence[Architecture], known: set[Hashable], n: int, rng: np.random.Generator
    ) -> list[Child]:
        """Up to `n` children that compute what nobody in `known` does, at least one; the parents take turns.

        Where variation finds nothing new, a random architecture is the one.
        """
        children: list[Child] = []
        seen = set(known)
        for attempt in range(PATIENCE * n):
            if len(children) == n:
                break
            place = attempt % len(population)
            others = [*population[:place], *population[place + 1 :]] or population
            child = self._child(population[place], others[int(rng.integers(len(others)))], rng)
            if (key := self.space.function_key(child.architecture)) not in seen:
                seen.add(key)
                children.append(child)
        return children or [Child(self.space.sample(rng))]

    def _child(self, parent: Architecture, mate: Architecture, rng: np.random.Generator) -> Child:
        """The parent mutates, and the mutant is crossed with the mate or is not."""
        mutant, operation = self.mutate(parent, rng)
        mode = self.adaptation.draw_mode(rng)
        return Child(mutant if mode is None else self.cross(mutant, mate, mode, rng), mode, operation)

    @abstractmethod
    def founder(self, rng: np.random.Generator) -> Architecture:
        """A member of the first population."""

    @abstractmethod
    def mutate(self, parent: Architecture, rng: np.random.Generator) -> tuple[Architecture, str | None]:
        """A mutant, and the operation that edge mutation set, if there was one."""

    @abstractmethod
    def cross(self, a: Architecture, b: Architecture, mode: CrossoverMode, rng: np.random.Generator) -> Architecture:
        """A child of both."""


class GrowingVariation(Variation):
    """On spaces of growing cells.

    Args:
        resize, swap: probabilities of these mutations.
    """

    def __init__(self, space: GrowingCells, adaptation: Adaptation, *, resize: float, swap: float) -> None:
        super().__init__(space, adaptation)
        self.cells, self.resize, self.swap = space, resize, swap

    def founder(self, rng: np.random.Generator) -> Architecture:
        """The empty cell, mutated and repaired."""
        return self.cells.first_cell(self._rates(0), rng)

    def mutate(self, parent: Architecture, rng: np.random.Generator) -> tuple[Architecture, str | None]:
        """At the adapted rates."""
        return self.cells.mutate_with(parent, self._rates(self.cells.total_channels(parent)), rng)

    def cross(self, a: Architecture, b: Architecture, mode: CrossoverMode, rng: np.random.Generator) -> Architecture:
        """Uniform or the element-wise minimum."""
        return self.cells.cross(a, b, mode, rng)

    def _rates(self, channels: int) -> GrowthRates:
        return self.adaptation.rates(self.cells.operation_names, self.resize, self.swap, channels)


class GenericVariation(Variation):
    """On any other space: its own operators; both modes of crossover are its own one."""

    def founder(self, rng: np.random.Generator) -> Architecture:
        """A random architecture."""
        return self.space.sample(rng)

    def mutate(self, parent: Architecture, rng: np.random.Generator) -> tuple[Architecture, str | None]:
        """A neighbour."""
        return self.space.mutate(parent, rng), None

    def cross(self, a: Architecture, b: Architecture, mode: CrossoverMode, rng: np.random.Generator) -> Architecture:
        """The space's crossover."""
        return self.space.crossover(a, b, rng)
