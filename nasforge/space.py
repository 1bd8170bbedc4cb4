"""The contract of a search space, and of the abilities that it may have."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from nasforge.architecture import Architecture, CellGraph
from nasforge.architecture_files import file_of, names_in
from nasforge.errors import ArchitectureError, OptionError, shortened, unknown

Shape = tuple[int, int, int]
"""An image's (channels, height, width)."""
LONGEST_NAME = 60
"""A longer text is not treated as a mistyped name."""
Mix = Mapping[str, Tensor]
"""Mixing weights (edges, operations) by cell type, already multiplied by beta if there is one; rows may be zero."""


class Network(nn.Module, ABC):
    """The return type of `SearchSpace.build`: a classifier that the core can train without knowing its space.

    Attributes:
        drop_path: probability in [0, 1) of dropping a path, per sample; set by the trainer, ignored in eval mode. On a
            GPU it is a tensor (), whose value changes in place.
    """

    drop_path: float | Tensor = 0.0

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, classes) for images (B, C, H, W)."""

    def with_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return logits (B, classes), and those of the auxiliary head or None if it was built without one."""
        return self(images), None


class Supernet(nn.Module, ABC):
    """All architectures of a space with shared weights. It receives mixing weights, and never applies a softmax.

    Attributes:
        options: the value of each option of `WeightSharing.supernet` that the space has, with defaults resolved; enough
            to build the supernet again.
        alpha_shapes: shape (edges, columns) of the architecture parameters by cell type.
        sparse: whether training, too, may leave out operations whose weight is 0. They then learn nothing, and their
            BatchNorms gather no statistics. Strategies that train one path at a time set it, and pass a `KnownMix`, so
            that nothing has to wait for a GPU's values.
    """

    options: Mapping[str, int | bool | str]
    alpha_shapes: Mapping[str, tuple[int, int]]
    sparse: bool = False

    @abstractmethod
    def forward(self, images: Tensor, mix: Mix) -> Tensor:
        """Return logits (B, classes) for images (B, C, H, W) under the mixing weights `mix`."""


class SearchSpace(ABC):
    """A set of architectures that can be sampled, varied, built and drawn.

    A subclass takes its options as keyword-only constructor arguments, which define the keys of its YAML file.
    """

    name: ClassVar[str]
    """The registry name, which is also `Architecture.space` of its architectures."""
    least_cells: ClassVar[int] = 1
    """Depth of the shallowest network that has a cell of each type; shallower networks omit part of an architecture."""
    notations: ClassVar[Sequence[str]] = ()
    """An example of each notation of the field that `from_notation` reads."""
    fingerprint: str = ""
    """A hash of what defines the space besides its options, such as a user's code; a run resumes only with the same."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Architecture:
        """Return a random architecture."""

    @abstractmethod
    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Return a neighbor of `architecture` that differs from it."""

    @abstractmethod
    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """Return a child of two parents."""

    @abstractmethod
    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """Return the graphs to draw for people."""

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
        """Build the network, with new weights from torch's global generator.

        Args:
            input_shape: (channels, height, width) of the images.
            channels: initial width; None: the space's width for evaluation.
            cells: depth in cells, or in the space's closest unit; None: the space's depth for evaluation.
            auxiliary: whether to add the auxiliary head, if the space has one.
        """

    @abstractmethod
    def validate(self, architecture: Architecture) -> Architecture:
        """Return the architecture in canonical form with its notation; an `ArchitectureError` says what is wrong."""

    def function_key(self, architecture: Architecture) -> Hashable:
        """Return a key that is equal for architectures that compute the same function; by default the architecture."""
        return architecture

    @property
    def presets(self) -> Mapping[str, Architecture]:
        """Published architectures by name."""
        return {}

    def from_notation(self, text: str) -> Architecture | None:
        """Read an architecture in the field's notation, which other text, such as a line of a log, may surround.

        A space overrides this, and gives an example of each notation in `notations`.

        Returns:
            The architecture, or None if `text` contains none of the space's notations.

        Raises:
            ArchitectureError: the architecture is invalid or ambiguous, or there are several different ones.
        """
        return None

    def read(self, text: str) -> Architecture:
        """Read an architecture from the name of a preset, from JSON, or from one of the space's notations.

        `text` may also be the path of a file that holds one of these, or FILE:NAME for the value of NAME in a file.

        Raises:
            ArchitectureError: the text holds an invalid architecture, or none.
            UnknownNameError: the text is a single word, but not the name of a preset.
        """
        if (text := text.strip()) in self.presets:
            return self.presets[text]
        if (file := file_of(text)) is not None:
            return self._from_file(*file)
        if (architecture := self._written(text, "the architecture given")) is not None:
            return architecture
        if text.endswith(".json"):
            raise ArchitectureError(f"there is no file '{text}' to read an architecture from")
        if len(text.split()) > 1 or len(text) > LONGEST_NAME:
            raise ArchitectureError(
                f"'{shortened(text)}' holds no architecture of space '{self.name}'; {self._forms()}"
            )
        raise unknown(f"architecture of space '{self.name}'", text, self.presets, or_else=self._forms())

    def written(self, architecture: Architecture) -> str:
        """Return a text that `read` understands wherever it is read: the notation, or JSON if the space reads none."""
        text = str(architecture)
        return text if self.from_notation(text) == architecture else json.dumps(architecture.to_json())

    def _from_file(self, where: str, content: str) -> Architecture:
        names = names_in(content)
        hint = f"; '{where}:{names[0]}' reads the one named {names[0]}" if len(names) > 1 else ""
        try:
            architecture = self._written(content.strip(), where)
        except ArchitectureError as error:
            raise ArchitectureError(f"{where}: {str(error).removeprefix(f'{where}: ')}{hint}") from None
        if architecture is None:
            raise ArchitectureError(f"{where} holds no architecture of space '{self.name}'; {self._forms()}")
        return architecture

    def _written(self, text: str, where: str) -> Architecture | None:
        is_json = text.startswith("{") and '"genes"' in text
        if not is_json and (architecture := self.from_notation(text)) is not None:
            return architecture
        return self._from_json(text, where) if text.startswith("{") or where.endswith(".json") else None

    def _forms(self) -> str:
        """List the readable formats, for a message."""
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
            raise ArchitectureError(f"{where} belongs to space '{architecture.space}', not to the run's '{self.name}'")
        return self.validate(architecture)


