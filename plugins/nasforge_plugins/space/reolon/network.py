"""Networks of growing cells (II, Phenotype; Fig. 3): nodes concatenate, and chained cells read the image again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge import Network, Shape, drop_path

from .genome import Genome
from .operations import OPERATIONS

Pooling = Literal["large", "always"]
LARGE_SIDE = 50
"""A map with a longer side is pooled with either option."""


class GrowingCell(nn.Module):
    """One cell, (B, channels, H, W) to (B, width of its last node, H', W'), that may pool its input first.

    A map with a side below 3 is never pooled.

    Args:
        channels: the channels of its input.
        pooling: `always`, or only for maps with a side of more than 50 pixels (`large`).
    """

    def __init__(self, genome: Genome, channels: int, pooling: Pooling) -> None:
        super().__init__()
        self.pooling = pooling
        widths = [channels, *map(genome.width, range(1, genome.depth + 1))]
        used = _used_nodes(genome)
        self.operations = nn.ModuleDict()
        self.incoming: dict[int, list[tuple[str, int]]] = {}
        for source, node, name, n in genome.connections:
            if node in used:
                key = f"{source}_{node}_{name}"
                self.operations[key] = OPERATIONS[name](widths[source], n)
                self.incoming.setdefault(node, []).append((key, source))

    def forward(self, x: Tensor, drop: float | Tensor = 0.0) -> Tensor:
        """The map of the last node.

        Args:
            drop: the probability that the output of an operation is dropped, per sample, in training mode.
        """
        nodes = {0: self._pooled(x)}
        for node, incoming in self.incoming.items():
            outputs = [drop_path(self.operations[key](nodes[source]), drop, self.training) for key, source in incoming]
            nodes[node] = torch.cat(outputs, dim=1)
        return nodes[max(nodes)]

    def _pooled(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if min(height, width) >= 3 and (self.pooling == "always" or max(height, width) > LARGE_SIDE):
            return F.max_pool2d(x, 3, stride=2)
        return x


def _used_nodes(genome: Genome) -> set[int]:
    """The nodes on which the last one depends."""
    used = {genome.depth}
    for node in range(genome.depth, 0, -1):
        if node in used:
            used |= {source for source, block in enumerate(genome.arriving(node)) if any(block)}
    return used


class CellSequence(nn.Module):
    """A chain of cells: each but the first reads the output of the cell before it and the input, shrunk to its size.

    Args:
        channels: the channels of the input.
    """

    def __init__(self, genomes: Sequence[Genome], channels: int, pooling: Pooling) -> None:
        super().__init__()
        before = [0, *(genome.width(genome.depth) for genome in genomes)]
        self.cells = nn.ModuleList(
            GrowingCell(genome, width + channels, pooling) for genome, width in zip(genomes, before, strict=False)
        )
        self.width = before[-1]

    def forward(self, images: Tensor, drop: float | Tensor = 0.0) -> Tensor:
        """(B, channels, H, W) to (B, width, H', W')."""
        first, *others = self.cells
        x: Tensor = first(images, drop)
        for cell in others:
            x = cell(torch.cat([x, F.adaptive_avg_pool2d(images, (x.shape[2], x.shape[3]))], dim=1), drop)
        return x


class GrowingNetwork(Network):
    """A chain of cells, a global average pool and a linear classifier."""

    def __init__(self, genomes: Sequence[Genome], input_shape: Shape, classes: int, pooling: Pooling) -> None:
        super().__init__()
        self.features = CellSequence(genomes, input_shape[0], pooling)
        self.classifier = nn.Linear(self.features.width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes)."""
        features = self.features(images, self.drop_path)
        logits: Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits
