"""The ability of spaces of whole networks: cells in a chain that are edited from outside and inside."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

import numpy as np

from nasforge import Architecture, SearchSpace


class CellChain(SearchSpace):
    """Ability: chains of known cells. The cells and connections of a chain (outside) and the nodes and edges of a cell
    (inside) are edited separately, as in the two stages of TS-ENAS.

    Positions count cells from 1; 0 is the input layer. The space knows which edits are valid; a strategy decides where
    and how often to edit. An edit does not change its argument. If there is no other choice, it returns an equal
    architecture.

    Raises:
        ArchitectureError: from every method, if the position or the depth does not exist.
    """

    @property
    @abstractmethod
    def depths(self) -> tuple[int, int]:
        """The minimum and the maximum number of cells."""

    @abstractmethod
    def sample_chain(self, depth: int, rng: np.random.Generator) -> Architecture:
        """A random chain of `depth` known cells."""

    @abstractmethod
    def kinds(self, architecture: Architecture) -> tuple[str, ...]:
        """The kind (`normal`, `reduction`) of each cell, from position 1 on."""

    # Outside

    @abstractmethod
    def mutate_cell(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """Put another known cell of the same kind at `position`; its connections stay."""

    @abstractmethod
    def mutate_connection(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """Connect the free input of the cell at `position` to another earlier layer."""

    @abstractmethod
    def swap_cells(
        self, a: Architecture, b: Architecture, pairs: Iterable[tuple[int, int]]
    ) -> tuple[Architecture, Architecture]:
        """Exchange cells, including their inside, between two chains; each chain keeps its connections.

        Args:
            pairs: (position in a, position in b) of cells of the same kind; an `ArchitectureError` names a pair of
                different kinds.
        """

    # Inside

    @abstractmethod
    def mutate_operation(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """Put another operation on one edge of the cell at `position`."""

    @abstractmethod
    def mutate_input(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """Take one input of one node of the cell at `position` from another earlier state."""

    @abstractmethod
    def prune_node(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """Remove one node of the cell at `position`; at least one node stays."""