class VectorEncoded(SearchSpace):
    """Ability: a fixed number of decisions, so that any optimizer over integer vectors works.

    `encode` and `decode` are inverses; this class derives sampling, mutation and crossover from them.
    """

    @property
    @abstractmethod
    def cardinalities(self) -> tuple[int, ...]:
        """Number of choices of each decision."""

    @abstractmethod
    def encode(self, architecture: Architecture) -> np.ndarray:
        """Return integers (decisions,), each in [0, cardinality); `ArchitectureError` if there is no such vector."""

    @abstractmethod
    def decode(self, vector: np.ndarray) -> Architecture:
        """Return the architecture of a vector of integers (decisions,)."""

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Sample uniformly over vectors."""
        cardinalities = self.cardinalities
        if len(set(cardinalities)) == 1:  # the same draws in less time
            return self.decode(rng.integers(cardinalities[0], size=len(cardinalities)))
        return self.decode(rng.integers(cardinalities))

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Change one decision, chosen uniformly among those with several choices, to another value."""
        vector, cardinalities = self.encode(architecture).copy(), self.cardinalities
        free = _free(cardinalities)
        position = free[rng.integers(len(free))]
        choices = cardinalities[position]
        vector[position] = (int(vector[position]) + int(rng.integers(1, choices))) % choices
        return self.decode(vector)

    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """Apply uniform crossover: take each decision from either parent with equal probability."""
        from_a = rng.random(len(self.cardinalities)) < 0.5
        return self.decode(np.where(from_a, self.encode(a), self.encode(b)))

    def neighbors(self, architecture: Architecture) -> list[Architecture]:
        """Return all architectures that are one step away: by default those that differ in one decision.

        Override it if architectures of the space are seldom one decision apart.
        """
        vector = self.encode(architecture)
        changed = [
            (position, value)
            for position, choices in enumerate(self.cardinalities)
            for value in range(choices)
            if value != vector[position]
        ]
        vectors = np.repeat(vector[None], len(changed), axis=0)
        for neighbor, (position, value) in zip(vectors, changed, strict=True):
            neighbor[position] = value
        return [self.decode(neighbor) for neighbor in vectors]

    def nearest(self, vector: np.ndarray) -> Architecture:
        """Return the architecture to estimate for integers (decisions,) that an optimizer proposes: by default the
        decoded one.

        Override it if the space searches among some of its architectures only.
        """
        return self.decode(vector)


