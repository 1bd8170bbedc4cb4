"""A space that also builds architectures from outside it, so that any estimator can score them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence

import numpy as np

from nasforge.architecture import Architecture, CellGraph
from nasforge.space import Network, SearchSpace, Shape


class WiderSpace(SearchSpace):
    """Wraps a space and adds `build_other`, for use in `run.score(..., space=...)`.

    Attributes:
        space: the wrapped space.
        other: the value of `Architecture.space` in architectures from outside the space.
    """

    def __init__(self, space: SearchSpace, other: str) -> None:
        self.space, self.other = space, other
        self.name = space.name  # type: ignore[misc]  # a class variable in other spaces, the wrapped space's name here
        self.least_cells = space.least_cells  # type: ignore[misc]

    @abstractmethod
    def build_other(
        self, architecture: Architecture, input_shape: Shape, classes: int, *, channels: int | None, cells: int | None
    ) -> Network:
        """Build an architecture whose `space` is `other`; see `SearchSpace.build`."""

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
        """Build with the wrapped space, or with `build_other`."""
        if architecture.space == self.other:
            return self.build_other(architecture, input_shape, classes, channels=channels, cells=cells)
        return self.space.build(architecture, input_shape, classes, channels=channels, cells=cells, auxiliary=auxiliary)

    def sample(self, rng: np.random.Generator) -> Architecture:
        """See the wrapped space."""
        return self.space.sample(rng)

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """See the wrapped space."""
        return self.space.mutate(architecture, rng)

    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """See the wrapped space."""
        return self.space.crossover(a, b, rng)

    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """See the wrapped space."""
        return self.space.draw(architecture)

    def validate(self, architecture: Architecture) -> Architecture:
        """See the wrapped space."""
        return self.space.validate(architecture)

    def function_key(self, architecture: Architecture) -> Hashable:
        """See the wrapped space."""
        return self.space.function_key(architecture)
