"""Layers whose sizes a search decides. All sizes share the weights of the largest, masked by the mix.

A mask multiplies weights, not feature maps, which costs less. Under a one-hot mix, a layer computes what the layer of
that size with the first of its weights computes, and zeros for the units that it lacks. Where the CPU knows the mix, a
linear layer or a convolution computes with these weights alone, without a mask.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge.choices.setting import FollowsSetting, Setting, table_of
from nasforge.choices.sizes import Size
from nasforge.choices.slices import sliced_convolution, sliced_linear
from nasforge.errors import OptionError


class ElasticLayer(FollowsSetting):
    """What elastic layers share: their sizes, and how these become masks."""

    attributes: ClassVar[tuple[str, ...]] = ()
    """Names of the layer's attributes that may hold a size."""
    sizes: dict[str, Size]

    def adopt(self) -> None:
        """Turn the sizes among the layer's attributes into plain integers and tables for masks."""
        self.sizes = {name: size for name in self.attributes if (size := _size(getattr(self, name))) is not None}
        for name, size in self.sizes.items():
            self.register_buffer(f"units_of_{name}", table_of(size), persistent=False)
        for name in {*self.attributes, "padding"} & set(vars(self)):
            setattr(self, name, _plain(getattr(self, name)))

    def mask(self, name: str) -> Tensor | None:
        """Return the mask (units,) of an attribute; None if its size is fixed."""
        if name not in self.sizes:
            return None
        return self.setting.mask(self.sizes[name], getattr(self, f"units_of_{name}"))

    def numbers(self) -> dict[str, int] | None:
        """Return the sizes' values by name, if the mix decides for one of each and the CPU knows it; otherwise None."""
        numbers = {name: self.setting.number(size) for name, size in self.sizes.items()}
        known = {name: number for name, number in numbers.items() if number is not None}
        return known if len(known) == len(numbers) else None


class ElasticLinear(ElasticLayer, nn.Linear):
    """A linear layer with a variable number of inputs or outputs."""

    attributes = ("in_features", "out_features")

    def forward(self, input: Tensor) -> Tensor:
        """(..., largest in_features) to (..., largest out_features)."""
        if (numbers := self.numbers()) is not None:
            return sliced_linear(self, input, numbers)
        inputs, outputs = self.mask("in_features"), self.mask("out_features")
        weight = _scaled(_scaled(self.weight, inputs, 1), outputs, 0)
        return F.linear(input, weight, _scaled(self.bias, outputs, 0))


class ElasticConv2d(ElasticLayer, nn.Conv2d):
    """A convolution with variable channels or kernel size; a depthwise one stays depthwise."""

    attributes = ("in_channels", "out_channels", "groups", "kernel_size")

    def adopt(self) -> None:
        """See `ElasticLayer.adopt`; refuses groups that do not follow the channels."""
        groups = _size(self.groups)
        channels = _size(self.in_channels), _size(self.out_channels)
        depthwise = groups is not None and all(size is not None and _equal(size, groups) for size in channels)
        if not depthwise and (groups is not None or (self.groups > 1 and any(size is not None for size in channels))):
            raise OptionError(
                f"an nn.Conv2d with groups={int(self.groups)} and a variable number of channels must be depthwise, "
                "with groups, in_channels and out_channels equal"
            )
        super().adopt()
        if depthwise:
            del self.sizes["in_channels"], self.sizes["groups"]

    def forward(self, input: Tensor) -> Tensor:
        """(B, largest in_channels, H, W) to (B, largest out_channels, H', W')."""
        if (numbers := self.numbers()) is not None and (out := sliced_convolution(self, input, numbers)) is not None:
            return out
        inputs, outputs = self.mask("in_channels"), self.mask("out_channels")
        weight = _scaled(_scaled(self._within_kernel(), inputs, 1), outputs, 0)
        masked: Tensor = self._conv_forward(input, weight, _scaled(self.bias, outputs, 0))
        return masked

    def _within_kernel(self) -> Tensor:
        rings = self.mask("kernel_size")
        if rings is None:
            return self.weight
        height, width = (_distances(side, self.weight.device) for side in self.weight.shape[-2:])
        # A kernel of size k holds what is at most k // 2 from its center, so position d needs a size above 2 d.
        masked: Tensor = self.weight * rings[2 * torch.maximum(height[:, None], width[None, :])]
        return masked


