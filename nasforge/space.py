"""The contract of a search space, and the abilities it may have."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from nasforge.architecture import Architecture, CellGraph
from nasforge.errors import ArchitectureError, OptionError, unknown

Shape = tuple[int, int, int]
"""An image's (channels, height, width)."""
Mix = Mapping[str, Tensor]
"""Mixing weights by cell type: (edges, operations), already times beta where there is one; rows may be zero."""


class Network(nn.Module, ABC):
    """What `SearchSpace.build` returns: a classifier that the core can train without knowing its space.

    Attributes:
        drop_path: probability in [0, 1) of dropping a path, per sample; ignored in eval mode. The trainer sets it.
    """

    drop_path: float = 0.0

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, C, H, W)."""

    def with_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits and, if the network was built with an auxiliary head, that head's logits (B, classes)."""
        return self(images), None


class Supernet(nn.Module, ABC):
    """All of a space's architectures with shared weights; it receives mixing weights and never softmaxes.

    Attributes:
        options: of those of `WeightSharing.supernet` that the space has, each with its value, the defaults resolved:
            enough to build it again.
        alpha_shapes: (edges, columns) of the architecture parameters by cell type.
    """

    options: Mapping[str, int | bool]
    alpha_shapes: Mapping[str, tuple[int, int]]

    @abstractmethod
    def forward(self, images: Tensor, mix: Mix) -> Tensor:
        """Logits (B, classes) of images (B, C, H, W) under the mixing weights `mix`."""


