"""A network that reads pixels as image files hold them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nasforge import FoundNetwork


class OfPixels(nn.Module):
    """Normalizes uint8 pixels (B, C, H, W), and passes them to the network."""

    mean: Tensor
    std: Tensor

    def __init__(self, found: FoundNetwork) -> None:
        super().__init__()
        self.network = found.module
        transform = found.classifier.transform
        self.register_buffer("mean", torch.tensor(transform.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(transform.std).view(1, -1, 1, 1))
        self.eval()

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, classes)."""
        logits: Tensor = self.network((pixels.float() / 255 - self.mean) / self.std)
        return logits


def what_is_written(found: FoundNetwork, *, normalize: bool) -> tuple[nn.Module, Tensor]:
    """The module that a format is made of, and two images for it: pixels, or what is already normalized."""
    pixels = found.pixels(2)
    return (OfPixels(found), pixels) if normalize else (found.module, found.classifier.transform(pixels))
