"""A space that also builds what is none of its architectures, so that estimators can score it by their contract."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence

import numpy as np

from nasforge.architecture import Architecture, CellGraph
from nasforge.space import Network, SearchSpace, Shape


class WiderSpace(SearchSpace):
    """Everything is the space's own but for `build_other`: what `run.score(..., space=...)` is given.

    Attributes:
        space: the one that is widened.
        other: what `Architecture.space` says of those that the space does not have.
    """

    def __init__(self, space: SearchSpace, other: str) -> None:
        self.space, self.other = space, other
        self.name = space.name  # type: ignore[misc]  # that of one class elsewhere, of the space given here
        self.least_cells = space.least_cells  # type: ignore[misc]

    @abstractmethod
    def build_other(
        self, architecture: Architecture, input_shape: Shape, classes: int, *, channels: int | None, cells: int | None
    ) -> Network:
        """As `SearchSpace.build`, of an architecture that says `other`."""

    def build(
        self,
        architecture: Architecture,
        input_shape: Shape,
        classes: int,
        *,
        channels: int | None = None,
        cells: int | None = None,
        auxiliary: bool = False,
    ) -> Network:
        """The space's network, or `build_other`'s."""
        if architecture.space == self.other:
            return self.build_other(architecture, input_shape, classes, channels=channels, cells=cells)
        return self.space.build(architecture, input_shape, classes, channels=channels, cells=cells, auxiliary=auxiliary)

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Of the space."""
        return self.space.sample(rng)

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Of the space."""
        return self.space.mutate(architecture, rng)

    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """Of the space."""
        return self.space.crossover(a, b, rng)

    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """Of the space."""
        return self.space.draw(architecture)

    def validate(self, architecture: Architecture) -> Architecture:
        """Of the space."""
        return self.space.validate(architecture)

    def function_key(self, architecture: Architecture) -> Hashable:
        """Of the space."""
        return self.space.function_key(architecture)