class SearchSpace(ABC):
    """A set of architectures: draw them, vary them, build them, picture them.

    A subclass takes its options as keyword-only constructor arguments; they are the schema of its YAML.
    """

    name: ClassVar[str]
    """The registry name, which every architecture of the space carries."""
    least_cells: ClassVar[int] = 1
    """Depth of the shallowest network that has a cell of each type: what looks at shallower ones sees less than all."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Architecture:
        """A random architecture."""

    @abstractmethod
    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """A neighbour of `architecture`, different from it."""

    @abstractmethod
    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """A child of two parents."""

    @abstractmethod
    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """The graphs that show it to a person."""

    @abstractmethod
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
        """The network, with fresh weights from torch's global generator.

        Args:
            input_shape: (channels, height, width) of the images.
            channels: initial width; the space's own for evaluation if None.
            cells: depth in cells (or the space's nearest word for it); likewise.
            auxiliary: whether to add the auxiliary head, where the space has one.

        Raises:
            ArchitectureError: the architecture is not one of this space.
            OptionError: width, depth, head or image size do not go together.
        """

    @abstractmethod
    def validate(self, architecture: Architecture) -> Architecture:
        """The same architecture in canonical form, notation filled in; an `ArchitectureError` names what is wrong."""

    def function_key(self, architecture: Architecture) -> Hashable:
        """Equal for architectures that compute the same function; by default only for equal ones."""
        return architecture

    @property
    def presets(self) -> Mapping[str, Architecture]:
        """Published architectures by name."""
        return {}

    def read(self, text: str) -> Architecture:
        """The architecture that `text` names: a preset, a JSON file's path, or JSON itself."""
        if text in self.presets:
            return self.presets[text]
        if text.lstrip().startswith("{"):
            return self._from_json(text, "the architecture given")
        if Path(text).is_file():
            return self._from_json(Path(text).read_text(), text)
        if text.endswith(".json"):
            raise ArchitectureError(f"no file '{text}' to read an architecture from")
        raise unknown(f"architecture of space '{self.name}'", text, self.presets)

    def _from_json(self, text: str, where: str) -> Architecture:
        try:
            architecture = Architecture.from_json(json.loads(text))
        except json.JSONDecodeError as error:
            raise ArchitectureError(f"{where} is not JSON: {error}") from None
        except ArchitectureError as error:
            raise ArchitectureError(f"{where}: {error}") from None
        if architecture.space != self.name:
            raise ArchitectureError(f"{where} is of space '{architecture.space}'; the run's space is '{self.name}'")
        return self.validate(architecture)


class VectorEncoded(SearchSpace):
    """Ability: a fixed number of decisions, so any optimizer over integer vectors fits.

    `encode` and `decode` are inverse to each other; sampling, mutation and crossover come for free.
    """

    @property
    @abstractmethod
    def cardinalities(self) -> tuple[int, ...]:
        """How many choices each decision has."""

    @abstractmethod
    def encode(self, architecture: Architecture) -> np.ndarray:
        """Integers (decisions,), each in [0, cardinality); `ArchitectureError` if it has no vector."""

    @abstractmethod
    def decode(self, vector: np.ndarray) -> Architecture:
        """The architecture of integers (decisions,)."""

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Uniform over vectors."""
        return self.decode(rng.integers(self.cardinalities))

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """One decision, chosen uniformly among those with a choice, takes another value."""
        vector = self.encode(architecture).copy()
        free = [position for position, choices in enumerate(self.cardinalities) if choices > 1]
        position = free[rng.integers(len(free))]
        shift = rng.integers(1, self.cardinalities[position])
        vector[position] = (vector[position] + shift) % self.cardinalities[position]
        return self.decode(vector)

    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """Uniform crossover: each decision comes from either parent with equal chance."""
        from_a = rng.random(len(self.cardinalities)) < 0.5
        return self.decode(np.where(from_a, self.encode(a), self.encode(b)))


class WeightSharing(SearchSpace):
    """Ability: a supernet whose mixing weights come from outside, and the ways between alphas, mixes and cells."""

    supernet_options: ClassVar[frozenset[str]] = frozenset()
    """Which of `partial_channels`, `include_none` and `pool_normalization` this space leaves open; of its own accord no
    strategy asks for another."""

    @abstractmethod
    def supernet(
        self,
        input_shape: Shape,
        classes: int,
        *,
        channels: int | None = None,
        cells: int | None = None,
        partial_channels: int | None = None,
        include_none: bool | None = None,
        pool_normalization: bool | None = None,
    ) -> Supernet:
        """A supernet with fresh weights; an option left None is the space's own.

        Args:
            channels: initial width C. A supernet that has but one, or one depth, takes these all the same.
            cells: depth in cells.
            partial_channels: K of PC-DARTS; 1 mixes all channels.
            include_none: whether the alphas have a column for `none`.
            pool_normalization: whether BatchNorm follows pools inside mixed operations.

        Raises:
            OptionError: the space lacks an option (named), or the values do not go together.
        """

    def supernet_choices(self, asked: Mapping[str, Any], preferred: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments for `supernet`: what a person asked for; where they did not (None), what a strategy prefers, if
        this space leaves it open (`supernet_options`)."""
        preferred = {option: value for option, value in preferred.items() if option in self.supernet_options}
        given = {option: value for option, value in asked.items() if value is not None}
        return {**asked, **preferred, **given}

    def check_supernet_choices(self, **asked: Any) -> None:
        """Raise an `OptionError` if something is asked for (not None) that this space does not leave open."""
        for option, value in asked.items():
            if value is not None and option not in self.supernet_options:
                raise OptionError(
                    f"{option}={str(value).lower()} does not go with space '{self.name}', whose supernet has no such "
                    f"choice; {option}=null would be right"
                )

    @property
    def mix_labels(self) -> Mapping[str, tuple[Sequence[str], Sequence[str]]]:
        """Names of the edges and of the operations of a mix by cell type, for charts; absent ones are numbered."""
        return {}

    @abstractmethod
    def mix(self, alphas: Mapping[str, Tensor], betas: Mapping[str, Tensor] | None = None) -> Mix:
        """Mixing weights of logits: softmax over each row of alphas (..., edges, columns), times the per-node softmax
        of betas (..., edges) if given: where no two edges share a node, that is 1. Differentiable."""

    @abstractmethod
    def mix_of(self, architecture: Architecture) -> Mix:
        """One-hot mixing weights under which a supernet computes `architecture`; absent edges are zero."""

    @abstractmethod
    def derive(self, mix: Mix) -> Architecture:
        """The discrete architecture that a mix stands for, by the space's published rule."""
