"""The search space of NAS-Bench-201 (Dong and Yang 2020): five operations on the six edges of one cell."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
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
    Shape,
    Supernet,
    VectorEncoded,
    WeightSharing,
    size_or_default,
    softmax_per_node,
)

from . import cell
from .cell import EDGES, GENE, NODES, OPERATIONS, SIZES
from .network import EvaluationNetwork
from .notations import EXAMPLES, from_notation
from .supernet import NASBench201Supernet


class NASBench201(WeightSharing, VectorEncoded):
    """The 15,625 cells of NAS-Bench-201.

    An architecture's only gene, `cell`, names the operations on the edges 1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2. Vectors
    hold their indices in none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3.

    Args:
        channels: initial width C of the supernet.
        cells: cells N in each of its three stages.
        evaluation_channels: initial width of the network for retraining.
        evaluation_cells: cells in each of its three stages.
    """

    name = "nasbench201"
    notations = EXAMPLES

    def __init__(
        self,
        *,
        channels: Channels = 16,
        cells: Cells = 1,
        evaluation_channels: Channels = 16,
        evaluation_cells: Cells = 5,
    ) -> None:
        self.channels, self.cells = channels, cells
        self.evaluation_channels, self.evaluation_cells = evaluation_channels, evaluation_cells

    # Reading and writing architectures

    @cached_property
    def presets(self) -> Mapping[str, Architecture]:
        """The benchmark's best cells, the cell of a ResNet, and others that papers discuss."""
        return cell.published()

    def from_notation(self, text: str) -> Architecture | None:
        """The cell in the benchmark's string, its index, or the other forms that tools print: see `notations.py`."""
        return from_notation(text)

    def validate(self, architecture: Architecture) -> Architecture:
        """The same architecture with its notation."""
        self._check_own(architecture)
        return cell.canonical(dict(architecture.genes))

    def _check_own(self, architecture: Architecture) -> None:
        if architecture.space != self.name:
            raise ArchitectureError(
                f"an architecture of space '{architecture.space}' does not belong to space '{self.name}'"
            )

    def function_key(self, architecture: Architecture) -> Hashable:
        """The benchmark's unique string: the same for isomorphic cells, although their table entries differ."""
        return cell.function_key(self.validate(architecture)[GENE])

    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """The cell without edges that carry `none`."""
        names = self.validate(architecture)[GENE]
        edges = [(*edge, name) for edge, name in zip(EDGES, names, strict=True) if name != "none"]
        return [CellGraph("cell", tuple(str(node) for node in range(NODES)), tuple(edges))]

    # Vectors

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Five operations on each of six edges."""
        return SIZES

    def encode(self, architecture: Architecture) -> np.ndarray:
        """Integers (6,)."""
        self._check_own(architecture)
        return cell.choices(architecture.genes).copy()

    def decode(self, vector: np.ndarray) -> Architecture:
        """The architecture for integers (6,)."""
        return cell.of_choices(tuple(np.asarray(vector, dtype=int).tolist()))

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
        """The benchmark's network; see `SearchSpace.build`.

        Args:
            cells: N, the cells in each of the three stages.
            auxiliary: has no effect: the benchmark has no auxiliary head.

        Raises:
            ArchitectureError: the architecture does not belong to this space.
            OptionError: an image side is below 4.
        """
        return EvaluationNetwork(
            self.validate(architecture)[GENE],
            input_shape,
            classes,
            channels=size_or_default("channels", channels, self.evaluation_channels),
            cells=size_or_default("cells", cells, self.evaluation_cells),
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

        BatchNorms of the mixed operations have no affine parameters; those around the cells do.

        Raises:
            OptionError: an image side is below 4, or the benchmark's supernet lacks an option.
        """
        lacking = {
            "partial_channels": (partial_channels, 1, "its cells mix all channels"),
            "include_none": (include_none, True, "`none` is one of its five operations"),
            "pool_normalization": (pool_normalization, False, "no BatchNorm follows its pools"),
        }
        for option, (value, allowed, reason) in lacking.items():
            if value is not None and value != allowed:
                raise OptionError(
                    f"{option}={_shown(value)} does not work with space '{self.name}': {reason}; "
                    f"{option}=null or {_shown(allowed)} would be right"
                )
        return NASBench201Supernet(
            input_shape,
            classes,
            channels=size_or_default("channels", channels, self.channels),
            cells=size_or_default("cells", cells, self.cells),
        )

    # Mixing weights

    @property
    def mix_labels(self) -> Mapping[str, tuple[Sequence[str], Sequence[str]]]:
        """Edges as "from → to" and operations."""
        return {GENE: ([f"{source} → {target}" for source, target in EDGES], OPERATIONS)}

    def mix(self, alphas: Mapping[str, Tensor], betas: Mapping[str, Tensor] | None = None) -> Mix:
        """Mixing weights (..., 6, 5) from alphas (..., 6, 5): softmax over all five operations, including `none`.

        If betas (..., 6) are given, multiplies by their softmax over the edges into each node. They do not affect
        `derive`, which compares the operations of one edge.
        """
        logits = alphas[GENE]
        if tuple(logits.shape[-2:]) != (len(EDGES), len(OPERATIONS)):
            raise ValueError(
                f"alphas['{GENE}'] has shape {tuple(logits.shape)}; space '{self.name}' expects "
                f"({len(EDGES)}, {len(OPERATIONS)})"
            )
        rows = torch.softmax(logits, dim=-1)
        return {GENE: rows if betas is None else rows * softmax_per_node(betas[GENE], range(1, NODES))[..., None]}

    def mix_of(self, architecture: Architecture) -> Mix:
        """One-hot rows; a row of zeros would also mean `none`."""
        rows = torch.zeros(len(EDGES), len(OPERATIONS))
        rows[torch.arange(len(EDGES)), torch.from_numpy(self.encode(architecture))] = 1.0
        return {GENE: rows}

    def derive(self, mix: Mix) -> Architecture:
        """On each edge, the operation with the largest weight, including `none`; ties keep the first one."""
        return self.decode(mix[GENE].detach().cpu().numpy().argmax(axis=1))


def _shown(value: int | bool) -> str:
    return str(value).lower()
