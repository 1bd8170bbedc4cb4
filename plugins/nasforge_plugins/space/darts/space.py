"""The search space of DARTS (Liu et al. 2019): a normal and a reduction cell of four nodes with two inputs each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from nasforge import (
    Architecture,
    ArchitectureError,
    CellGraph,
    Cells,
    Channels,
    Mix,
    Network,
    OptionError,
    RowGroup,
    Shape,
    Supernet,
    WeightSharing,
    size_or_default,
    softmax_per_node,
    unknown,
)
from nasforge_plugins.shared.within_table import WithinTable

from . import genotypes
from .edges import CANDIDATES
from .genotypes import CELL_TYPES, EDGES, INPUTS, NODES, first_edge
from .network import EvaluationNetwork
from .supernet import DARTSSupernet

PAIRS = tuple(tuple(combinations(range(INPUTS + node), 2)) for node in range(NODES))
"""By node: the possible pairs of distinct source states."""
EDGES_PER_NODE = [INPUTS + node for node in range(NODES)]
CONCAT = tuple(range(INPUTS, INPUTS + NODES))


class DARTS(WithinTable, WeightSharing):
    """The search space of DARTS, with the partial channels of PC-DARTS in its supernet.

    An architecture's genes are `normal` and `reduce`, with two (operation, state) pairs per node, and the states that
    each cell concatenates. A vector encodes, for each cell type and node, the pair of source states and the operation
    on each edge.

    Args:
        channels: initial width C of the supernet.
        cells: number of cells L of the supernet; cells L//3 and 2L//3 reduce.
        evaluation_channels: initial width of the network for retraining.
        evaluation_cells: number of cells of that network.
        partial_channels: K of PC-DARTS: the supernet mixes 1/K of the channels; 1 mixes all, as DARTS does.
        include_none: whether the first column of the alphas is `none`.
        pool_normalization: whether BatchNorm follows pools inside the supernet.
        operations: the candidates, in the order of the alphas' columns.
        among: a table's name: only its architectures are sampled and varied.

    Raises:
        OptionError: the options are inconsistent.
    """

    name = "darts"
    supernet_options = frozenset({"partial_channels", "include_none", "pool_normalization"})
    notations = genotypes.EXAMPLES
    least_cells = 3  # L//3 and 2L//3 reduce: with one or two cells, none is normal

    def __init__(
        self,
        *,
        channels: Channels = 8,
        cells: Cells = 4,
        evaluation_channels: Channels = 36,
        evaluation_cells: Cells = 20,
        partial_channels: Channels = 4,
        include_none: bool = False,
        pool_normalization: bool = True,
        operations: Annotated[Sequence[str], Field(min_length=1)] = (
            "max_pool_3x3",
            "avg_pool_3x3",
            "skip_connect",
            "sep_conv_3x3",
            "sep_conv_5x5",
            "dil_conv_3x3",
            "dil_conv_5x5",
        ),
        among: str | None = None,
    ) -> None:
        self.channels, self.cells = channels, cells
        self.evaluation_channels, self.evaluation_cells = evaluation_channels, evaluation_cells
        self.partial_channels, self.include_none = partial_channels, include_none
        self.pool_normalization = pool_normalization
        self.operations, self.among = tuple(operations), among
        _check_operations(self.operations)
        _check_partial(channels, partial_channels)

    # Reading and writing architectures

    @cached_property
    def presets(self) -> Mapping[str, Architecture]:
        """Published genotypes of DARTS, PC-DARTS, P-DARTS, CARS, EG-NAS and the cells they compare with."""
        return genotypes.published()

    def from_notation(self, text: str) -> Architecture | None:
        """The architecture in a published `Genotype(normal=[...], ...)`, with or without a list for each node."""
        return genotypes.from_notation(text)

    def validate(self, architecture: Architecture) -> Architecture:
        """The canonical form: pairs sorted by state, then operation. Any operation that can be built is valid."""
        if architecture.space != self.name:
            raise ArchitectureError(
                f"an architecture of space '{architecture.space}' does not belong to space '{self.name}'"
            )
        return genotypes.canonical(dict(architecture.genes))

    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """The normal and the reduction cell."""
        architecture = self.validate(architecture)
        return [_graph(cell, architecture[cell], architecture[f"{cell}_concat"]) for cell in CELL_TYPES]

    # Vectors

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """For each cell type and node: the number of state pairs (1, 3, 6, 10), and twice that of operations."""
        choices = len(self.operations)
        return tuple(number for pairs in PAIRS for number in (len(pairs), choices, choices)) * len(CELL_TYPES)

    def encode(self, architecture: Architecture) -> np.ndarray:
        """Integers (24,); an `ArchitectureError` says why a cell from another paper has no vector."""
        architecture = self.validate(architecture)
        vector: list[int] = []
        for cell in CELL_TYPES:
            self._check_searchable(architecture, cell)
            for pairs, ((first, low), (second, high)) in zip(PAIRS, architecture[cell], strict=True):
                vector += [pairs.index((low, high)), self.operations.index(first), self.operations.index(second)]
        return np.array(vector)

    def decode(self, vector: np.ndarray) -> Architecture:
        """The architecture for integers (24,)."""
        decisions = [int(value) for value in vector]
        if len(decisions) != len(self.cardinalities) or not all(
            0 <= value < limit for value, limit in zip(decisions, self.cardinalities, strict=True)
        ):
            raise ArchitectureError(f"a vector of space '{self.name}' has 24 integers below {self.cardinalities}")
        genes: dict[str, Any] = {}
        for number, cell in enumerate(CELL_TYPES):
            nodes = []
            for node, pairs in enumerate(PAIRS):
                pair, first, second = decisions[3 * (number * NODES + node) :][:3]
                low, high = pairs[pair]
                nodes.append(((self.operations[first], low), (self.operations[second], high)))
            genes |= {cell: nodes, f"{cell}_concat": CONCAT}
        return genotypes.canonical(genes)

    def _check_searchable(self, architecture: Architecture, cell: str) -> None:
        nodes, concat = architecture[cell], architecture[f"{cell}_concat"]
        if len(nodes) != NODES:
            raise ArchitectureError(
                f"the {cell} cell has {len(nodes)} nodes; the supernet of space '{self.name}' has 4"
            )
        if concat != CONCAT:
            raise ArchitectureError(
                f"the {cell} cell concatenates states {list(concat)}; searched cells of space '{self.name}' "
                f"concatenate {list(CONCAT)}"
            )
        for number, ((first, low), (second, high)) in enumerate(nodes):
            if low == high:
                raise ArchitectureError(
                    f"node {number} of the {cell} cell takes state {low} twice; searched cells of space "
                    f"'{self.name}' take two different states"
                )
            for name in (first, second):
                if name not in self.operations:
                    raise ArchitectureError(
                        f"node {number} of the {cell} cell has the operation '{name}', which is not among the "
                        f"candidates in space.operations: {', '.join(self.operations)}"
                    )

    # Networks

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
        """The evaluation network; see `SearchSpace.build`.

        Images of 128 pixels and more get the ImageNet form: a stem of three stride-2 convolutions, which counts as a
        reduction before the first cell (the paper trains it with 48 channels and 14 cells). The auxiliary head is
        omitted if its map would be smaller than 7x7; the published case is an 8x8 map (images of 32x32).

        Raises:
            ArchitectureError: the architecture does not belong to this space.
            OptionError: an image side below 4, or an odd width with the ImageNet stem.
        """
        channels = size_or_default("channels", channels, self.evaluation_channels)
        cells = size_or_default("cells", cells, self.evaluation_cells)
        architecture = self.validate(architecture)
        return EvaluationNetwork(
            architecture, input_shape, classes, channels=channels, cells=cells, auxiliary=auxiliary
        )

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
        """The supernet; see `WeightSharing.supernet`.

        Cells L//3 and 2L//3 reduce, which are all cells if L is one or two. C/K may be odd, because the width is
        doubled before a FactorizedReduce.

        Raises:
            OptionError: C is not divisible by K, or an image side is below 4.
        """
        channels = size_or_default("channels", channels, self.channels)
        partial_channels = size_or_default("partial_channels", partial_channels, self.partial_channels)
        _check_partial(channels, partial_channels)
        return DARTSSupernet(
            input_shape,
            classes,
            operations=self.operations,
            channels=channels,
            cells=size_or_default("cells", cells, self.cells),
            partial_channels=partial_channels,
            include_none=self.include_none if include_none is None else include_none,
            pool_normalization=self.pool_normalization if pool_normalization is None else pool_normalization,
        )

    # Mixing weights

    @property
    def mix_labels(self) -> Mapping[str, tuple[Sequence[str], Sequence[str]]]:
        """Edges as "from → to" and operations; `none` has no column."""
        states = ("c_{k-2}", "c_{k-1}", *map(str, range(NODES)))
        edges = [f"{states[state]} → {node}" for node in range(NODES) for state in range(INPUTS + node)]
        return dict.fromkeys(CELL_TYPES, (edges, self.operations))

    def mix(self, alphas: Mapping[str, Tensor], betas: Mapping[str, Tensor] | None = None) -> Mix:
        """Mixing weights (..., 14, O) from alphas (..., 14, O) or, with `none` first, (..., 14, O + 1).

        Applies a softmax over all columns, then drops the column of `none`, whose output is zero. If betas (..., 14)
        are given, multiplies by their softmax over the edges into each node (PC-DARTS, Xu et al. 2020, section 3.3).
        With `none`, the mix also has `normal_bypass` and `reduce_bypass` (..., 14): the weights of the channels that
        bypass the operations, which are then no longer the sums of the rows.
        """
        mix: dict[str, Tensor] = {}
        for cell in CELL_TYPES:
            rows = torch.softmax(alphas[cell], dim=-1)
            bypass = torch.ones_like(rows[..., 0]) if betas is None else softmax_per_node(betas[cell], EDGES_PER_NODE)
            with_none = rows.shape[-1] - len(self.operations)
            if with_none not in (0, 1) or rows.shape[-2] != EDGES:
                raise ValueError(
                    f"alphas['{cell}'] has shape {tuple(rows.shape)}; space '{self.name}' expects "
                    f"({EDGES}, {len(self.operations)}), or one column more with `none` first"
                )
            mix[cell] = rows[..., with_none:] * bypass[..., None]
            if with_none:
                mix[f"{cell}_bypass"] = bypass
        return mix

    def mix_of(self, architecture: Architecture) -> Mix:
        """One-hot rows for the eight edges of each cell, zeros for the other six."""
        architecture = self.validate(architecture)
        mix = {cell: torch.zeros(EDGES, len(self.operations)) for cell in CELL_TYPES}
        for cell, rows in mix.items():
            self._check_searchable(architecture, cell)
            for node, pairs in enumerate(architecture[cell]):
                for name, state in pairs:
                    rows[first_edge(node) + state, self.operations.index(name)] = 1.0
        return mix

    def row_groups(self, mix: Mix) -> Sequence[RowGroup]:
        """The edges into each node, of which two are kept."""
        return [
            RowGroup(cell, tuple(range(first_edge(node), first_edge(node + 1))), kept=2)
            for cell in CELL_TYPES
            for node in range(NODES)
        ]

    def derive(self, mix: Mix) -> Architecture:
        """The best operation on each edge, and for each node the two incoming edges whose best weights are largest.

        Ties keep the lower state and the earlier operation (DARTS, section 2.4; `none` never competes).
        """
        genes: dict[str, Any] = {}
        for cell in CELL_TYPES:
            rows = mix[cell].detach().cpu().numpy()
            best = rows.max(axis=1)
            nodes = []
            for node in range(NODES):
                edges = range(first_edge(node), first_edge(node + 1))
                kept = sorted(edges, key=lambda edge: -best[edge])[:2]  # sorted() is stable
                nodes.append([(self.operations[rows[edge].argmax()], edge - edges.start) for edge in kept])
            genes |= {cell: nodes, f"{cell}_concat": CONCAT}
        return genotypes.canonical(genes)


def _check_partial(channels: int, partial: int) -> None:
    if partial < 1:
        raise OptionError(f"space.partial_channels={partial} must be at least 1")
    if channels % partial:
        nearest = partial * max(1, round(channels / partial))
        fitting = [str(k) for k in range(1, min(channels, 8) + 1) if channels % k == 0]
        raise OptionError(
            f"space.channels={channels} is not divisible by space.partial_channels={partial}: each edge mixes "
            f"channels/partial_channels; channels={nearest} or partial_channels={' or '.join(fitting)} would fit"
        )


def _check_operations(operations: Sequence[str]) -> None:
    for name in operations:
        if name == "none":
            raise OptionError("space.operations holds 'none'; leave it out and set space.include_none=true")
        if name not in CANDIDATES:
            raise OptionError(f"space.operations: {unknown('candidate operation', name, CANDIDATES)}")
    if len(set(operations)) < len(operations):
        raise OptionError(f"space.operations names a candidate twice: {', '.join(operations)}")


def _graph(cell: str, nodes: Any, concat: Any) -> CellGraph:
    labels = ("c_{k-2}", "c_{k-1}", *(str(number) for number in range(len(nodes))), "c_{k}")
    edges = [(state, INPUTS + at, name) for at, node in enumerate(nodes) for name, state in node]
    edges += [(state, len(labels) - 1, "") for state in concat]
    return CellGraph({"normal": "normal cell", "reduce": "reduction cell"}[cell], labels, tuple(edges))
