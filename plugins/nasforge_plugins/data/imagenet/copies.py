"""What a copy of ImageNet on the disk offers, in whatever form it is."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from torch import Tensor

from nasforge_plugins.data.imagenet.photos import Photos


class Copy(Protocol):
    """Training and test images with their classes.

    Attributes:
        train, test: the folder or the files of these images, for messages.
        places: what a change of the training images changes.
        class_names: in the order of the labels.
    """

    train: Path
    test: Path
    places: tuple[Path, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; a `DataError` says what the copy lacks."""
        ...

    def photos(self, part: Path, *, side: int, threads: int) -> tuple[Photos, Tensor]:
        """The images of `train` or `test` and their labels (N,); a `DataError` names what is broken."""
        ...
