"""Checks and statistics of your own images in any form: enough of each class, mean and deviation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nasforge import DataError, ImageSet

SIDE = 4
"""The shortest side, in pixels, that networks of the built-in spaces can read: they halve it twice."""
PIXELS = 2**26
"""The number of pixels counted at a time."""

LISTED = 20
"""The largest number of classes whose counts are listed one by one."""


def require_enough(where: object, labels: Tensor, names: Sequence[str], *, held_out: bool) -> None:
    """Check that each class has an image for each half of a search and, if a fifth is `held_out`, for that too.

    Args:
        where: the file or folder, for the message.
        labels: labels of all training images, (N,), each below the number of classes.
        names: names of the classes, in the order of the labels.
        held_out: whether these still include the test images.

    Raises:
        DataError: there are fewer than two classes, or a class has too few images.
    """
    if len(names) < 2:
        raise DataError(f"{where} has {len(names)} class ({', '.join(names) or 'none'}); a classifier needs 2 or more")
    fewest = 5 if held_out else 2
    counts = torch.bincount(labels, minlength=len(names)).tolist()
    few = [f"'{name}' has {count}" for name, count in zip(names, counts, strict=True) if count < fewest]
    if few:
        why = ", of which a fifth becomes the test set" if held_out else ""
        raise DataError(f"{where}: each class needs {fewest} or more training images{why}, but {', '.join(few[:5])}")


def counted(labels: Tensor, names: Sequence[str]) -> str:
    """The number of images of each class as text: `9 cat, 12 dog`; with many classes, the range."""
    counts = torch.bincount(labels, minlength=len(names)).tolist()
    if len(names) > LISTED:
        return f"{min(counts)} to {max(counts)} of {len(names)} classes"
    return ", ".join(f"{count} {name}" for count, name in zip(counts, names, strict=True))


def statistics(images: ImageSet, *, sample: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation per channel of pixels in [0, 1], over all images or a class-balanced `sample` of them.

    The sample is the same in every run: a run's seed must not change what its networks read.
    """
    chosen = images if len(images) <= sample else images.subset(sample, seed=0)
    levels = torch.arange(256, dtype=torch.float64) / 255
    counts = torch.zeros(images.shape[0], 256, dtype=torch.float64)
    few = max(1, PIXELS // math.prod(images.shape))
    for part in torch.split(torch.arange(len(chosen)), few):  # all at once may need many gigabytes
        for channel, pixels in enumerate(chosen[part][0].transpose(0, 1)):
            counts[channel] += torch.bincount(pixels.flatten(), minlength=256)
    shares = counts / counts.sum(1, keepdim=True)
    mean = shares @ levels
    deviation = (shares @ levels.square() - mean.square()).clamp_min(0).sqrt().clamp_min(1e-3)  # of a blank channel
    return tuple(mean.tolist()), tuple(deviation.tolist())
