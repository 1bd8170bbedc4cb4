"""Color jitter of whole batches on their device, with the distribution of `torchvision.transforms.ColorJitter`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nasforge import Portion, Preprocessing, sent


@dataclass(frozen=True, kw_only=True)
class ColorJitter(Preprocessing):
    """Changes brightness, contrast, saturation and hue of each image by random factors, in a random order.

    Attributes:
        jitter: how far the factors of brightness, contrast and saturation may be from 1, and how far the hue may move,
            in turns of the color circle.
    """

    jitter: tuple[float, float, float, float]

    def distort(self, images: Tensor, generator: torch.Generator, portion: Portion) -> Tensor:
        """Change color images (B, 3, H, W) in [0, 255]; the result is float32."""
        reach = torch.tensor(self.jitter)
        drawn = reach * (2 * torch.rand((portion.whole, 4), generator=generator) - 1)
        factors = torch.cat([(1 + drawn[:, :3]).clamp_min(0), drawn[:, 3:]], 1)
        turns = torch.rand((portion.whole, 4), generator=generator).argsort(1)
        factors, turns = sent(portion.of(factors), images.device), portion.of(turns)
        pixels = images.float()
        for turn in turns.unbind(1):
            for number, change in enumerate(CHANGES):
                if self.jitter[number]:
                    rows = sent(torch.nonzero(turn == number).flatten(), images.device)
                    pixels[rows] = change(pixels[rows], factors[rows, number].view(-1, 1, 1, 1))
        return pixels


def brightness(pixels: Tensor, factor: Tensor) -> Tensor:
    """Blend with black."""
    return (factor * pixels).clamp_(0, 255)


def contrast(pixels: Tensor, factor: Tensor) -> Tensor:
    """Blend with the mean gray of the image."""
    return _blend(pixels, _gray(pixels).mean((2, 3), keepdim=True), factor)


def saturation(pixels: Tensor, factor: Tensor) -> Tensor:
    """Blend with the gray image."""
    return _blend(pixels, _gray(pixels), factor)


def hue(pixels: Tensor, shift: Tensor) -> Tensor:
    """Turn the color circle by `shift` (B, 1, 1, 1) in turns; value and chroma of the HSV model stay."""
    red, green, blue = torch.split(pixels, 1, 1)
    value, low = pixels.amax(1, keepdim=True), pixels.amin(1, keepdim=True)
    chroma = value - low
    divisor = torch.where(chroma == 0, 1, chroma)
    largest_green, largest_blue = 2 * divisor + blue - red, 4 * divisor + red - green
    scaled = torch.where(value == red, green - blue, torch.where(value == green, largest_green, largest_blue))
    sector = scaled.div_(divisor).add_(6 * shift)  # the place on the color circle, in sixths
    channels = []
    for offset in (3, 1, -1):  # of red, green and blue
        turn = sector.add(offset).div_(6)
        distance = turn.sub_(turn.add(0.5).floor_()).abs_().mul_(6)  # from where the channel is lowest, at most 3
        channels.append(value - chroma * (2 - distance).clamp_(0, 1))
    return torch.cat(channels, 1)


CHANGES = (brightness, contrast, saturation, hue)


def _gray(pixels: Tensor) -> Tensor:
    red, green, blue = torch.split(pixels, 1, 1)
    return 0.2989 * red + 0.587 * green + 0.114 * blue


def _blend(pixels: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return (other + factor * (pixels - other)).clamp_(0, 255)
