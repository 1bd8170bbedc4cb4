"""Rates that follow success: of the two kinds of crossover, and of the operations that mutation favours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nasforge import Architecture, CrossoverMode, GrowthRates

STEP = 0.02
"""How far a crossover rate moves: p becomes 0.98 p + 0.02 on success, 0.98 p on failure."""
FORGETTING = 0.996
"""What every mutation multiplies the exploration factor by."""
LEAST_WEIGHT = 0.2
"""Of an operation, added to what it has earned."""


def adapted(rate: float, success: bool) -> float:
    """The rate after one child that was made with it and survived, or did not: a running share of survivors."""
    return (1 - STEP) * rate + STEP * success


def mode_probabilities(uniform: float, minimum: float) -> dict[CrossoverMode | None, float]:
    """The chances of uniform crossover, of the element-wise minimum, and of none.

    Some crossover happens with 1 - (1 - pc)(1 - pm), and it is of either kind as pc is to pm: 0.264, 0.176 and 0.56
    for the seed's pc = 0.3 and pm = 0.2.
    """
    if uniform + minimum == 0:
        return {"uniform": 0.0, "minimum": 0.0, None: 1.0}
    some = 1 - (1 - uniform) * (1 - minimum)
    share = uniform / (uniform + minimum)
    return {"uniform": some * share, "minimum": some * (1 - share), None: 1 - some}


@dataclass(frozen=True)
class Child:
    """A candidate, and how it was made.

    Attributes:
        mode: of the crossover, if there was one.
        operation: which edge mutation set, if it took place.
    """

    architecture: Architecture
    mode: CrossoverMode | None = None
    operation: str | None = None


@dataclass
class Adaptation:
    """The state of a search's rates.

    Attributes:
        uniform, minimum: pc and pm.
        exploration: e, from its first value towards 0 with every mutation.
        mean_channels: M, the running mean of the number of channels of what mutates.
        used, succeeded: how often an operation was set by edge mutation, and how many of those children survived.
    """

    uniform: float
    minimum: float
    exploration: float
    mean_channels: float = 10.0
    used: Counter[str] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)

    def draw_mode(self, rng: np.random.Generator) -> CrossoverMode | None:
        """Which crossover the next child is made by."""
        chances = mode_probabilities(self.uniform, self.minimum)
        modes: Sequence[CrossoverMode | None] = list(chances)
        return modes[int(rng.choice(len(modes), p=list(chances.values())))]

    def weights(self, operations: Sequence[str]) -> Mapping[str, float]:
        """(1 - e) succeeded / used + e (1 - used / most used) + 0.2 by operation."""
        most = max((self.used[name] for name in operations), default=0)
        return {
            name: (1 - self.exploration) * _ratio(self.succeeded[name], self.used[name])
            + self.exploration * (1 - _ratio(self.used[name], most))
            + LEAST_WEIGHT
            for name in operations
        }

    def rates(self, operations: Sequence[str], resize: float, swap: float, channels: int) -> GrowthRates:
        """Of the next mutation, of a cell of `channels` in all; counts it."""
        self.exploration *= FORGETTING
        self.mean_channels = 0.9 * self.mean_channels + 0.1 * channels
        return GrowthRates(
            resize=resize, swap=swap, mean_channels=self.mean_channels, operation_weights=self.weights(operations)
        )

    def learn(self, children: Iterable[Child], survivors: Collection[Architecture]) -> None:
        """Move the rates by what became of the children of a generation: survivors first, then the others."""
        for child in sorted(children, key=lambda child: child.architecture not in survivors):
            success = child.architecture in survivors
            if child.mode == "uniform":
                self.uniform = adapted(self.uniform, success)
            elif child.mode == "minimum":
                self.minimum = adapted(self.minimum, success)
            if child.operation is not None:
                self.used[child.operation] += 1
                self.succeeded[child.operation] += success


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
