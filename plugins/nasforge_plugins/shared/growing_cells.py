"""The ability of spaces whose cells grow, and the rates with which a strategy edits them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
from torch import nn

from nasforge import Architecture, SearchSpace

CrossoverMode = Literal["uniform", "minimum"]


@dataclass(frozen=True)
class GrowthRates:
    """Rates of mutation; the defaults are those of the NTK / linear-region GA.

    Attributes:
        mutation: probability of each step that changes operations or size.
        resize, swap: probabilities that a cell's size changes and that two of its blocks change places.
        mean_channels: M, the running mean of the number of channels: larger cells tend to shrink, smaller ones to grow.
        operation_weights: positive weights by operation name with which edge mutation draws; 1 if absent.
    """

    mutation: float = 0.8
    resize: float = 0.05
    swap: float = 0.04
    mean_channels: float = 10.0
    operation_weights: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def weight(self, operation: str) -> float:
        """The weight of an operation."""
        return self.operation_weights.get(operation, 1.0)


class GrowingCells(SearchSpace):
    """Ability: cells that start small and grow, and that can be chained into one network at the end.

    The space knows how to edit a cell; a strategy decides how often, and which operations it prefers. An architecture
    is a chain of cells, usually of a single one; an edit of a chain changes one of its cells.
    """

    @property
    @abstractmethod
    def operation_names(self) -> tuple[str, ...]:
        """The operations that edge mutation chooses from."""

    @abstractmethod
    def first_cell(self, rates: GrowthRates, rng: np.random.Generator) -> Architecture:
        """The empty cell after one mutation and a repair."""

    @abstractmethod
    def mutate_with(
        self, architecture: Architecture, rates: GrowthRates, rng: np.random.Generator
    ) -> tuple[Architecture, str | None]:
        """A mutant, which may equal its parent, and the operation that edge mutation set, or None if it set none."""

    @abstractmethod
    def cross(self, a: Architecture, b: Architecture, mode: CrossoverMode, rng: np.random.Generator) -> Architecture:
        """A child: each number of its genome comes from either parent (`uniform`) or is the smaller one (`minimum`)."""

    @abstractmethod
    def total_channels(self, architecture: Architecture) -> int:
        """n: the channels of all operations together."""

    @abstractmethod
    def length(self, architecture: Architecture) -> int:
        """The length of its genome."""

    @abstractmethod
    def chain(self, architectures: Sequence[Architecture]) -> Architecture:
        """One chain of all their cells, in order."""

    @abstractmethod
    def cell_module(self, architecture: Architecture, channels: int) -> nn.Module:
        """An architecture's cells as a module without a classifier, with new weights from torch's global generator.

        It maps (B, channels, H, W) to (B, `cell_width`, H', W'), where H' and W' depend only on H and W.
        """

    @abstractmethod
    def cell_width(self, architecture: Architecture) -> int:
        """The number of channels that `cell_module` outputs."""
