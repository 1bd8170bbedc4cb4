"""A test set for data that bring none: a class-balanced fifth, the same in every run."""

from __future__ import annotations

from torch import Tensor

from nasforge.images import ImageSet

FRACTION = 0.2
SEED = 0


def hold_out(images: ImageSet) -> tuple[ImageSet, ImageSet]:
    """(train, test): the split depends on the images alone, never on a run's seed, so results can be compared.

    Images in memory are copied apart, so that a search cannot come upon the test images in the source of its own.
    """
    train, test = images.split(FRACTION, SEED)
    return (train.alone(), test.alone()) if isinstance(images.images, Tensor) else (train, test)


HELD_OUT_NOTE = "no test set came with these images: a class-balanced fifth of them is held out as one"
"""What to tell people about it."""
