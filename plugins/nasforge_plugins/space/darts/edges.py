"""Candidate operations of the supernet, each computed on all edges that leave one state at once.

Channels are ordered edge by edge: channel e * C + c is channel c of edge e. BatchNorms have no affine parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge import PointwiseConv2d, operation, pad_to_even, pointwise
from nasforge_plugins.space.partial_edges import Edges, normalized, rows_of

from .depthwise import DepthwiseConv2d, depthwise

_SEPARABLE = {  # kernel, dilation, repetitions
    "sep_conv_3x3": (3, 1, 2),
    "sep_conv_5x5": (5, 1, 2),
    "sep_conv_7x7": (7, 1, 2),
    "dil_conv_3x3": (3, 2, 1),
    "dil_conv_5x5": (5, 2, 1),
}
CANDIDATES = ("max_pool_3x3", "avg_pool_3x3", "skip_connect", *_SEPARABLE)
"""The operations that a supernet can hold, in the published order."""


def state_operation(name: str, channels: int, stride: int, pool_normalization: bool) -> nn.Module | None:
    """The operation, if its output depends only on the state: a pool (with optional BatchNorm) or a plain skip."""
    if name.endswith("pool_3x3"):
        pool = operation(name, channels, stride)
        return nn.Sequential(pool, nn.BatchNorm2d(channels, affine=False)) if pool_normalization else pool
    return nn.Identity() if name == "skip_connect" and stride == 1 else None


def edge_operation(name: str, edges: int, channels: int, stride: int) -> nn.Module:
    """The operation with separate weights on each of the edges."""
    if name == "skip_connect":
        return ReducingEdges(edges, channels)
    kernel, dilation, repetitions = _SEPARABLE[name]
    return SeparableEdges(edges, channels, kernel, stride, dilation, repetitions)


class _EdgeBlock(nn.Module):
    """Depthwise k x k, 1x1, BatchNorm, separate for every edge; the caller applies the ReLU before it."""

    def __init__(self, edges: int, channels: int, kernel: int, stride: int, dilation: int) -> None:
        super().__init__()
        width = edges * channels
        self.edges = edges
        self.depthwise = DepthwiseConv2d(width, kernel, stride, dilation)
        self.pointwise = nn.Conv2d(width, width, 1, groups=edges, bias=False)
        self.norm = nn.BatchNorm2d(width, affine=False)

    def forward(self, x: Tensor, scale: Tensor | None, edges: Edges) -> Tensor:
        if edges is None:
            out = self.pointwise(self.depthwise(x))
        else:
            layer = self.depthwise
            x = depthwise(x, rows_of(layer.weight, edges, self.edges), layer.stride[0], layer.dilation[0])
            out = F.conv2d(x, rows_of(self.pointwise.weight, edges, self.edges), groups=len(edges))
        return normalized(self.norm, out, scale, edges, self.edges)


class SeparableEdges(nn.Module):
    """`sep_conv_kxk` and `dil_conv_kxk` on E edges."""

    def __init__(self, edges: int, channels: int, kernel: int, stride: int, dilation: int, repetitions: int) -> None:
        super().__init__()
        self.edges = edges
        self.blocks = nn.ModuleList(
            _EdgeBlock(edges, channels, kernel, stride if first else 1, dilation)
            for first in [True] + [False] * (repetitions - 1)
        )

    def forward(self, rectified: Tensor, scale: Tensor, edges: Edges = None) -> Tensor:
        """ReLU'd state (B, C, H, W) and a scale (E * C,) to (B, E * C, H', W') for the E selected edges."""
        count = self.edges if edges is None else len(edges)
        x = torch.cat([rectified] * count, dim=1) if count > 1 else rectified  # keeps the layout, unlike `repeat`
        *earlier, last = self.blocks
        for block in earlier:
            x = F.relu(block(x, None, edges), inplace=True)
        out: Tensor = last(x, scale, edges)
        return out


class ReducingEdges(nn.Module):
    """`skip_connect` at stride 2, a FactorizedReduce, on E edges."""

    def __init__(self, edges: int, channels: int) -> None:
        super().__init__()
        self.edges = edges
        self.conv_even = PointwiseConv2d(channels, edges * channels // 2, stride=2)
        self.conv_odd = PointwiseConv2d(channels, edges * channels // 2, stride=2)
        self.norm = nn.BatchNorm2d(edges * channels, affine=False)

    def forward(self, rectified: Tensor, scale: Tensor, edges: Edges = None) -> Tensor:
        """See `SeparableEdges.forward`."""
        x, count = pad_to_even(rectified), self.edges if edges is None else len(edges)
        even = pointwise(x, rows_of(self.conv_even.weight, edges, self.edges), stride=2)
        odd = pointwise(x[:, :, 1:, 1:], rows_of(self.conv_odd.weight, edges, self.edges), stride=2)
        pairs = zip(even.chunk(count, dim=1), odd.chunk(count, dim=1), strict=True)
        out = torch.cat([half for pair in pairs for half in pair], dim=1)
        return normalized(self.norm, out, scale, edges, self.edges)
