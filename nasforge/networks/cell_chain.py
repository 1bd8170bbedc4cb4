"""Abilities of spaces of whole networks: cells in a chain that are edited from outside and inside, and tensors that one
network hands on to another."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from nasforge.architecture import Architecture
from nasforge.space import SearchSpace


class CellChain(SearchSpace):
    """Ability: chains of known cells, whose order and wiring (outside) and whose nodes and edges (inside) are edited
    apart, as the two stages of TS-ENAS do.

    A position counts cells from 1; 0 is the input layer. The space knows which edits are legal, a strategy decides
    where and how often. A method that edits leaves its argument as it is, and gives an equal architecture where
    nothing else could be chosen.

    Raises:
        ArchitectureError: from every method, for a position or a depth that is not there.
    """

    @property
    @abstractmethod
    def depths(self) -> tuple[int, int]:
        """The least and the largest number of cells."""

    @abstractmethod
    def sample_chain(self, depth: int, rng: np.random.Generator) -> Architecture:
        """A random chain of `depth` known cells."""

    @abstractmethod
    def kinds(self, architecture: Architecture) -> tuple[str, ...]:
        """The kind of each cell (`normal`, `reduction`), from position 1 on; as many as there are cells."""

    # Outside

    @abstractmethod
    def mutate_cell(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """Another known cell of the same kind stands at `position`; its wiring stays."""

    @abstractmethod
    def mutate_connection(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """The free input of the cell at `position` comes from another earlier layer."""

    @abstractmethod
    def swap_cells(
        self, a: Architecture, b: Architecture, pairs: Iterable[tuple[int, int]]
    ) -> tuple[Architecture, Architecture]:
        """Both with cells exchanged, inside included; each keeps its own wiring.

        Args:
            pairs: (position in a, position in b) of cells of one kind; an `ArchitectureError` names a pair of two.
        """

    # Inside

    @abstractmethod
    def mutate_operation(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """One edge of the cell at `position` carries another operation."""

    @abstractmethod
    def mutate_input(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """One node of the cell at `position` takes one of its inputs from another earlier state."""

    @abstractmethod
    def prune_node(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """One node of the cell at `position` is gone; at least one stays."""


class WeightInheritance(SearchSpace):
    """Ability: what trained in one network can begin another one, tensor by tensor."""

    @abstractmethod
    def weight_key(self, architecture: Architecture, tensor: str) -> str | None:
        """The key under which a store keeps a tensor of the network that `build` makes of `architecture`.

        Tensors with one key and one shape may stand for each other. The same known cell at another position or in
        another network has the same keys; at another width it has the same keys and other shapes.

        Args:
            tensor: its name in the network's `state_dict`.

        Returns:
            None if it must not be inherited, as the running statistics of BatchNorms, which belong to a position.

        Raises:
            ArchitectureError: the network of `architecture` has no cell where the name says.
        """

    @property
    def inheritance_facts(self) -> Mapping[str, str]:
        """What else must be equal for a store's tensors to mean the same: options under which a key stands for
        something else, by name."""
        return {}

    @abstractmethod
    def cover(self) -> Sequence[Architecture]:
        """A few architectures that hold, between them, each known cell at every width at which one can stand.

        Whoever trains them together has filled a store: they are this space's supernet.
        """
