"""Layers computed with a part of their weights: what a chosen size costs is what a layer of that size costs.

Missing units are zeros in the outputs, as they are behind a mask, so the layers around need not know.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

Numbers = Mapping[str, int]
"""The chosen values of a layer's variable sizes, by the attributes' names."""


def sliced_linear(layer: nn.Linear, input: Tensor, numbers: Numbers) -> Tensor:
    """(..., largest in_features) to (..., largest out_features) by the first weights."""
    inputs = numbers.get("in_features", layer.in_features)
    outputs = numbers.get("out_features", layer.out_features)
    out = F.linear(input[..., :inputs], layer.weight[:outputs, :inputs], _first(layer.bias, outputs))
    return F.pad(out, (0, layer.out_features - outputs))


def sliced_convolution(layer: nn.Conv2d, input: Tensor, numbers: Numbers) -> Tensor | None:
    """(B, largest in_channels, H, W) to (B, largest out_channels, H', W') by the first weights, and the kernels'
    centers; None if the padding cannot follow the kernel's size.

    A layer with groups and a variable number of channels must be depthwise.
    """
    height, width = ((side - numbers.get("kernel_size", side)) // 2 for side in layer.weight.shape[-2:])
    padding = _padding(layer, (height, width))
    if padding is None:
        return None
    outputs = numbers.get("out_channels", layer.out_channels)
    depthwise = layer.groups > 1 and "out_channels" in numbers
    inputs = outputs if depthwise else numbers.get("in_channels", layer.in_channels)
    weight = layer.weight[:outputs] if layer.groups > 1 else layer.weight[:outputs, :inputs]
    out = F.conv2d(
        input[:, :inputs], _center(weight, height, width), _first(layer.bias, outputs), layer.stride, padding,
        layer.dilation, outputs if depthwise else layer.groups,
    )  # fmt: skip
    return F.pad(out, (0, 0, 0, 0, 0, layer.out_channels - outputs))


def _padding(layer: nn.Conv2d, lacking: tuple[int, int]) -> list[int] | None:
    """The padding with which a kernel that lacks so much on each side yields a map of the same size."""
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        return None
    padding = [
        int(whole) - less * step for whole, less, step in zip(layer.padding, lacking, layer.dilation, strict=True)
    ]
    return padding if min(padding) >= 0 else None


def _center(weight: Tensor, height: int, width: int) -> Tensor:
    """The kernels without their outer rows and columns."""
    return weight[:, :, height : weight.shape[2] - height, width : weight.shape[3] - width]


def _first(bias: Tensor | None, count: int) -> Tensor | None:
    return None if bias is None else bias[:count]
