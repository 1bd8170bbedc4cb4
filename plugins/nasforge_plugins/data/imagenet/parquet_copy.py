"""ImageNet as parquet files, as the Hugging Face Hub has it: columns `image` (the bytes of a file) and `label`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nasforge import DataError
from nasforge_plugins.data.imagenet.parquet_files import check_parts, files_of, opened
from nasforge_plugins.data.imagenet.photos import Photos


class PhotoRows(Photos):
    """Photos in the rows of parquet files, which all processes of a machine map into memory.

    A process on another machine opens the files itself: they may be cached elsewhere there.

    Args:
        files: their paths.
        part: what messages call them.
        labels: (N,).
    """

    def __init__(self, files: Sequence[Path], *, part: Path, labels: Tensor, side: int, threads: int) -> None:
        super().__init__(side=side, threads=threads)
        self.files, self.part, self.count = tuple(files), part, len(labels)
        sizes = [(file.name, file.stat().st_size) for file in files]
        identity = self.side, "bilinear", sizes, hashlib.sha256(labels.numpy().tobytes()).hexdigest()
        self._fingerprint = hashlib.sha256(repr(identity).encode()).hexdigest()

    @cached_property
    def _rows(self) -> Any:
        return opened(self.files)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_rows"}

    def __len__(self) -> int:
        return self.count

    def where(self, position: int) -> str:
        """The row and the files."""
        return f"the image in row {position:,} of {self.part}"

    def content(self, position: int) -> np.ndarray:
        """The bytes of a row's image, in memory of their own."""
        return np.frombuffer(bytearray(self._rows[position]["image"]["bytes"]), np.uint8)

    @property
    def fingerprint(self) -> str:
        """A hash of the files' names and sizes, the labels, the side and the way of reading."""
        return self._fingerprint


class ParquetCopy:
    """Files such as train-00000-of-00294.parquet and validation-00000-of-00014.parquet in one folder."""

    def __init__(self, folder: Path) -> None:
        self.train, self.test = folder / "train*.parquet", folder / "val*.parquet"
        self.places = tuple(files_of(self.train))
        self._rows: dict[Path, Any] = {}

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that the files state, or else their numbers."""
        stated, tested = (getattr(self._opened(part).features["label"], "names", None) for part in self._parts)
        for number, (name, other) in enumerate(zip(stated or (), tested or (), strict=False)):
            if name != other:
                raise DataError(f"label {number} is '{name}' in {self.train}, but '{other}' in {self.test}")
        return tuple(stated or map(str, range(int(self._labels(self.train).max()) + 1)))

    @property
    def _parts(self) -> tuple[Path, Path]:
        return self.train, self.test

    def photos(self, part: Path, *, side: int, threads: int) -> tuple[Photos, Tensor]:
        """The images of a part, in the order of its files."""
        labels, classes = self._labels(part), len(self.class_names)
        wrong = labels[(labels < 0) | (labels >= classes)]
        if len(wrong):
            raise DataError(
                f"{part} has the label {int(wrong[0])}; labels count from 0, and there are {classes:,} classes"
            )
        return PhotoRows(files_of(part), part=part, labels=labels, side=side, threads=threads), labels

    def _labels(self, part: Path) -> Tensor:
        return torch.tensor(self._opened(part).data.column("label").to_numpy(), dtype=torch.long)

    def _opened(self, part: Path) -> Any:
        if not self._rows:
            check_parts(self._parts)
        if part not in self._rows:
            self._rows[part] = opened(files_of(part))
        return self._rows[part]


def parquet_folder(root: Path) -> Path | None:
    """The folder with parquet files of training images, `root` or the folder `data` in it; None: neither has one.

    The library's cache knows files by their paths, so links to folders are followed first.
    """
    root = root.resolve()
    return next((folder for folder in (root, root / "data") if files_of(folder / "train*.parquet")), None)
