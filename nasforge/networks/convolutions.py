"""A 1x1 convolution that replaces one that torch computes wrongly on some CPUs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution without bias and padding. It selects every stride-th pixel first, then convolves.

    oneDNN's AVX2 kernels (torch 2.14, processors without AVX-512) write out of bounds in the backward pass of
    `nn.Conv2d(C, ..., 1, stride=2)` if maps are in channels_last format and C is less than 8: the process crashes.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels_in, channels_out, 1, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, ceil(H / stride), ceil(W / stride))."""
        return pointwise(x, self.weight, self.stride[0], self.groups)


def pointwise(x: Tensor, weight: Tensor, stride: int, groups: int = 1) -> Tensor:
    """Apply the convolution of `PointwiseConv2d` with the kernel `weight` (C_out, C_in / groups, 1, 1)."""
    return F.conv2d(x[:, :, ::stride, ::stride] if stride > 1 else x, weight, groups=groups)


def layout_of(network: nn.Module) -> torch.memory_format:
    """Return the memory format for training: channels_last, in which a step takes three quarters of the time, unless
    the network has a layer that torch's kernels then compute wrongly: a strided 1x1 other than `PointwiseConv2d`.
    """
    wrong = any(
        isinstance(layer, nn.Conv2d)
        and not isinstance(layer, PointwiseConv2d)
        and layer.kernel_size == (1, 1)
        and layer.stride != (1, 1)
        for layer in network.modules()
    )
    return torch.contiguous_format if wrong else torch.channels_last
