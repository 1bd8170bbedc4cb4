"""The supernet of NAS-Bench-201: one mixed cell, repeated over the benchmark's skeleton, optimized for speed.

The published one has a module for each operation and edge. Here, all convolutions of one size that read the same state
are one convolution; the pool and the skip depend only on the state and are computed once; a mixing weight is the scale
of the operation's BatchNorm; `none` is not computed at all. Maps are in channels_last order, which is faster on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge import Mix, Shape, Supernet, operation, readable_mix, weighted_sum
from nasforge_plugins.space.partial_edges import normalized, rows_of

from .cell import EDGES, GENE, NODES, OPERATIONS
from .network import KERNELS
from .skeleton import Skeleton

LEAVING = tuple(tuple(number for number, (source, _) in enumerate(EDGES) if source == node) for node in range(NODES))
"""By node: its outgoing edges."""
BY_NODE = tuple(edge for edges in LEAVING for edge in edges)
"""The edges in the order of the nodes that they leave."""
Terms = list[tuple[Tensor, Tensor | None]]
Present = Sequence[Sequence[bool]]
"""By edge and operation: whether it is computed."""


class EdgeConvolutions(nn.Module):
    """`nor_conv_kxk` with separate weights on each of E edges that leave one state.

    Channel e * C + c is channel c of edge e. The BatchNorm has no affine parameters.
    """

    def __init__(self, edges: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.edges, self.channels = edges, channels
        self.conv = nn.Conv2d(channels, edges * channels, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(edges * channels, affine=False)

    def forward(self, rectified: Tensor, weights: Tensor, selected: Sequence[int]) -> Tensor:
        """ReLU'd state (B, C, H, W) to the weighted outputs (B, P * C, H, W) of P of the edges.

        Args:
            weights: (P,), the mixing weights of the selected edges.
            selected: indices of P of the E edges.
        """
        scale = weights.repeat_interleave(self.channels)
        edges = None if len(selected) == self.edges else selected
        kernels = rows_of(self.conv.weight, edges, self.edges)
        out = self.conv(rectified) if edges is None else F.conv2d(rectified, kernels, padding=self.conv.padding)
        return normalized(self.norm, out, scale, edges, self.edges)


class SearchCell(nn.Module):
    """A cell with all operations on each of its six edges."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = operation("avg_pool_3x3", channels)
        self.convolutions = nn.ModuleList(
            nn.ModuleDict({name: EdgeConvolutions(len(edges), channels, kernel) for name, kernel in KERNELS.items()})
            for edges in LEAVING[:-1]
        )

    def forward(self, x: Tensor, weights: Sequence[Tensor], present: Present) -> Tensor:
        """(B, C, H, W) to the same shape, under the mixing weights (E, 5) of the E edges that leave each node."""
        incoming: list[Terms] = [[] for _ in range(NODES)]
        state = x
        for node in range(NODES - 1):
            if node:
                state = _sum(incoming[node], x)
            self._leave(node, state, weights[node], present, incoming)
        return _sum(incoming[-1], x)

    def _leave(self, node: int, state: Tensor, weights: Tensor, present: Present, incoming: Sequence[Terms]) -> None:
        """Add the outputs of the edges that leave a node to their targets."""
        rectified: Tensor | None = None  # computed only if a convolution reads it
        for column, name in enumerate(OPERATIONS):
            edges = [edge for edge in LEAVING[node] if present[edge][column]]
            if name == "none" or not edges:
                continue
            targets = [EDGES[edge][1] for edge in edges]
            if name in KERNELS:
                rectified = F.relu(state) if rectified is None else rectified
                selected = [LEAVING[node].index(edge) for edge in edges]
                shares = rows_of(weights[:, column], None if len(edges) == len(weights) else selected, len(weights))
                out = self.convolutions[node][name](rectified, shares, selected)  # type: ignore[index]
                for target, part in zip(targets, out.chunk(len(edges), dim=1), strict=True):
                    incoming[target].append((part, None))
            else:
                out = state if name == "skip_connect" else self.pool(state)
                for edge, target in zip(edges, targets, strict=True):
                    incoming[target].append((out, weights[LEAVING[node].index(edge), column]))


def _sum(terms: Terms, like: Tensor) -> Tensor:
    return weighted_sum(terms) if terms else torch.zeros_like(like)


class NASBench201Supernet(Supernet):
    """The supernet; see `NASBench201.supernet`.

    In eval mode without gradients on a CPU, and always if it is `sparse`, operations with weight 0 are skipped: a
    discrete architecture costs little more than it does alone. Otherwise all are computed, so that every BatchNorm
    collects its statistics; on a GPU, only a `KnownMix` says without a wait which weights are 0.
    """

    by_node: Tensor

    def __init__(self, input_shape: Shape, classes: int, *, channels: int, cells: int) -> None:
        super().__init__()
        self.options = {
            "channels": channels,
            "cells": cells,
            "partial_channels": 1,
            "include_none": True,
            "pool_normalization": False,
        }
        self.alpha_shapes = {GENE: (len(EDGES), len(OPERATIONS))}
        self.register_buffer("by_node", torch.tensor(BY_NODE), persistent=False)
        self.skeleton = Skeleton(input_shape, classes, channels, cells, SearchCell)

    def forward(self, images: Tensor, mix: Mix) -> Tensor:
        """Logits (B, classes) of images (B, C, H, W).

        Args:
            mix: `cell`, (6, 5); the column of `none` has no effect.

        Raises:
            ValueError: the mix has a wrong shape.
        """
        weights = mix[GENE]
        if tuple(weights.shape) != self.alpha_shapes[GENE]:
            raise ValueError(
                f"mix['{GENE}'] has shape {tuple(weights.shape)}; this supernet expects {self.alpha_shapes[GENE]}"
            )
        on_cpu = images.device.type == "cpu"
        sparse = self.sparse or (on_cpu and not (self.training or torch.is_grad_enabled()))
        present = (readable_mix(mix)[GENE] != 0).tolist() if sparse else [[True] * len(OPERATIONS)] * len(EDGES)
        by_node = torch.split(weights.index_select(0, self.by_node), [len(edges) for edges in LEAVING])
        layout = torch.channels_last if on_cpu else torch.contiguous_format
        logits: Tensor = self.skeleton(images.contiguous(memory_format=layout), by_node, present, layout=layout)
        return logits
