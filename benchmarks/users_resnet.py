"""A ResNet for small images (He et al. 2016, section 4.2) that a user has made a space: the network of a benchmark."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from nasforge import choice, kernel, repeat, width


class Block(nn.Module):
    """Two convolutions with BatchNorm and a shortcut; the first may halve the map and change the width."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        size = kernel(1, 3, name="kernel")
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        return cast(Tensor, self.layers(x) + self.shortcut(x)).relu()


class ResNet(nn.Module):
    """Three stages. Choices: the width of each, one to three blocks, and each block's kernel or a pool in its place."""

    def __init__(self, in_channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        first = width(2, 4, 8, name="first_width")
        second = width(4, 8, 16, name="second_width")
        third = width(8, 16, 32, name="third_width")
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, first, 3, padding=1, bias=False), nn.BatchNorm2d(first), nn.ReLU()
        )
        self.stages = nn.Sequential(
            _stage(first, first, stride=1), _stage(first, second, stride=2), _stage(second, third, stride=2)
        )
        self.head = nn.Linear(third, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, C, H, W)."""
        return cast(Tensor, self.head(self.stages(self.stem(images)).mean((2, 3))))


def _stage(inputs: int, outputs: int, stride: int) -> nn.Module:
    def block(place: int) -> nn.Module:
        if place == 0 and stride > 1:
            return Block(inputs, outputs, stride)
        return choice(block=Block(outputs, outputs, stride=1), pool=nn.AvgPool2d(3, 1, 1))

    return repeat(block, depth=(1, 3))
