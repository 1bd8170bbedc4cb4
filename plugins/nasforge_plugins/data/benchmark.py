"""Published image sets: from an `.npz` in `root` if there is one, else from torchvision's files, fetched if allowed."""

from __future__ import annotations

import os
from abc import abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field

from nasforge import DataError, DataModule, ImageSet
from nasforge_plugins.data.npz import NpzImages, read_npz


class PublishedImages(DataModule):
    """What CIFAR-10, CIFAR-100 and Fashion-MNIST have in common.

    Attributes:
        published: mean and deviation per channel that the field uses.
        files: what torchvision looks for in `root`, for the message when it is not there.
    """

    published: ClassVar[tuple[tuple[float, ...], tuple[float, ...]]]
    files: ClassVar[str]

    def __init__(
        self,
        *,
        root: str | None = None,
        download: bool = True,
        batch_size: Annotated[int, Field(ge=2)] = 64,
        workers: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, workers=workers)
        self.root = Path(root or os.environ.get("NASFORGE_DATA") or "data").absolute()
        self._download = download

    @abstractmethod
    def torchvision(self, train: bool, download: bool) -> Any:
        """torchvision's own data set of the part."""

    @cached_property
    def _images(self) -> NpzImages:
        file = self.root / f"{self.name}.npz"
        if file.exists():
            return read_npz(file)
        train, test = (self._from_torchvision(train) for train in (True, False))
        return NpzImages(_image_set(train), _image_set(test), tuple(train.classes), held_out=False)

    def _from_torchvision(self, train: bool) -> Any:
        """Files that lie there are verified by torchvision's checksums, before and after a download."""
        try:
            return self.torchvision(train, download=False)
        except RuntimeError:
            pass
        try:
            if self._download:
                return self.torchvision(train, download=True)
        except (OSError, RuntimeError):  # no network, or what came was not what was asked for
            pass
        tried = "and could not be fetched" if self._download else "and data.download is false"
        raise DataError(
            f"{self.name} is not in {self.root} {tried}: put {self.name}.npz there "
            f"(train_images, train_labels, test_images, test_labels, classes), or {self.files}"
        )

    @property
    def train(self) -> ImageSet:
        """The official training images."""
        return self._images.train

    @property
    def test(self) -> ImageSet:
        """The official test images."""
        return self._images.test

    @property
    def class_names(self) -> tuple[str, ...]:
        """The official names."""
        return self._images.class_names

    @property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The constants that the field uses."""
        return self.published


def _image_set(part: Any) -> ImageSet:
    pixels = np.asarray(part.data)
    planes = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    return ImageSet.of(torch.from_numpy(np.ascontiguousarray(planes)), torch.as_tensor(part.targets))