class ElasticLayerNorm(ElasticLayer, nn.LayerNorm):
    """A layer normalization over a variable number of features, whose statistics leave out missing ones."""

    attributes = ("normalized_shape",)

    def forward(self, input: Tensor) -> Tensor:
        """(..., largest normalized_shape) to the same shape."""
        mask = self.mask("normalized_shape")
        if mask is None:
            return super().forward(input)
        count = mask.sum().clamp_min(torch.finfo(mask.dtype).tiny)
        centered = input - (input * mask).sum(-1, keepdim=True) / count
        variance = (centered.square() * mask).sum(-1, keepdim=True) / count
        normalized = centered * torch.rsqrt(variance + self.eps) * mask
        if self.elementwise_affine:
            normalized = normalized * self.weight
        return normalized if self.bias is None else normalized + self.bias * mask


class _MaskChannels:
    """A forward hook that zeroes the channels which a BatchNorm lacks. The BatchNorm stays one of PyTorch's, which
    several processes replace by one that synchronizes."""

    def __init__(self, size: Size, setting: Setting) -> None:
        self.size, self.setting = size, setting

    def __call__(self, norm: nn.Module, inputs: object, output: Tensor) -> Tensor:
        return output * self.setting.mask(self.size, norm.units_of_num_features)[:, None, None]  # type: ignore[arg-type]


ELASTIC: dict[type[nn.Module], type[ElasticLayer]] = {
    nn.Linear: ElasticLinear,
    nn.Conv2d: ElasticConv2d,
    nn.LayerNorm: ElasticLayerNorm,
}
FOLLOWING = (*ELASTIC, nn.BatchNorm2d)
"""The layers of PyTorch that can follow a variable size."""


def sizes_of(layer: nn.Module) -> dict[str, Size]:
    """Return the sizes among a layer's attributes, by the attributes' names."""
    found = {name: _size(value) for name, value in vars(layer).items() if not name.startswith("_")}
    return {name: size for name, size in found.items() if size is not None}


def make_elastic(layer: nn.Module, setting: Setting) -> None:
    """Let a layer of PyTorch that has variable sizes follow them, in place; its tensors and their names stay.

    Raises:
        OptionError: it cannot follow these sizes.
    """
    if type(layer) is nn.BatchNorm2d:
        size = sizes_of(layer)["num_features"]
        layer.register_buffer("units_of_num_features", table_of(size), persistent=False)
        layer.register_forward_hook(_MaskChannels(size, setting))
        layer.num_features = int(size)
    elif type(layer) in ELASTIC:
        layer.__class__ = ELASTIC[type(layer)]
        assert isinstance(layer, ElasticLayer)
        layer.attach(setting)
        layer.adopt()
    else:
        raise OptionError(
            f"an nn.{type(layer).__name__} cannot change its size; "
            f"{', '.join(f'nn.{known.__name__}' for known in FOLLOWING)} can"
        )


def _size(value: Any) -> Size | None:
    """The size that an attribute holds, alone or as the first of a pair."""
    if isinstance(value, tuple) and value:
        value = value[0]
    return value if isinstance(value, Size) else None


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    return int(value) if isinstance(value, Size) else value


def _equal(size: Size, other: Size) -> bool:
    return size.keys == other.keys and size.values.tolist() == other.values.tolist()


def _scaled(tensor: Tensor | None, mask: Tensor | None, dimension: int) -> Any:
    if tensor is None or mask is None:
        return tensor
    return tensor * mask.reshape([-1 if axis == dimension else 1 for axis in range(tensor.ndim)])


def _distances(side: int, device: torch.device) -> Tensor:
    """Distances (side,) from the center."""
    return (torch.arange(side, device=device) - side // 2).abs()
