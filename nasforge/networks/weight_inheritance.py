"""The ability of spaces whose networks can inherit each other's trained weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from nasforge.architecture import Architecture
from nasforge.space import SearchSpace


class WeightInheritance(SearchSpace):
    """Ability: a network can start from the trained weights of another, tensor by tensor."""

    @abstractmethod
    def weight_key(self, architecture: Architecture, tensor: str) -> str | None:
        """Return the key under which a store keeps a tensor of the network that `build` makes for `architecture`.

        Tensors with the same key and shape can replace each other. A known cell has the same keys at every position and
        in every network; at another width it has the same keys with other shapes.

        Args:
            tensor: the tensor's name in the network's `state_dict`.

        Returns:
            The key, or None if the tensor must not be inherited, such as the running statistics of a BatchNorm, which
            depend on the position.

        Raises:
            ArchitectureError: the network of `architecture` has no cell at the position that the name gives.
        """

    @property
    def inheritance_facts(self) -> Mapping[str, str]:
        """Options, by name, that change the meaning of a key; two stores are compatible only if these match."""
        return {}

    @abstractmethod
    def cover(self) -> Sequence[Architecture]:
        """Return a few architectures that together contain each known cell at every width that it can have.

        Training them together fills a store: they are this space's supernet.
        """
