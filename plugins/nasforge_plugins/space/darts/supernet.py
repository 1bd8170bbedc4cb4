"""The DARTS supernet (Liu et al. 2019) with the partial channels of PC-DARTS (Xu et al. 2020), optimized for speed.

The published network has one module per operation and edge. Here, all edges that leave one state (a `Fan`) are computed
together: pools and the plain skip depend only on the state and are computed once; the convolutions of several edges are
grouped convolutions over edges * C channels, for as many edges as fit in the cache; a mixing weight is the scale of the
operation's last BatchNorm. Maps are in channels_last order, which is faster on a CPU, and on a GPU that replays steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge import FactorizedReduce, Mix, ReLUConvBN, Shape, Supernet, readable_mix, weighted_sum
from nasforge_plugins.space.partial_edges import rows_of

from .edges import edge_operation, state_operation
from .genotypes import CELL_TYPES, EDGES, INPUTS, NODES, first_edge
from .stem import reductions, stem

Terms = list[tuple[Tensor, Tensor | None]]
Active = Sequence[Sequence[int] | None]
"""By operation: the edges of a fan on which it is computed; None for all."""


GROUP_SIZE = 16 * 32 * 32
"""Most values per image in the maps of a group of edges, unless a single edge has more: a batch of them should fit in a
CPU's cache."""


