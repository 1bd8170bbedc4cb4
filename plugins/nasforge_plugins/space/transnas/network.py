"""The networks of TransNAS-Bench-101 (Duan et al. 2021, figure 2): a stem, modules of two blocks, a classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from nasforge import Network, ReLUConvBN, Shape
from nasforge_plugins.space.inverted_residuals import reshaped

BLOCKS = 2
"""Blocks of a module; only the first one changes the width or the resolution."""
Block = Callable[[int, int, int], nn.Module]
"""Makes a block from the channels of its input and of its output, and its stride."""


class ModuleNetwork(Network):
    """Modules that may double the channels or halve the resolution.

    Args:
        channels: base width C; the stem has half of it first, and quarters the resolution.
        modules: the digit of each module: 1 keeps its input's shape, 2 doubles the channels, 3 halves the resolution, 4
            does both.
        block: see `Block`.
    """

    def __init__(self, input_shape: Shape, classes: int, channels: int, modules: Sequence[int], block: Block) -> None:
        super().__init__()
        half = max(1, channels // 2)
        self.stem = nn.Sequential(
            nn.Conv2d(input_shape[0], half, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(half),
            ReLUConvBN(half, channels, 3, stride=2),
        )
        blocks = []
        for digit in modules:
            outputs, stride = channels * (2 if digit in (2, 4) else 1), 2 if digit in (3, 4) else 1
            blocks.append(block(channels, outputs, stride))
            blocks += [block(outputs, outputs, 1) for _ in range(BLOCKS - 1)]
            channels = outputs
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes)."""
        logits: Tensor = self.classifier(self.blocks(self.stem(images)).mean((2, 3)))
        return logits


class BasicBlock(nn.Module):
    """Two ReLU-Conv3x3-BN plus their input, which a 1x1 convolution with BatchNorm brings to another shape."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            ReLUConvBN(inputs, outputs, 3, stride=stride), ReLUConvBN(outputs, outputs, 3)
        )
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else reshaped(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.shortcut(x) + self.convolutions(x)
        return out
