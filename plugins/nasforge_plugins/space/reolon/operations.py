"""The eight operations of the published code, by name. Unlike those of other spaces they change the number of channels.

Each maps (B, C_in, H, W) to (B, C_out, H, W). The published code takes operations in the order of a fixed table, even
where a run names fewer of them, so its CIFAR run mixed up their columns; here only names count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from torch import Tensor, nn

Operation = Callable[[int, int], nn.Module]
"""Makes an operation from (channels in, channels out)."""


def separable(kernel: int) -> Operation:
    """ReLU, depthwise convolution, 1x1, BatchNorm; the code calls it dilated, but its dilation is 1."""

    def make(channels_in: int, channels_out: int) -> nn.Module:
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels_in, channels_in, kernel, padding=kernel // 2, groups=channels_in, bias=False),
            nn.Conv2d(channels_in, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )

    return make


def skip(channels_in: int, channels_out: int) -> nn.Module:
    """BatchNorm, after a 1x1 convolution if the number of channels changes."""
    if channels_in == channels_out:
        return nn.BatchNorm2d(channels_out)
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out))


class GatedConv(nn.Module):
    """`clinc`: a 1x1 convolution whose channels are multiplied by a gate that sees the whole map.

    The gate is ReLU, a convolution to features / 16 channels, BatchNorm, pooling to 4x4 and a linear layer. The
    convolution pads its input so that maps smaller than the kernel can pass; in the published code it does not.

    Args:
        features: inputs of the linear layer, 16 for each channel of the gate's convolution.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        kernel: int,
        stride: int,
        features: int,
        pooling: Literal["average", "max"],
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 1)
        self.gate = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels_in, features // 16, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(features // 16),
            nn.AdaptiveAvgPool2d(4) if pooling == "average" else nn.AdaptiveMaxPool2d(4),
            nn.Flatten(),
            nn.Linear(features, channels_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H, W)."""
        out: Tensor = self.conv(x) * self.gate(x)[:, :, None, None]
        return out


def clinc_3x3(channels_in: int, channels_out: int) -> nn.Module:
    """A gate of 64 features, by a 3x3 convolution and average pooling."""
    return GatedConv(channels_in, channels_out, kernel=3, stride=1, features=64, pooling="average")


def clinc_7x7(channels_in: int, channels_out: int) -> nn.Module:
    """A gate of 128 features, by a 7x7 convolution of stride 5 and max pooling."""
    return GatedConv(channels_in, channels_out, kernel=7, stride=5, features=128, pooling="max")


def pool(make_pool: Callable[[], nn.Module]) -> Operation:
    """A pool, after ReLU, a 3x3 convolution and BatchNorm if the number of channels changes."""

    def make(channels_in: int, channels_out: int) -> nn.Module:
        if channels_in == channels_out:
            return make_pool()
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            make_pool(),
        )

    return make


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "dil_conv_3x3": separable(3),
        "dil_conv_5x5": separable(5),
        "dil_conv_7x7": separable(7),
        "skip_connect": skip,
        "clinc_3x3": clinc_3x3,
        "clinc_7x7": clinc_7x7,
        "avg_pool_3x3": pool(lambda: nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)),
        "max_pool_3x3": pool(lambda: nn.MaxPool2d(3, 1, padding=1)),
    }
)
"""Name -> factory, in the order of the published code."""
NAMES = tuple(OPERATIONS)
