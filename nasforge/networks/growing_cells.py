"""The ability of spaces whose cells grow: what a strategy that adapts its own rates asks of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
from torch import nn

from nasforge.architecture import Architecture
from nasforge.space import SearchSpace

CrossoverMode = Literal["uniform", "minimum"]


@dataclass(frozen=True)
class GrowthRates:
    """How a strategy wants mutations to come out; defaults are those of the NTK / linear-region GA.

    Attributes:
        mutation: probability of each of the steps that change operations or size.
        resize, swap: probabilities that a cell's size changes, and that two of its blocks change places.
        mean_channels: M, the running mean of the number of channels: cells above it rather shrink, below it grow.
        operation_weights: positive, by the operation's name, with which edge mutation draws it; 1 if absent.
    """

    mutation: float = 0.8
    resize: float = 0.05
    swap: float = 0.04
    mean_channels: float = 10.0
    operation_weights: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def weight(self, operation: str) -> float:
        """With which an operation is drawn."""
        return self.operation_weights.get(operation, 1.0)


class GrowingCells(SearchSpace):
    """Ability: cells that begin small and grow, and that can be chained into one network in the end.

    The space knows how a cell is edited, a strategy decides how often and which operations it favours. An architecture
    is a chain of cells, most often of a single one; edits of a chain touch one of its cells.
    """

    @property
    @abstractmethod
    def operation_names(self) -> tuple[str, ...]:
        """What edge mutation chooses from."""

    @abstractmethod
    def first_cell(self, rates: GrowthRates, rng: np.random.Generator) -> Architecture:
        """The empty cell, mutated once and repaired."""

    @abstractmethod
    def mutate_with(
        self, architecture: Architecture, rates: GrowthRates, rng: np.random.Generator
    ) -> tuple[Architecture, str | None]:
        """A mutant, which may equal its parent, and the operation that edge mutation set, if it took place."""

    @abstractmethod
    def cross(self, a: Architecture, b: Architecture, mode: CrossoverMode, rng: np.random.Generator) -> Architecture:
        """A child, each number of which is from either parent, or the smaller one of both."""

    @abstractmethod
    def total_channels(self, architecture: Architecture) -> int:
        """n: channels of all operations together."""

    @abstractmethod
    def length(self, architecture: Architecture) -> int:
        """How long its genome is."""

    @abstractmethod
    def chain(self, architectures: Sequence[Architecture]) -> Architecture:
        """All their cells in one chain, in order."""

    @abstractmethod
    def cell_module(self, architecture: Architecture, channels: int) -> nn.Module:
        """An architecture's cells as a module without classifier, with fresh weights from torch's global generator:
        (B, channels, H, W) to (B, `cell_width`, H', W'), where H' and W' depend on H and W alone."""

    @abstractmethod
    def cell_width(self, architecture: Architecture) -> int:
        """Channels that `cell_module` gives."""
