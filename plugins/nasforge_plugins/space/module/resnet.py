"""A small residual network with choices: an example, and what `space=module` searches by default."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from nasforge import choice, kernel, repeat, width


class Block(nn.Module):
    """A residual block with a hidden width of its own, as in pre-activation ResNets (He et al. 2016)."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        hidden = width(channels // 2, channels, 2 * channels, name="hidden")
        self.first = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, hidden, size, padding=size // 2, bias=False),
        )
        self.second = nn.Sequential(
            nn.BatchNorm2d(hidden), nn.ReLU(), nn.Conv2d(hidden, channels, 3, padding=1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return x + cast(Tensor, self.second(self.first(x)))


class ResNet(nn.Module):
    """Three stages of residual blocks at half the resolution and twice the width each.

    Choices: the number of blocks in each stage; each block's hidden width, and its kernel size or no block at all.

    Args:
        in_channels: of the images.
        classes: number of logits.
        channels: width of the first stage.
        blocks: the largest number of blocks in a stage; 2 or more.
    """

    def __init__(self, in_channels: int = 3, classes: int = 10, channels: int = 16, blocks: int = 3) -> None:
        super().__init__()
        widths = [channels, 2 * channels, 4 * channels]
        self.stem = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.stages = nn.ModuleList(_stage(size, blocks) for size in widths)
        self.down = nn.ModuleList(nn.Conv2d(size, 2 * size, 3, stride=2, padding=1, bias=False) for size in widths[:-1])
        self.head = nn.Sequential(nn.BatchNorm2d(widths[-1]), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, C, H, W)."""
        x = self.stages[0](self.stem(images))
        for down, stage in zip(self.down, list(self.stages)[1:], strict=True):
            x = stage(down(x))
        return cast(Tensor, self.classifier(self.head(x)))


def _stage(channels: int, blocks: int) -> nn.Module:
    return repeat(
        lambda: choice(block=Block(channels, kernel(3, 5, name="kernel")), skip=nn.Identity()),
        depth=(1, blocks),
    )
