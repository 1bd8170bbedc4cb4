"""The contract of a search space, and the abilities it may have."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from nasforge.architecture import Architecture, CellGraph
from nasforge.architecture_files import file_of, names_in
from nasforge.errors import ArchitectureError, OptionError, shortened, unknown

Shape = tuple[int, int, int]
"""An image's (channels, height, width)."""
LONGEST_NAME = 60
"""Characters of a text that may be a mistyped name."""
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
    notations: ClassVar[Sequence[str]] = ()
    """How the field writes the space's architectures, an example of each form that `from_notation` reads."""

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

    def from_notation(self, text: str) -> Architecture | None:
        """The architecture that `text` writes as the field does; other words, as in a line of a log, may surround it.

        A space overrides this, and gives an example of each form in `notations`.

        Returns:
            None if `text` holds none of the space's notations.

        Raises:
            ArchitectureError: it holds one that is broken, several different ones, or one with more than one meaning.
        """
        return None

    def read(self, text: str) -> Architecture:
        """The architecture that `text` names or holds: a preset, JSON, or one of the space's notations.

        It may also be the path of a file that holds one of these, or FILE:NAME for what a file assigns to NAME.

        Raises:
            ArchitectureError: it holds a broken architecture, or none.
            UnknownNameError: it is a single word that nothing is called.
        """
        if (text := text.strip()) in self.presets:
            return self.presets[text]
        if (file := file_of(text)) is not None:
            return self._from_file(*file)
        if (found := self._written(text, "the architecture given")) is not None:
            return found
        if text.endswith(".json"):
            raise ArchitectureError(f"no file '{text}' to read an architecture from")
        if len(text.split()) > 1 or len(text) > LONGEST_NAME:
            raise ArchitectureError(
                f"'{shortened(text)}' holds no architecture of space '{self.name}'; {self._forms()}"
            )
        raise unknown(f"architecture of space '{self.name}'", text, self.presets, or_else=self._forms())

    def _from_file(self, where: str, content: str) -> Architecture:
        names = names_in(content)
        hint = f"; '{where}:{names[0]}' would take the one called {names[0]}" if len(names) > 1 else ""
        try:
            found = self._written(content.strip(), where)
        except ArchitectureError as error:
            raise ArchitectureError(f"{where}: {str(error).removeprefix(f'{where}: ')}{hint}") from None
        if found is None:
            raise ArchitectureError(f"{where} holds no architecture of space '{self.name}'; {self._forms()}")
        return found

    def _written(self, text: str, where: str) -> Architecture | None:
        ours = text.startswith("{") and '"genes"' in text
        if not ours and (found := self.from_notation(text)) is not None:
            return found
        return self._from_json(text, where) if text.startswith("{") or where.endswith(".json") else None

    def _forms(self) -> str:
        """What can be read, for a sentence."""
        return f"{', '.join((*self.notations, 'JSON'))} and files of these can be read"

    def _from_json(self, text: str, where: str) -> Architecture:
        try:
            architecture = Architecture.from_json(json.loads(text))
        except json.JSONDecodeError as error:
            raise ArchitectureError(f"{where} is not JSON: {error}") from None
        except RecursionError:
            raise ArchitectureError(f"{where} is nested too deeply to be an architecture") from None
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


def size_or_default(option: str, value: int | None, default: int) -> int:
    """A width or depth that a caller asks for, or the space's own if that is None.

    Raises:
        OptionError: it is below 1; `option` names it.
    """
    if value is not None and value < 1:
        raise OptionError(f"space.{option}={value} must be at least 1")
    return default if value is None else value
