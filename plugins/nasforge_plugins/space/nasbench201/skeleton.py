"""The layers around the cells in the evaluation network and the supernet (Dong and Yang 2020, figure 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nasforge import OptionError, ReLUConvBN, Shape

from .cell import SPACE

STAGES = 3
SMALLEST_SIDE = 4


class ResidualBlock(nn.Module):
    """Halves the map and doubles the channels: two ReLU-Conv3x3-BN plus a shortcut of 2x2 average pool and 1x1, no BN.

    Half of an odd side is rounded up: the pool's last window then averages fewer pixels.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            ReLUConvBN(channels_in, channels_out, 3, stride=2), ReLUConvBN(channels_out, channels_out, 3)
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(channels_in, channels_out, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, ceil(H / 2), ceil(W / 2))."""
        out: Tensor = self.shortcut(x) + self.convolutions(x)
        return out


class Skeleton(nn.Module):
    """Stem, N cells at width C, residual block, N at 2C, residual block, N at 4C, BN-ReLU, global pool, classifier.

    Weights have torch's default initialization, as in the benchmark's code.

    Args:
        channels: C.
        cells: N.
        cell: makes a cell of a given width.

    Raises:
        OptionError: an image side is below 4.
    """

    def __init__(
        self, input_shape: Shape, classes: int, channels: int, cells: int, cell: Callable[[int], nn.Module]
    ) -> None:
        super().__init__()
        channels_in, height, width = input_shape
        if min(height, width) < SMALLEST_SIDE:
            raise OptionError(
                f"images of {height}x{width} pixels are too small for space '{SPACE}': its two residual blocks halve "
                f"them, which needs sides of at least {SMALLEST_SIDE}"
            )
        self.stem = nn.Sequential(nn.Conv2d(channels_in, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.layers = nn.ModuleList()
        for stage in range(STAGES):
            if stage:
                self.layers.append(ResidualBlock(channels, 2 * channels))
                channels = 2 * channels
            self.layers.extend(cell(channels) for _ in range(cells))
        self.features = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: Tensor, *arguments: Any, layout: torch.memory_format = torch.preserve_format) -> Tensor:
        """Logits (B, classes).

        Args:
            arguments: further arguments of each cell.
            layout: memory layout of the maps.
        """
        x = self.stem(images)
        if layout is not torch.preserve_format:
            x = x.contiguous(memory_format=layout)
        for layer in self.layers:
            x = layer(x) if isinstance(layer, ResidualBlock) else layer(x, *arguments)
        logits: Tensor = self.classifier(self.features(x))
        return logits
