"""Candidate operations of cell-based search spaces, under their published names (DARTS, Liu et al. 2019, section 3.1).

Every operation keeps the number of channels C and maps (B, C, H, W) to (B, C, ceil(H / stride), ceil(W / stride)), so
that maps of odd size also match. Convolutions have no bias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge.errors import unknown
from nasforge.networks.convolutions import PointwiseConv2d

Operation = Callable[[int, int, bool], nn.Module]
"""Makes an operation from (channels, stride, affine); `affine` is passed to its BatchNorms."""


class Zero(nn.Module):
    """`none`: returns zeros of the output's shape."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to zeros (B, C, ceil(H / stride), ceil(W / stride))."""
        return x[:, :, :: self.stride, :: self.stride].mul(0.0)


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution without bias, BatchNorm; by default the 1x1 that gives a cell's input the cell's width."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1, affine: bool = True
    ) -> None:
        super().__init__(
            nn.ReLU(),
            PointwiseConv2d(channels_in, channels_out, stride)
            if kernel == 1
            else nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(channels_out, affine=affine),
        )


class FactorizedReduce(nn.Module):
    """Halves the map with two 1x1 convolutions of stride 2, the second shifted by one pixel; then BatchNorm.

    Padding rule: after the ReLU, a side of odd length gets one row (column) of zeros at the bottom (right), so that
    both convolutions return ceil(side / 2). Even sides get no padding, as published.
    """

    def __init__(self, channels_in: int, channels_out: int, affine: bool = True) -> None:
        super().__init__()
        if channels_out % 2:
            raise ValueError(f"channels_out={channels_out}: FactorizedReduce needs an even number")
        self.conv_even = PointwiseConv2d(channels_in, channels_out // 2, stride=2)
        self.conv_odd = PointwiseConv2d(channels_in, channels_out // 2, stride=2)
        self.norm = nn.BatchNorm2d(channels_out, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, ceil(H / 2), ceil(W / 2))."""
        x = pad_to_even(F.relu(x))
        out: Tensor = self.norm(torch.cat([self.conv_even(x), self.conv_odd(x[:, :, 1:, 1:])], dim=1))
        return out


def pad_to_even(x: Tensor) -> Tensor:
    """Add a row (column) of zeros at the bottom (right) of `x` (B, C, H, W) if H (W) is odd."""
    height, width = x.shape[-2:]
    return F.pad(x, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else x


def _separable(channels: int, kernel: int, stride: int, dilation: int, affine: bool) -> list[nn.Module]:
    padding = dilation * (kernel - 1) // 2
    return [
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    ]


def sep_conv(kernel: int) -> Operation:
    """Depthwise-separable convolution, applied twice; only the first has the stride."""

    def make(channels: int, stride: int, affine: bool) -> nn.Module:
        first = _separable(channels, kernel, stride, 1, affine)
        return nn.Sequential(*first, *_separable(channels, kernel, 1, 1, affine))

    return make


def dil_conv(kernel: int) -> Operation:
    """Depthwise-separable convolution with dilation 2, applied once."""

    def make(channels: int, stride: int, affine: bool) -> nn.Module:
        return nn.Sequential(*_separable(channels, kernel, stride, 2, affine))

    return make


def _none(channels: int, stride: int, affine: bool) -> nn.Module:
    return Zero(stride)


def _max_pool(kernel: int) -> Operation:
    def make(channels: int, stride: int, affine: bool) -> nn.Module:
        return nn.MaxPool2d(kernel, stride, padding=kernel // 2)

    return make


def _avg_pool(channels: int, stride: int, affine: bool) -> nn.Module:
    return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)


def _skip(channels: int, stride: int, affine: bool) -> nn.Module:
    return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, affine)


def _nor_conv(kernel: int) -> Operation:
    def make(channels: int, stride: int, affine: bool) -> nn.Module:
        return ReLUConvBN(channels, channels, kernel, stride, affine)

    return make


def _factorized_conv(kernel: int) -> Operation:
    """ReLU, 1xk, kx1, BatchNorm: the 1xk comes first, as published, with nothing between the two."""

    def make(channels: int, stride: int, affine: bool) -> nn.Module:
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, kernel), (1, stride), (0, kernel // 2), bias=False),
            nn.Conv2d(channels, channels, (kernel, 1), (stride, 1), (kernel // 2, 0), bias=False),
            nn.BatchNorm2d(channels, affine=affine),
        )

    return make


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "none": _none,
        "max_pool_3x3": _max_pool(3),
        "avg_pool_3x3": _avg_pool,
        "skip_connect": _skip,
        "sep_conv_3x3": sep_conv(3),
        "sep_conv_5x5": sep_conv(5),
        "dil_conv_3x3": dil_conv(3),
        "dil_conv_5x5": dil_conv(5),
        "sep_conv_7x7": sep_conv(7),
        "conv_7x1_1x7": _factorized_conv(7),
        "conv_3x1_1x3": _factorized_conv(3),
        "max_pool_5x5": _max_pool(5),
        "max_pool_7x7": _max_pool(7),
        "nor_conv_1x1": _nor_conv(1),
        "nor_conv_3x3": _nor_conv(3),
    }
)
"""Name -> factory for the operations of DARTS, of the cells that DARTS is compared with, and of the wider spaces that
those come from (NASNet, Zoph et al. 2018). Pools have no BatchNorm, because the supernet adds it. Other spaces keep
their own operations in their own mapping."""


def operation(name: str, channels: int, stride: int = 1, affine: bool = True) -> nn.Module:
    """Make the operation `name` at width `channels`; an `UnknownNameError` lists the known names."""
    if name not in OPERATIONS:
        raise unknown("operation", name, OPERATIONS)
    made = OPERATIONS[name](channels, stride, affine)
    if type(made) is nn.Sequential:
        made.label = name  # type: ignore[assignment]  # what an exported network calls it
    return made
