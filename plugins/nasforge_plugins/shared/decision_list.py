"""Spaces whose architectures are a list of independent decisions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from nasforge import Architecture, ArchitectureError, VectorEncoded


class DecisionList(VectorEncoded):
    """The base class of such a space. An architecture's only gene is the list of the options chosen."""

    gene: str
    """The gene's name."""

    @property
    @abstractmethod
    def decisions(self) -> Sequence[tuple[str, Sequence[str | int]]]:
        """The name and the options of each decision."""

    @abstractmethod
    def spelled(self, indices: Sequence[int]) -> str:
        """The published notation of the architecture with these options, by their indices."""

    @abstractmethod
    def spelled_indices(self, text: str) -> Sequence[int] | None:
        """The inverse of `spelled`, for any indices, even of options that do not exist; None for any other text."""

    def from_notation(self, text: str) -> Architecture | None:
        """The architecture in the published notation."""
        indices = self.spelled_indices(text.strip())
        return None if indices is None else self.decode(np.array(indices))

    def validate(self, architecture: Architecture) -> Architecture:
        """The same architecture with its notation."""
        if architecture.space != self.name:
            raise ArchitectureError(
                f"an architecture of space '{architecture.space}' does not belong to space '{self.name}'"
            )
        chosen = architecture[self.gene]
        if len(architecture.genes) > 1 or not isinstance(chosen, tuple) or len(chosen) != len(self.decisions):
            raise ArchitectureError(
                f"an architecture of space '{self.name}' has the field '{self.gene}' alone, a list of "
                f"{len(self.decisions)} options"
            )
        for (name, options), option in zip(self.decisions, chosen, strict=True):
            if option not in options:
                raise ArchitectureError(f"{name} is {option!r}; it must be one of {', '.join(map(str, options))}")
        return self.decode(self.encode(architecture))

    @cached_property
    def cardinalities(self) -> tuple[int, ...]:
        """The number of options of each decision."""
        return tuple(len(options) for _, options in self.decisions)

    def encode(self, architecture: Architecture) -> np.ndarray:
        """The index of each option."""
        pairs = zip(self.decisions, architecture[self.gene], strict=True)
        return np.array([options.index(option) for (_, options), option in pairs])

    def decode(self, vector: np.ndarray) -> Architecture:
        """The architecture with the options of these indices."""
        indices = [int(index) for index in vector]
        sizes = self.cardinalities
        if len(indices) != len(sizes) or not all(0 <= index < size for index, size in zip(indices, sizes, strict=True)):
            raise ArchitectureError(f"a vector of space '{self.name}' has {len(sizes)} integers below {sizes}")
        pairs = zip(self.decisions, indices, strict=True)
        chosen = tuple(options[index] for (_, options), index in pairs)
        return Architecture(self.name, ((self.gene, chosen),), self.spelled(indices))
