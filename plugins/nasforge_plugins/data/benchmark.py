"""Published image sets, from an `.npz` in `root` or from torchvision's files, which are downloaded if allowed."""

from __future__ import annotations

import os
import socket
import tarfile
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from nasforge import BatchSize, DataError, DataModule, ImageSet, Workers, data_folder, text_of, user_path
from nasforge_plugins.data.npz import NpzImages, read_npz

SILENCE = 30.0
"""Seconds to wait for a server that does not answer."""


class PublishedImages(DataModule):
    """Base class of CIFAR-10, CIFAR-100 and Fashion-MNIST.

    Attributes:
        published: the usual mean and deviation per channel.
        folder: the folder in `root` where torchvision looks for its files.
        files: what that folder must contain, for the message if it does not.
    """

    published: ClassVar[tuple[tuple[float, ...], tuple[float, ...]]]
    folder: ClassVar[str]
    files: ClassVar[str]

    def __init__(
        self,
        *,
        root: Path | None = None,
        download: bool = True,
        batch_size: BatchSize = 64,
        workers: Workers = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, workers=workers)
        self.root = user_path(root).absolute() if root else data_folder()
        self._download = download

    @abstractmethod
    def torchvision(self, train: bool, download: bool) -> Any:
        """torchvision's training or test set; `RuntimeError` if it is missing or incomplete in `root`."""

    @cached_property
    def _images(self) -> NpzImages:
        file = self.root / f"{self.name}.npz"
        if file.exists():
            return self._checked(file, read_npz(file))
        train, test = (self._from_torchvision(train) for train in (True, False))
        return NpzImages(_image_set(train), _image_set(test), tuple(train.classes), held_out=False)

    def _checked(self, file: Path, images: NpzImages) -> NpzImages:
        """The images, if they include the published test set and have as many channels as the published constants."""
        if images.held_out:
            raise DataError(f"{file} has no 'test_images'; it must include the official test set of {self.name}")
        if images.train.shape[0] != len(self.published[0]):
            raise DataError(
                f"{file}: images are {images.train.shape} (C, H, W); images of {self.name} have "
                f"{len(self.published[0])} channel(s)"
            )
        return images

    def _from_torchvision(self, train: bool) -> Any:
        """torchvision's data set; it verifies the files by their checksums, before and after a download."""
        with suppress(RuntimeError):
            return self.torchvision(train, download=False)
        reason = "data.download is false"
        if self._download:
            try:
                with _fetching(self.root):
                    return self.torchvision(train, download=True)
            except (OSError, RuntimeError, HTTPException, tarfile.TarError, EOFError) as error:
                reason = text_of(error)
        folder = self.root / self.folder
        state = "incomplete or damaged" if folder.is_dir() and any(folder.iterdir()) else "missing"
        raise DataError(
            f"data '{self.name}': {folder} is {state}, and nothing was downloaded ({reason}); put {self.files} there, "
            f"or {self.name}.npz (train_images, train_labels, test_images, test_labels, classes) into {self.root}"
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
    def places(self) -> tuple[Path, ...]:
        """The `.npz`, or torchvision's folder."""
        return self.root / f"{self.name}.npz", self.root / self.folder

    @property
    def class_names(self) -> tuple[str, ...]:
        """The official names."""
        return self._images.class_names

    @property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The usual constants."""
        return self.published


@contextmanager
def _fetching(root: Path) -> Iterator[None]:
    """Limit the wait for a silent server, and remove empty folders afterwards if `root` did not exist before."""
    new, timeout = not root.exists(), socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(timeout)
        for folder, _, _ in os.walk(root, topdown=False) if new else ():
            with suppress(OSError):  # not empty
                os.rmdir(folder)


def _image_set(part: Any) -> ImageSet:
    pixels = np.asarray(part.data)
    planes = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    return ImageSet.of(torch.from_numpy(np.ascontiguousarray(planes)), torch.as_tensor(part.targets))
