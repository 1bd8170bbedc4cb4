"""The ability of spaces whose networks hand trained weights on to each other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from nasforge.architecture import Architecture
from nasforge.space import SearchSpace


class WeightInheritance(SearchSpace):
    """Ability: a network can begin with the trained weights of another, tensor by tensor."""

    @abstractmethod
    def weight_key(self, architecture: Architecture, tensor: str) -> str | None:
        """The key under which a store keeps a tensor of the network that `build` makes of `architecture`.

        Tensors with the same key and shape can replace each other. The same known cell has the same keys at another
        position or in another network; at another width it has the same keys with other shapes.

        Args:
            tensor: its name in the network's `state_dict`.

        Returns:
            None if it must not be inherited, such as the running statistics of BatchNorm, which depend on the position.

        Raises:
            ArchitectureError: the network of `architecture` has no cell at the position in the name.
        """

    @property
    def inheritance_facts(self) -> Mapping[str, str]:
        """Other facts that must match for a store's tensors to mean the same: by name, options that change what a key
        means."""
        return {}

    @abstractmethod
    def cover(self) -> Sequence[Architecture]:
        """A few architectures that together contain each known cell at every width that it can have.

        Trained together they fill a store: they are this space's supernet.
        """
