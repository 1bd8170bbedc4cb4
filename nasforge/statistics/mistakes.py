"""Test images that a trained network gets wrong, kept as small pictures for people."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nasforge.images import ImageSet
from nasforge.journal.journal import write_json
from nasforge.journal.run_folder import RunFolder

MOST_KEPT = 24
"""Number of mistakes that a run keeps."""
SIDE = 96
"""Largest side of a kept picture in pixels; larger images are reduced."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A test image that was taken for another class.

    Attributes:
        png: the picture as base64.
    """

    position: int
    true_class: str
    predicted_class: str
    png: str


@dataclass(frozen=True, kw_only=True)
class Mistakes:
    """The content of `mistakes.json`: what one trained network gets wrong.

    Attributes:
        seed: seed of its training.
        total: number of test images that it gets wrong.
        kept: some of them, evenly spread over the test images.
    """

    seed: int
    total: int
    kept: Sequence[Mistake]

    def write(self, folder: Path) -> None:
        """Write `mistakes.json`."""
        write_json(RunFolder(folder).mistakes, asdict(self))


def pictured(images: ImageSet, wrong: Sequence[Sequence[int]], names: Sequence[str]) -> list[Mistake]:
    """Make the pictures of `wrong` images, which `wrong_ones` chose among `images`, whose classes have `names`."""
    if not wrong:
        return []
    positions = [position for position, _ in wrong]
    pixels, labels = images[torch.tensor(positions)]
    return [
        Mistake(position=position, true_class=names[label], predicted_class=names[predicted], png=_png(image))
        for (position, predicted), label, image in zip(wrong, labels.tolist(), pixels, strict=True)
    ]


def wrong_ones(predicted: Tensor) -> list[list[int]]:
    """[position, predicted class] of at most `MOST_KEPT` wrong predictions, evenly spread over all wrong ones.

    Args:
        predicted: int64 (images, 2), from `predictions`.
    """
    wrong = torch.nonzero(predicted[:, 0] != predicted[:, 1]).flatten().tolist()
    kept = min(MOST_KEPT, len(wrong))
    chosen = [wrong[number * len(wrong) // kept] for number in range(kept)]
    return [[position, int(predicted[position, 1])] for position in chosen]


def _png(pixels: Tensor) -> str:
    """Uint8 (C, H, W) as a PNG in base64; colors if there are three channels, otherwise the mean of all as gray."""
    array = pixels.permute(1, 2, 0).numpy() if len(pixels) == 3 else pixels.float().mean(0).numpy().astype(np.uint8)
    picture = Image.fromarray(array)
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()