class Fan(nn.Module):
    """All candidate operations on the E edges that leave one state, at width C.

    Operations with separate weights on every edge run on groups of edges: one edge at a time for wide, large maps, many
    at once for narrow or small ones.

    Args:
        pixels: height times width of the output map.
    """

    def __init__(
        self, edges: int, channels: int, stride: int, pixels: int, operations: Sequence[str], pool_normalization: bool
    ) -> None:
        super().__init__()
        size = max(1, GROUP_SIZE // (channels * pixels))
        self.edges = edges
        self.groups = tuple(range(first, min(first + size, edges)) for first in range(0, edges, size))
        self.names = tuple(operations)
        self.channels = channels
        self.shared = nn.ModuleDict()
        self.own = nn.ModuleDict()
        for name in operations:
            of_state = state_operation(name, channels, stride, pool_normalization)
            if of_state is not None:
                self.shared[name] = of_state
            else:
                parts = (edge_operation(name, len(group), channels, stride) for group in self.groups)
                self.own[name] = nn.ModuleList(parts)

    def forward(self, x: Tensor, weights: Tensor, active: Active) -> list[Terms]:
        """For each edge, the terms whose sum is its mixed operation.

        Args:
            x: the state (B, C, H, W).
            weights: mixing weights (E, O).
            active: the edges on which each operation is computed.
        """
        terms: list[Terms] = [[] for _ in range(self.edges)]
        if any(edges is None or edges for name, edges in zip(self.names, active, strict=True) if name in self.own):
            rectified = F.relu(x)
            for number, group in enumerate(self.groups):
                self._add_own(terms, number, group, rectified, weights, active)
        for column, name in enumerate(self.names):
            edges = active[column]
            if name in self.shared and (edges is None or edges):
                out = self.shared[name](x)
                for edge in range(self.edges) if edges is None else edges:
                    terms[edge].append((out, weights[edge, column]))
        return terms

    def _add_own(
        self, terms: list[Terms], number: int, group: range, rectified: Tensor, weights: Tensor, active: Active
    ) -> None:
        total: Tensor | None = None
        for column, name in enumerate(self.names):
            if name in self.shared:
                continue
            operation = cast(nn.ModuleList, self.own[name])[number]
            edges = active[column]
            if edges is None:
                scale = weights[group.start : group.stop, column].repeat_interleave(self.channels)
                out = operation(rectified, scale)
                total = out if total is None else total.add_(out)
                continue
            selected = [edge for edge in edges if edge in group]
            if selected:
                scale = rows_of(weights[:, column], selected, self.edges).repeat_interleave(self.channels)
                out = operation(rectified, scale, [edge - group.start for edge in selected])
                for edge, part in zip(selected, out.chunk(len(selected), dim=1), strict=True):
                    terms[edge].append((part, None))
        if total is not None:
            for edge, part in zip(group, total.chunk(len(group), dim=1), strict=True):
                terms[edge].append((part, None))


class SearchCell(nn.Module):
    """A cell with all candidates on each of its 14 edges; BatchNorms have no affine parameters."""

    def __init__(
        self,
        widths: tuple[int, int],
        channels: int,
        reduction: bool,
        reduction_before: bool,
        pixels: int,
        operations: Sequence[str],
        partial_channels: int,
        pool_normalization: bool,
    ) -> None:
        super().__init__()
        preprocess = FactorizedReduce if reduction_before else ReLUConvBN
        self.preprocess0 = preprocess(widths[0], channels, affine=False)
        self.preprocess1 = ReLUConvBN(widths[1], channels, affine=False)
        self.reduction, self.groups = reduction, partial_channels
        self.mixed_width = channels // partial_channels
        strides = [2 if reduction and state < INPUTS else 1 for state in range(len(ROWS))]
        self.fans = nn.ModuleList(
            Fan(len(rows), self.mixed_width, stride, pixels, operations, pool_normalization)
            for rows, stride in zip(ROWS, strides, strict=True)
        )

    def forward(self, s0: Tensor, s1: Tensor, mixing: _Mixing) -> Tensor:
        """(B, C0, H0, W0) and (B, C1, H, W) to (B, 4C, H', W')."""
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        mixed: list[Terms] = [[] for _ in range(NODES)]
        bypassing: list[Terms] = [[] for _ in range(NODES)]
        for state, fan in enumerate(self.fans):
            if state >= INPUTS:
                states.append(self._node(mixed[state - INPUTS], bypassing[state - INPUTS], states[1]))
            self._leave(state, states[state], fan, mixing, mixed, bypassing)
        states.append(self._node(mixed[-1], bypassing[-1], states[1]))
        return torch.cat(states[INPUTS:], dim=1)

    def _leave(
        self, state: int, x: Tensor, fan: nn.Module, mixing: _Mixing, mixed: list[Terms], bypassing: list[Terms]
    ) -> None:
        targets = range(NODES - len(ROWS[state]), NODES)
        edges = fan(x[:, : self.mixed_width], mixing.weights[state], mixing.active[state])
        for target, terms in zip(targets, edges, strict=True):
            mixed[target] += terms
        if self.groups > 1:
            bypass = x[:, self.mixed_width :]
            if self.reduction and state < INPUTS:
                bypass = F.max_pool2d(bypass, 2, ceil_mode=True)
            for target, row in zip(targets, ROWS[state], strict=True):
                bypassing[target].append((bypass, mixing.bypass[row]))

    def _node(self, mixed: Terms, bypassing: Terms, like: Tensor) -> Tensor:
        if not mixed:  # every edge into this node is absent
            height, width = (-(-side // (2 if self.reduction else 1)) for side in like.shape[-2:])
            mixed = [(like.new_zeros(like.shape[0], self.mixed_width, height, width), None)]
        total = weighted_sum(mixed)
        return total if self.groups == 1 else partial_join(total, weighted_sum(bypassing), self.groups)


class _Mixing:
    """One cell type's mixing weights, grouped by source state.

    Args:
        rows: mixing weights (14, O).
        known: the same where they can be read, to leave out weights of 0; None to leave out nothing.
        by_state: the edges in the order of their source states (14,), on the device of `rows`.

    Attributes:
        weights: (E, O) by state.
        active: by state and operation, the edges on which it is computed; None for all.
        bypass: by edge, the weight of the channels that bypass the operations.
    """

    def __init__(self, rows: Tensor, known: Tensor | None, bypass: Tensor, by_state: Tensor) -> None:
        self.weights = torch.split(rows.index_select(0, by_state), [len(edges) for edges in ROWS])
        self.bypass = bypass.unbind()
        self.active: list[Active] = [[None] * rows.shape[1] for _ in ROWS]
        if known is not None:
            present = (known != 0).t().tolist()
            self.active = [[_positions(column, edges) for column in present] for edges in ROWS]


def _positions(present: Sequence[bool], edges: Sequence[int]) -> Sequence[int] | None:
    positions = [position for position, edge in enumerate(edges) if present[edge]]
    return None if len(positions) == len(edges) else positions


ROWS = tuple(
    tuple(first_edge(node) + state for node in range(max(0, state - INPUTS + 1), NODES))
    for state in range(INPUTS + NODES - 1)
)
"""By source state: its outgoing edges, one to each later node."""


class DARTSSupernet(Supernet):
    """The supernet over a space's candidate operations.

    In eval mode without gradients on a CPU, and always if it is `sparse`, operations with weight 0 are skipped: a
    discrete architecture costs little more than it does alone. Otherwise all are computed, so that every BatchNorm
    collects its statistics; on a GPU, only a `KnownMix` says without a wait which weights are 0.

    Attributes:
        layout: the order in which the values of maps lie in memory.
    """

    layout = torch.channels_last
    by_state: Tensor

    def __init__(
        self,
        input_shape: Shape,
        classes: int,
        *,
        operations: Sequence[str],
        channels: int,
        cells: int,
        partial_channels: int,
        include_none: bool,
        pool_normalization: bool,
    ) -> None:
        super().__init__()
        self.options = {
            "channels": channels,
            "cells": cells,
            "partial_channels": partial_channels,
            "include_none": include_none,
            "pool_normalization": pool_normalization,
        }
        self.mix_shape = (EDGES, len(operations))
        self.alpha_shapes = {cell: (EDGES, len(operations) + include_none) for cell in CELL_TYPES}
        by_state = torch.tensor([edge for edges in ROWS for edge in edges])
        self.register_buffer("by_state", by_state, persistent=False)
        self.stem = stem(input_shape, channels)
        widths, reduction_before = self.stem.widths, self.stem.reduces
        self.cells = nn.ModuleList()
        halvings = 3 if self.stem.reduces else 0
        candidates = (operations, partial_channels, pool_normalization)
        for index in range(cells):
            reduction = index in reductions(cells)
            channels, halvings = (2 * channels, halvings + 1) if reduction else (channels, halvings)
            pixels = math.prod(-(-side // 2**halvings) for side in input_shape[1:])
            self.cells.append(SearchCell(widths, channels, reduction, reduction_before, pixels, *candidates))
            widths, reduction_before = (widths[1], NODES * channels), reduction
        self.classifier = nn.Linear(widths[1], classes)

    def forward(self, images: Tensor, mix: Mix) -> Tensor:
        """Logits (B, classes) of images (B, C, H, W).

        Args:
            mix: `normal` and `reduce`, each (14, O) over the candidates without `none`. With partial channels, the
                channels that bypass an edge's operations are weighted by the sum of its row, unless the mix has
                `normal_bypass` and `reduce_bypass` (14,), as from `DARTS.mix` for alphas with a column for `none`.

        Raises:
            ValueError: the mix has a wrong shape.
        """
        on_cpu = images.device.type == "cpu"
        sparse = self.sparse or (on_cpu and not (self.training or torch.is_grad_enabled()))
        mixing = {cell: self._mixing(cell, mix, sparse) for cell in CELL_TYPES}
        states = self.stem(images.contiguous(memory_format=self.layout))
        s0, s1 = (state.contiguous(memory_format=self.layout) for state in states)
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1, mixing["reduce" if cell.reduction else "normal"])
        logits: Tensor = self.classifier(F.adaptive_avg_pool2d(s1, 1).flatten(1))
        return logits

    def _mixing(self, cell: str, mix: Mix, sparse: bool) -> _Mixing:
        rows = mix[cell]
        if tuple(rows.shape) != self.mix_shape:
            raise ValueError(f"mix['{cell}'] has shape {tuple(rows.shape)}; this supernet expects {self.mix_shape}")
        known = readable_mix(mix)[cell] if sparse else None
        return _Mixing(rows, known, mix.get(f"{cell}_bypass", rows.sum(dim=1)), self.by_state)


def partial_join(mixed: Tensor, bypass: Tensor, groups: int) -> Tensor:
    """Concatenate (B, C/K, H, W) and (B, C - C/K, H, W), then shuffle channels in K = `groups` groups.

    The channel shuffle of PC-DARTS (Xu et al. 2020): channel c of group k moves to index c * K + k. The memory layout,
    channels first or last, stays the same.
    """
    joined = torch.cat([mixed, bypass], dim=1)
    batch, channels, height, width = joined.shape
    if joined.is_contiguous():
        return joined.view(batch, groups, -1, height, width).transpose(1, 2).reshape(joined.shape)
    pixels = joined.permute(0, 2, 3, 1).reshape(batch, height, width, groups, -1)  # (B, H, W, K, C/K)
    return pixels.transpose(-1, -2).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
