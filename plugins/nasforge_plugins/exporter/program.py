"""A network that reads pixels as image files hold them, as a program of `torch.export`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

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


@lru_cache(maxsize=1)  # for several formats of one network
def program_of(found: FoundNetwork, *, normalize: bool, largest: int | None = None) -> torch.export.ExportedProgram:
    """The network as torch exports it, for any number of images, or for at most `largest`.

    Args:
        normalize: whether it reads uint8 pixels; otherwise float32 that is already normalized.
    """
    pixels = found.pixels(2)
    module, images = (OfPixels(found), pixels) if normalize else (found.module, found.classifier.transform(pixels))
    program = torch.export.export(module, (images,), dynamic_shapes=({0: torch.export.Dim("batch", max=largest)},))
    decomposed: torch.export.ExportedProgram = program.run_decompositions(
        {torch.ops.aten.adaptive_max_pool2d.default: _adaptive_max_pool2d}
    )
    return decomposed


def _adaptive_max_pool2d(images: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Adaptive max pooling, which ONNX and ExecuTorch lack. Nothing reads the second result, the maxima's places."""
    for axis, count in zip((2, 3), size, strict=True):
        length = images.shape[axis]
        bins = ((number * length // count, -(-(number + 1) * length // count)) for number in range(count))
        maxima = [images.narrow(axis, start, end - start).amax(axis, keepdim=True) for start, end in bins]
        images = torch.cat(maxima, axis)
    return images, torch.zeros_like(images, dtype=torch.int64)
