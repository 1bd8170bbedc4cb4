"""Convolutions that the library's kernels compute slowly, or wrongly, on a CPU; results are those of `nn.Conv2d`."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution without bias and padding. With a stride it takes every stride-th pixel first, then convolves.

    oneDNN's AVX2 kernels (torch 2.14, processors without AVX-512) write outside their memory in the backward pass of
    `nn.Conv2d(C, ..., 1, stride=2)` if maps lie in channels_last order and C is less than 8: the process dies.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels_in, channels_out, 1, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, ceil(H / stride), ceil(W / stride))."""
        return pointwise(x, self.weight, self.stride[0], self.groups)


def pointwise(x: Tensor, weight: Tensor, stride: int, groups: int = 1) -> Tensor:
    """The convolution of `PointwiseConv2d` with a kernel (C_out, C_in / groups, 1, 1) given."""
    return F.conv2d(x[:, :, ::stride, ::stride] if stride > 1 else x, weight, groups=groups)


def layout_of(network: nn.Module) -> torch.memory_format:
    """The order in memory in which to train a network: channels_last, in which a step takes three quarters of the time,
    unless a layer of it is one that the library's kernels then get wrong: a strided 1x1 that is no `PointwiseConv2d`.
    """
    wrong = any(
        isinstance(layer, nn.Conv2d)
        and not isinstance(layer, PointwiseConv2d)
        and layer.kernel_size == (1, 1)
        and layer.stride != (1, 1)
        for layer in network.modules()
    )
    return torch.contiguous_format if wrong else torch.channels_last


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution with "same" padding at stride 1 and without bias, whose backward pass is fast on a CPU.

    Results are those of `nn.Conv2d`. At stride 1 the gradient of the input is itself a depthwise convolution with the
    kernel turned round; run as one, it takes a tenth of the time of the library's own backward pass when dilated.
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1, dilation: int = 1) -> None:
        padding = dilation * (kernel - 1) // 2
        super().__init__(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, ceil(H / stride), ceil(W / stride))."""
        return depthwise(x, self.weight, self.stride[0], self.dilation[0])


def depthwise(x: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
    """The convolution of `DepthwiseConv2d` with a kernel (C, 1, k, k) given."""
    return cast(Tensor, _Depthwise.apply(x, weight, stride, dilation))


class _Depthwise(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
        padding = dilation * (weight.shape[-1] - 1) // 2
        return F.conv2d(x, weight, None, stride, padding, dilation, groups=weight.shape[0])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, ctx.stride, ctx.dilation = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = gradients
        x, weight = (saved.to(gradient.dtype) for saved in ctx.saved_tensors)  # under autocast they differ
        stride, dilation, channels = ctx.stride, ctx.dilation, weight.shape[0]
        padding = dilation * (weight.shape[-1] - 1) // 2
        of_x, of_weight = ctx.needs_input_grad[:2]
        turned = of_x and stride == 1
        library = (of_x and not turned, of_weight, False)
        to_x, to_weight, _ = torch.ops.aten.convolution_backward(
            gradient, x, weight, None, [stride] * 2, [padding] * 2, [dilation] * 2, False, [0, 0], channels, library
        )
        if turned:
            to_x = F.conv2d(gradient, weight.flip(2, 3), None, 1, padding, dilation, groups=channels)
        return to_x, to_weight, None, None
