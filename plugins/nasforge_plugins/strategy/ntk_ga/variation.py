"""How children are made: crossover and mutation at rates that adapt to what survives (II, Crossover and Mutation).

Growing cells vary by the paper's operators, other spaces by their own. The numbers are those of the published code,
except `PATIENCE`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nasforge import Architecture, SearchSpace
from nasforge_plugins.shared.growing_cells import CrossoverMode, GrowingCells, GrowthRates

STEP = 0.02
"""How fast a crossover rate moves: p becomes 0.98 p + 0.02 after a success and 0.98 p after a failure."""
FORGETTING = 0.996
"""The factor by which each mutation multiplies the exploration factor."""
LEAST_WEIGHT = 0.2
"""Added to the weight of every operation."""
PATIENCE = 4
"""Attempts per child: the variation of a few parents often repeats what is known already."""


@dataclass(frozen=True)
class Child:
    """A candidate and how it was made.

    Attributes:
        mode: the kind of crossover; None if there was none.
        operation: the one that edge mutation set; None if edge mutation did not take place.
    """

    architecture: Architecture
    mode: CrossoverMode | None = None
    operation: str | None = None


@dataclass
class Adaptation:
    """The rates of one search, which follow the survival of its children.

    Attributes:
        uniform, minimum: the crossover rates pc and pm.
        exploration: e, which falls towards 0 with every mutation.
        mean_channels: M, the running mean of the parents' numbers of channels.
        used, succeeded: by operation, how many children edge mutation set it in, and how many of these survived.
    """

    uniform: float
    minimum: float
    exploration: float
    mean_channels: float = 10.0
    used: Counter[str] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)

    def draw_mode(self, rng: np.random.Generator) -> CrossoverMode | None:
        """The crossover of the next child."""
        chances = mode_probabilities(self.uniform, self.minimum)
        modes: Sequence[CrossoverMode | None] = list(chances)
        return modes[int(rng.choice(len(modes), p=list(chances.values())))]

    def weights(self, operations: Sequence[str]) -> Mapping[str, float]:
        """By operation, (1 - e) succeeded / used + e (1 - used / most used) + 0.2."""
        most = max((self.used[name] for name in operations), default=0)
        return {
            name: (1 - self.exploration) * _ratio(self.succeeded[name], self.used[name])
            + self.exploration * (1 - _ratio(self.used[name], most))
            + LEAST_WEIGHT
            for name in operations
        }

    def rates(self, operations: Sequence[str], resize: float, swap: float, channels: int) -> GrowthRates:
        """The rates of the next mutation, which moves e and M.

        Args:
            channels: the sum over all operations of the cell that mutates.
        """
        self.exploration *= FORGETTING
        self.mean_channels = 0.9 * self.mean_channels + 0.1 * channels
        return GrowthRates(
            resize=resize, swap=swap, mean_channels=self.mean_channels, operation_weights=self.weights(operations)
        )

    def learn(self, children: Iterable[Child], survivors: Collection[Architecture]) -> None:
        """Move the rates by the fate of a generation's children, the survivors first."""
        for child in sorted(children, key=lambda child: child.architecture not in survivors):
            success = child.architecture in survivors
            if child.mode == "uniform":
                self.uniform = adapted(self.uniform, success)
            elif child.mode == "minimum":
                self.minimum = adapted(self.minimum, success)
            if child.operation is not None:
                self.used[child.operation] += 1
                self.succeeded[child.operation] += success


def adapted(rate: float, success: bool) -> float:
    """The rate after one more child that was made with it: a running share of survivors."""
    return (1 - STEP) * rate + STEP * success


def mode_probabilities(uniform: float, minimum: float) -> dict[CrossoverMode | None, float]:
    """The probabilities of uniform crossover, of the element-wise minimum, and of no crossover.

    A crossover happens with probability 1 - (1 - pc)(1 - pm). It is of one kind or the other in proportion to pc and
    pm: 0.264, 0.176 and 0.56 for pc = 0.3 and pm = 0.2.
    """
    if uniform + minimum == 0:
        return {"uniform": 0.0, "minimum": 0.0, None: 1.0}
    some = 1 - (1 - uniform) * (1 - minimum)
    share = uniform / (uniform + minimum)
    return {"uniform": some * share, "minimum": some * (1 - share), None: 1 - some}


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


class Variation(ABC):
    """Makes founders and children in one space."""

    def __init__(self, space: SearchSpace, adaptation: Adaptation) -> None:
        self.space, self.adaptation = space, adaptation

    def offspring(
        self, population: Sequence[Architecture], known: set[Hashable], n: int, rng: np.random.Generator
    ) -> list[Child]:
        """Up to `n` children, at least one; the parents take turns.

        Args:
            known: the function keys that no child may have. If variation finds no other, the only child is a random
                architecture.
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
        """The parent mutates; then the mutant may be crossed with the mate."""
        mutant, operation = self.mutate(parent, rng)
        mode = self.adaptation.draw_mode(rng)
        return Child(mutant if mode is None else self.cross(mutant, mate, mode, rng), mode, operation)

    @abstractmethod
    def founder(self, rng: np.random.Generator) -> Architecture:
        """A member of the first population."""

    @abstractmethod
    def mutate(self, parent: Architecture, rng: np.random.Generator) -> tuple[Architecture, str | None]:
        """A mutant, and the operation that edge mutation set in it, if any."""

    @abstractmethod
    def cross(self, a: Architecture, b: Architecture, mode: CrossoverMode, rng: np.random.Generator) -> Architecture:
        """A child of both."""


class GrowingVariation(Variation):
    """The paper's operators, on spaces of growing cells.

    Args:
        resize, swap: the probabilities of these two mutations.
    """

    def __init__(self, space: GrowingCells, adaptation: Adaptation, *, resize: float, swap: float) -> None:
        super().__init__(space, adaptation)
        self.cells, self.resize, self.swap = space, resize, swap

    def founder(self, rng: np.random.Generator) -> Architecture:
        """The empty cell, mutated and repaired."""
        return self.cells.first_cell(self._rates(0), rng)

    def mutate(self, parent: Architecture, rng: np.random.Generator) -> tuple[Architecture, str | None]:
        """A mutation at the adapted rates."""
        return self.cells.mutate_with(parent, self._rates(self.cells.total_channels(parent)), rng)

    def cross(self, a: Architecture, b: Architecture, mode: CrossoverMode, rng: np.random.Generator) -> Architecture:
        """Uniform crossover, or the element-wise minimum."""
        return self.cells.cross(a, b, mode, rng)

    def _rates(self, channels: int) -> GrowthRates:
        return self.adaptation.rates(self.cells.operation_names, self.resize, self.swap, channels)


class GenericVariation(Variation):
    """The space's own operators, on any other space; both modes are the space's one crossover."""

    def founder(self, rng: np.random.Generator) -> Architecture:
        """A random architecture."""
        return self.space.sample(rng)

    def mutate(self, parent: Architecture, rng: np.random.Generator) -> tuple[Architecture, str | None]:
        """A neighbor."""
        return self.space.mutate(parent, rng), None

    def cross(self, a: Architecture, b: Architecture, mode: CrossoverMode, rng: np.random.Generator) -> Architecture:
        """The space's crossover."""
        return self.space.crossover(a, b, rng)
