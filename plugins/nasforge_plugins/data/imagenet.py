"""ImageNet (Russakovsky et al. 2015), or other photos in the same folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
from pydantic import Field

from nasforge import (
    BatchSize,
    DataError,
    DataModule,
    ImageSet,
    OptionError,
    Preprocessing,
    Workers,
    data_folder,
    user_path,
)
from nasforge_plugins.data import folders
from nasforge_plugins.data.color_jitter import ColorJitter
from nasforge_plugins.data.image_folder import verify
from nasforge_plugins.data.own_images import SIDE, counted, require_enough
from nasforge_plugins.data.photos import CENTER, JPEG, Photos

JPEG_END = b"\xff\xd9"
LISTED_AT_ONCE = 8
"""How many folders are listed together."""

Share = Annotated[float, Field(gt=0, lt=1)]
Reach = Annotated[float, Field(ge=0, le=0.5)]


class ClassFiles(NamedTuple):
    """The image files of a class: paths relative to the root, sizes in bytes, and files that need a closer look."""

    names: list[bytes]
    sizes: list[int]
    unusual: list[Path]


class ImageNet(DataModule):
    """ImageNet: root/train/CLASS/*.JPEG and root/val/CLASS/*.JPEG, photos of any size, read at `size` pixels.

    Training sees random crops, flips and jittered colors, everything else the center crop. A search reads a seeded,
    class-balanced part of the training images: `search_training` for weights, `search_validation` for architectures.
    `val` holds the test images. `DataError` names the folder or the files that are missing or broken.
    """

    name = "imagenet"
    pad = 0  # crops are drawn while the files are read
    center = CENTER
    resampling = "bilinear"

    def __init__(
        self,
        *,
        root: Path | None = None,
        size: Annotated[int, Field(ge=SIDE, le=1_024)] = 224,
        jitter: tuple[Reach, Reach, Reach, Reach] = (0.4, 0.4, 0.4, 0.2),
        search_training: Share = 0.1,
        search_validation: Share = 0.025,
        batch_size: BatchSize = 64,
        workers: Workers = 4,
    ) -> None:
        super().__init__(batch_size=batch_size, workers=workers)
        if search_training + search_validation > 1 + 1e-9:
            raise OptionError(
                f"data.search_training={search_training:g} and data.search_validation={search_validation:g} are more "
                "than all training images; their sum must be at most 1"
            )
        self.root = user_path(root).absolute() if root else data_folder() / self.name
        self.size, self.jitter = size, jitter
        self.search_training, self.search_validation = search_training, search_validation

    @property
    def places(self) -> tuple[Path, ...]:
        """The folder of the training images."""
        return (self.root / "train",)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the class folders of `train`, sorted."""
        return tuple(folder.name for folder in self._class_folders("train"))

    @cached_property
    def _sets(self) -> tuple[ImageSet, ImageSet]:
        test_names = {folder.name for folder in self._class_folders("val")}
        for name in sorted(test_names ^ set(self.class_names)):
            with_it, without = ("val", "train") if name in test_names else ("train", "val")
            raise DataError(f"{self.root / with_it} has a class '{name}' that {self.root / without} lacks")
        train, test = self._set("train"), self._set("val")
        require_enough(self.root / "train", train.labels, self.class_names, held_out=False)
        return train, test

    def _class_folders(self, part: str) -> list[Path]:
        """The folders of the classes; a `DataError` says what the folder of a part must look like."""
        folder = self.root / part
        if not folder.is_dir():
            raise DataError(
                f"there is no folder {folder}; data=imagenet needs ROOT/train/CLASS/*.JPEG and ROOT/val/CLASS/*.JPEG, "
                "where ROOT is data.root, or else the folder imagenet in NASFORGE_DATA or ./data"
            )
        classes = folders.subfolders(folder)
        if not classes:
            raise DataError(
                f"{folder} has no folders of classes; sort its images into {folder}/CLASS/*.JPEG, as "
                "torchvision.datasets.ImageNet does when it unpacks the official archives"
            )
        return classes

    def _set(self, part: str) -> ImageSet:
        """The images of a part, class by class and sorted by name, after a look at every file."""
        base = self.root / part
        with ThreadPoolExecutor(LISTED_AT_ONCE) as pool:
            listed = list(pool.map(lambda name: _listed(self.root, base / name), self.class_names))
        for name, files in zip(self.class_names, listed, strict=True):
            if not files.names:
                raise DataError(f"{base / name} has no images; each class needs at least one")
        verify([file for files in listed for file in files.unusual])
        names = np.array(list(chain.from_iterable(files.names for files in listed)))
        sizes = np.array(list(chain.from_iterable(files.sizes for files in listed)))
        labels = torch.repeat_interleave(torch.tensor([len(files.names) for files in listed]))
        return ImageSet.of(Photos(self.root, names, sizes, side=self.size, threads=self.workers), labels)

    @property
    def train(self) -> ImageSet:
        """All images of root/train."""
        return self._sets[0]

    @property
    def test(self) -> ImageSet:
        """The images of root/val: ImageNet's own test images have no published labels."""
        return self._sets[1]

    def search_sets(self, seed: int) -> tuple[ImageSet, ImageSet]:
        """A part of the training images for weights, and another for architectures, as in PC-DARTS and EG-NAS.

        Raises:
            OptionError: a part has no image of some class.
        """
        first, second = (round(len(self.train) * share) for share in (self.search_training, self.search_validation))
        together = min(first + second, len(self.train))
        if min(first, second) < len(self.class_names):
            raise OptionError(
                f"data.search_training={self.search_training:g} and data.search_validation={self.search_validation:g} "
                f"of {len(self.train):,} images are {first:,} and {second:,}, which is less than one for each of "
                f"{len(self.class_names):,} classes; raise them, for example to 0.8 and 0.2"
            )
        return self.train.subset(together, seed).split(second / together, seed)

    @property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The usual constants of ImageNet."""
        return (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    @property
    def preprocessing(self) -> Preprocessing:
        """Normalization, flips and color jitter."""
        plain = super().preprocessing
        return ColorJitter(**vars(plain), jitter=self.jitter) if any(self.jitter) else plain

    @property
    def reading(self) -> str:
        """How images are cropped and scaled."""
        side = self.size
        return (
            f"{side} x {side} pixels in color: random crops for training, otherwise the center of each image after its "
            f"shorter side is scaled to {round(side / CENTER)}"
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """The number of images of each class, and of the search's parts."""
        parts = (("training", self.train), ("test", self.test))
        return (
            *(f"{part} images of each class: {counted(images.labels, self.class_names)}" for part, images in parts),
            f"a search reads {100 * self.search_training:.4g} % of the training images for weights and "
            f"{100 * self.search_validation:.4g} % for architectures; the test images are those of {self.root / 'val'}",
        )


def _listed(root: Path, folder: Path) -> ClassFiles:
    """The image files of a class folder, sorted by name."""
    files = ClassFiles([], [], [])
    for file in sorted(_images(folder)):
        size, usual = _looked_at(file)
        files.names.append(os.fsencode(file.relative_to(root)))
        files.sizes.append(size)
        if not usual:
            files.unusual.append(file)
    return files


def _images(folder: Path) -> Iterator[Path]:
    return (file for file in folder.iterdir() if file.suffix.lower() in folders.SUFFIXES and file.name[0] != ".")


def _looked_at(file: Path) -> tuple[int, bool]:
    """A file's size, and whether it begins and ends as a JPEG: a million files cannot all be decoded first."""
    try:
        with file.open("rb", buffering=0) as content:
            begins = content.read(len(JPEG)) == JPEG
            size = content.seek(0, os.SEEK_END)
            content.seek(max(0, size - len(JPEG_END)))
            return size, begins and content.read() == JPEG_END
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror})") from None