@lru_cache
def _free(cardinalities: tuple[int, ...]) -> tuple[int, ...]:
    """Return the positions of decisions with several choices."""
    return tuple(position for position, choices in enumerate(cardinalities) if choices > 1)


@dataclass(frozen=True)
class RowGroup:
    """Rows of a mix among which `WeightSharing.derive` chooses, whatever other rows hold.

    It keeps some of them, each with one operation: those for which the product of the kept weights is largest.

    Attributes:
        cell: the cell type.
        rows: indices of the rows.
        kept: how many of them it keeps.
    """

    cell: str
    rows: tuple[int, ...]
    kept: int = 1


class WeightSharing(SearchSpace):
    """Ability: a supernet that receives its mixing weights, and conversions between alphas, mixes and architectures."""

    supernet_options: ClassVar[frozenset[str]] = frozenset()
    """Which of `partial_channels`, `include_none` and `pool_normalization` this space supports; strategies set no other
    option by default."""

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
        """Build a supernet with new weights; an option that is None takes the space's default.

        Args:
            channels: initial width C; also accepted, like `cells`, by a supernet that has only one.
            cells: depth in cells.
            partial_channels: K of PC-DARTS; 1 mixes all channels.
            include_none: whether the alphas have a column for `none`.
            pool_normalization: whether a BatchNorm follows each pool inside mixed operations.

        Raises:
            OptionError: the space does not support an option (the message names it), or the values do not fit together.
        """

    def supernet_choices(self, requested: Mapping[str, Any], preferred: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments for `supernet`: the user's value, or if that is None the strategy's preferred value, if
        this space supports the option (`supernet_options`)."""
        preferred = {option: value for option, value in preferred.items() if option in self.supernet_options}
        given = {option: value for option, value in requested.items() if value is not None}
        return {**requested, **preferred, **given}

    def check_supernet_choices(self, **requested: Any) -> None:
        """Raise an `OptionError` for a requested option (not None) that this space does not support."""
        for option, value in requested.items():
            if value is not None and option not in self.supernet_options:
                raise OptionError(
                    f"{option}={str(value).lower()} does not work with space '{self.name}', whose supernet has no such "
                    f"option; {option}=null would be right"
                )

    @property
    def mix_labels(self) -> Mapping[str, tuple[Sequence[str], Sequence[str]]]:
        """Names of a mix's edges and operations by cell type, for charts; charts number those without a name."""
        return {}

    @abstractmethod
    def mix(self, alphas: Mapping[str, Tensor], betas: Mapping[str, Tensor] | None = None) -> Mix:
        """Return mixing weights: a softmax over each row of alphas (..., edges, columns), times the softmax per node of
        betas (..., edges) if given, which is 1 for a node with a single edge. Differentiable."""

    @abstractmethod
    def mix_of(self, architecture: Architecture) -> Mix:
        """Return one-hot mixing weights under which a supernet computes `architecture`; missing edges are zero."""

    @abstractmethod
    def derive(self, mix: Mix) -> Architecture:
        """Derive the discrete architecture from a mix, by the space's published rule."""

    def row_groups(self, mix: Mix) -> Sequence[RowGroup]:
        """Return the groups of rows of which `derive` keeps some; by default it keeps an operation of every row.

        With constraints, a run derives the most probable combination of what the groups can keep within the bounds.
        """
        return [RowGroup(cell, (row,)) for cell, rows in mix.items() for row in range(len(rows))]


class Elastic(WeightSharing):
    """Ability: sizes such as widths, depths or kernels are choices, so one architecture is the largest and one the
    smallest."""

    @property
    @abstractmethod
    def largest(self) -> Architecture:
        """The architecture that uses the most weights of the supernet."""

    @property
    @abstractmethod
    def smallest(self) -> Architecture:
        """The architecture that uses the fewest."""


def size_or_default(option: str, value: int | None, default: int) -> int:
    """Return a requested width or depth, or the space's default if it is None.

    Raises:
        OptionError: the value is below 1; `option` is its name in the message.
    """
    if value is not None and value < 1:
        raise OptionError(f"space.{option}={value} must be at least 1")
    return default if value is None else value
