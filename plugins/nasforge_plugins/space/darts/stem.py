"""The first layers of both the evaluation network and the supernet."""

from __future__ import annotations

from torch import Tensor, nn

from nasforge import OptionError, Shape

LARGE_SIDE = 128
"""Images whose shorter side has this many pixels get the ImageNet network: a stem that divides the side by 8."""
SMALLEST_SIDE = 4


class SmallStem(nn.Module):
    """A 3x3 convolution to 3C channels and BatchNorm, no ReLU; its output is both inputs of the first cell (CIFAR)."""

    reduces = False

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.widths = (3 * channels, 3 * channels)
        self.layers = nn.Sequential(
            nn.Conv2d(channels_in, 3 * channels, 3, padding=1, bias=False), nn.BatchNorm2d(3 * channels)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, channels_in, H, W) to the same (B, 3C, H, W) twice."""
        out = self.layers(images)
        return out, out


class LargeStem(nn.Module):
    """Three convolutions of stride 2 to C channels; the first cell reads the maps after two and after three (ImageNet).

    For the first cell, the stem therefore counts as a reduction.
    """

    reduces = True

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.widths = (channels, channels)
        self.quarter = nn.Sequential(
            *_halving(channels_in, channels // 2), nn.ReLU(), *_halving(channels // 2, channels)
        )
        self.eighth = nn.Sequential(nn.ReLU(), *_halving(channels, channels))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, channels_in, H, W) to (B, C, H / 4, W / 4) and (B, C, H / 8, W / 8), rounded up."""
        quarter = self.quarter(images)
        return quarter, self.eighth(quarter)


def _halving(channels_in: int, channels: int) -> list[nn.Module]:
    return [nn.Conv2d(channels_in, channels, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(channels)]


def stem(input_shape: Shape, channels: int) -> SmallStem | LargeStem:
    """The stem for the size of the images; an `OptionError` refuses sides below 4, and odd widths for `LargeStem`."""
    channels_in, height, width = input_shape
    side = min(height, width)
    if side < SMALLEST_SIDE:
        raise OptionError(
            f"images of {height}x{width} pixels are too small for space 'darts': its two reduction cells "
            f"need sides of at least {SMALLEST_SIDE}"
        )
    if side < LARGE_SIDE:
        return SmallStem(channels_in, channels)
    if channels % 2:
        raise OptionError(
            f"space.channels={channels} is odd: images of {LARGE_SIDE} pixels and more get the ImageNet stem, "
            f"which needs an even number, such as {channels + 1}"
        )
    return LargeStem(channels_in, channels)


def reductions(cells: int) -> frozenset[int]:
    """Indices of the reduction cells: L//3 and 2L//3. With L=1 they coincide; with L=2 both cells reduce."""
    return frozenset((cells // 3, 2 * cells // 3))
