"""Convolutions whose many backward passes are fast on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .recording import Recorder


class FastBackward(Recorder):
    """Inside this context, convolutions go forward as usual, to the last bit, and backward in channels_last order.

    With the few channels of a proxy network, that takes a third of the time. The forward pass does not change because
    the sign of a ReLU, and with it a gradient, may depend on the last bit. Biases get no gradient. Strided 1x1
    convolutions stay as they are: the library's kernels for channels_last order corrupt memory (see `PointwiseConv2d`).
    """

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The call itself, except for convolutions of maps on a CPU."""
        return _conv2d(*args, **kwargs) if function is F.conv2d else function(*args, **kwargs)


def _conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    strided_pointwise = weight.shape[2:] == (1, 1) and _pair(stride) != [1, 1]
    if input.ndim != 4 or input.device.type != "cpu" or isinstance(padding, str) or strided_pointwise:
        return F.conv2d(input, weight, bias, stride, padding, dilation, groups)
    how = (_pair(stride), _pair(padding), _pair(dilation), groups)
    out: Tensor = _Convolution.apply(input, weight, None if bias is None else bias.detach(), how)
    return out


def _pair(value: Any) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, how: Any) -> Tensor:
        ctx.how = how
        ctx.save_for_backward(x.contiguous(memory_format=torch.channels_last), weight)
        return F.conv2d(x, weight, bias, *how)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (x, weight), (stride, padding, dilation, groups) = ctx.saved_tensors, ctx.how
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        to_x, to_weight, _ = torch.ops.aten.convolution_backward(
            gradient,
            x,
            weight,
            None,
            stride,
            padding,
            dilation,
            False,
            [0, 0],
            groups,
            [*ctx.needs_input_grad[:2], False],
        )
        return None if to_x is None else to_x.contiguous(), to_weight, None, None
