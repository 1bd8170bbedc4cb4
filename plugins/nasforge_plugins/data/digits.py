"""scikit-learn's handwritten digits: 1,797 gray images of 8 x 8 that come in its wheel."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from sklearn.datasets import load_digits

from nasforge import BatchSize, DataModule, ImageSet, Workers, hold_out
from nasforge_plugins.data.own_images import statistics


class Digits(DataModule):
    """Handwritten digits (8 x 8, gray, 10 classes) from scikit-learn's own wheel; nothing to download.

    The 16 gray levels are scaled to 0 to 255. A class-balanced fifth is the test set.
    """

    name = "digits"
    pad = 1
    flip = False  # a mirrored 2 is not a 2
    next_data = ("cifar10", "search on color photographs")

    def __init__(self, *, batch_size: BatchSize = 64, workers: Workers = 0):
        super().__init__(batch_size=batch_size, workers=workers)

    @cached_property
    def _split(self) -> tuple[ImageSet, ImageSet]:
        digits = load_digits()
        images = torch.from_numpy((digits.images * (255 / 16)).round().astype(np.uint8))[:, None]
        return hold_out(ImageSet.of(images, torch.from_numpy(digits.target)))

    @property
    def train(self) -> ImageSet:
        """1,438 images."""
        return self._split[0]

    @property
    def test(self) -> ImageSet:
        """The held-out fifth: 359 images."""
        return self._split[1]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The ten digits."""
        return tuple("0123456789")

    @cached_property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of the training images: about 0.305 and 0.376."""
        return statistics(self.train, sample=len(self.train))

    @property
    def notes(self) -> tuple[str, ...]:
        """How the test set was made."""
        return ("digits have no official test set: a class-balanced fifth of the 1,797 images is held out as one",)
