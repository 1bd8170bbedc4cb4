"""ImageNet as folders of files: root/train/CLASS/*.JPEG and root/val/CLASS/*.JPEG."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nasforge import DataError
from nasforge_plugins.data import folders
from nasforge_plugins.data.image_folder import verify
from nasforge_plugins.data.imagenet.photos import JPEG, Photos

JPEG_END = b"\xff\xd9"
LISTED_AT_ONCE = 8
"""How many folders are listed together."""


class ClassFiles(NamedTuple):
    """The image files of a class: paths relative to the root, sizes in bytes, and files that need a closer look."""

    names: list[bytes]
    sizes: list[int]
    unusual: list[Path]


class PhotoFiles(Photos):
    """Photos in files of their own.

    Args:
        root: the folder that names are relative to.
        names: paths of the files as bytes, (N,). As Python objects, a million would be copied into each worker.
        sizes: of the files in bytes, (N,).
    """

    def __init__(self, root: Path, names: np.ndarray, sizes: np.ndarray, *, side: int, threads: int) -> None:
        super().__init__(side=side, threads=threads)
        self.root, self.names, self.sizes = root, names, sizes

    def __len__(self) -> int:
        return len(self.names)

    def where(self, position: int) -> str:
        """The path of a file."""
        return str(self.root / os.fsdecode(self.names[position]))

    def content(self, position: int) -> np.ndarray:
        """The bytes of a file."""
        return np.fromfile(self.where(position), np.uint8)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of file names, sizes, the side and the way of reading: hashing every pixel would cost an epoch."""
        digest = hashlib.sha256(repr((self.side, "bilinear", self.names.dtype, self.sizes.dtype)).encode())
        for part in (self.names, self.sizes):
            digest.update(part.tobytes())
        return digest.hexdigest()


class FolderCopy:
    """The folders that torchvision and the official scripts unpack the archives into."""

    def __init__(self, root: Path) -> None:
        self.root, self.train, self.test = root, root / "train", root / "val"
        self.places: tuple[Path, ...] = (self.train,)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the class folders, sorted; those of `train` and `val` must be the same."""
        names, test_names = ({folder.name for folder in _classes(part)} for part in (self.train, self.test))
        for name in sorted(names ^ test_names):
            with_it, without = (self.test, self.train) if name in test_names else (self.train, self.test)
            raise DataError(f"{with_it} has a class '{name}' that {without} lacks")
        return tuple(sorted(names))

    def photos(self, part: Path, *, side: int, threads: int) -> tuple[Photos, Tensor]:
        """The images of a part, class by class and sorted by name, after a look at every file."""
        with ThreadPoolExecutor(LISTED_AT_ONCE) as pool:
            listed = list(pool.map(lambda name: _listed(self.root, part / name), self.class_names))
        for name, files in zip(self.class_names, listed, strict=True):
            if not files.names:
                raise DataError(f"{part / name} has no images; each class needs at least one")
        verify([file for files in listed for file in files.unusual])
        names = np.array(list(chain.from_iterable(files.names for files in listed)))
        sizes = np.array(list(chain.from_iterable(files.sizes for files in listed)))
        labels = torch.repeat_interleave(torch.tensor([len(files.names) for files in listed]))
        return PhotoFiles(self.root, names, sizes, side=side, threads=threads), labels


def has_classes(root: Path) -> bool:
    """Whether the training images are in folders of classes."""
    return (root / "train").is_dir() and bool(folders.subfolders(root / "train"))


def _classes(folder: Path) -> list[Path]:
    """The folders of the classes; a `DataError` says what the folder of a part must look like."""
    if not folder.is_dir():
        raise DataError(
            f"there is no folder {folder}; data=imagenet needs ROOT/train/CLASS/*.JPEG and ROOT/val/CLASS/*.JPEG, or "
            "ROOT/train-*.parquet and ROOT/validation-*.parquet, where ROOT is data.root, or else the folder imagenet "
            "in NASFORGE_DATA or ./data"
        )
    classes = folders.subfolders(folder)
    if not classes and any(folder.glob("*.parquet")):
        raise DataError(
            f"{folder} has parquet files, and data=imagenet finds them by their names: move them to "
            f"{folder.parent}/{folder.name}-*.parquet"
        )
    if not classes:
        raise DataError(
            f"{folder} has no folders of classes; sort its images into {folder}/CLASS/*.JPEG, as "
            "torchvision.datasets.ImageNet does when it unpacks the official archives"
        )
    return classes


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
