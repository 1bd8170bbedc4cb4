"""ImageNet as parquet files, as the Hugging Face Hub has it: columns `image` (the bytes of a file) and `label`."""

from __future__ import annotations

import hashlib
import importlib
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nasforge import DataError, OptionError, text_of
from nasforge_plugins.data.imagenet.photos import Photos

COLUMNS = ("image", "label")


class PhotoRows(Photos):
    """Photos in the rows of a table on the disk, which all processes map into memory.

    Args:
        rows: a `datasets.Dataset` whose column `image` has the bytes of image files.
        files: what the rows are from, for messages.
        identity: what determines the photos.
    """

    def __init__(self, rows: Any, *, files: Path, identity: object, side: int, threads: int) -> None:
        super().__init__(side=side, threads=threads)
        self.rows, self.files, self.identity = rows, files, identity

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, position: int) -> str:
        """The files and the row."""
        return f"the image in row {position:,} of {self.files}"

    def content(self, position: int) -> np.ndarray:
        """The bytes of a row's image, in memory of their own."""
        return np.frombuffer(bytearray(self.rows[position]["image"]["bytes"]), np.uint8)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the files' names and sizes, the side and the way of reading."""
        return hashlib.sha256(repr((self.side, "bilinear", self.identity)).encode()).hexdigest()


class ParquetCopy:
    """Files such as train-00000-of-00294.parquet and validation-00000-of-00014.parquet in one folder.

    The library `datasets` writes their rows once to its cache, which takes the files' space again, since a row of a
    compressed file cannot be read alone.
    """

    def __init__(self, folder: Path) -> None:
        self.train, self.test = folder / "train*.parquet", folder / "val*.parquet"
        self.places = tuple(_files(self.train))
        self._read: dict[Path, Any] = {}

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that the files state, or else their numbers."""
        stated = getattr(self._rows(self.train).features["label"], "names", None)
        return tuple(stated or map(str, range(int(self._labels(self.train).max()) + 1)))

    def photos(self, part: Path, *, side: int, threads: int) -> tuple[Photos, Tensor]:
        """The images of a part, in the order of its files."""
        labels, classes = self._labels(part), len(self.class_names)
        wrong = labels[(labels < 0) | (labels >= classes)]
        if len(wrong):
            raise DataError(
                f"{part} has the label {int(wrong[0])}; those of its {classes:,} classes are 0 to {classes - 1:,}"
            )
        identity = [(file.name, file.stat().st_size) for file in _files(part)]
        return PhotoRows(self._rows(part), files=part, identity=identity, side=side, threads=threads), labels

    def _labels(self, part: Path) -> Tensor:
        return torch.tensor(self._rows(part).data.column("label").to_numpy(), dtype=torch.long)

    def _rows(self, part: Path) -> Any:
        """The rows of a part; a `DataError` names the file that has none, or other columns."""
        if part not in self._read:
            files = _files(part)
            if not files:
                raise DataError(f"there is no file {part}; data=imagenet tests networks on its images")
            datasets = _library()
            if not sys.stderr.isatty():
                datasets.disable_progress_bars()
            for file in files:
                _check(file)
            rows = datasets.Dataset.from_parquet([str(file) for file in files], columns=list(COLUMNS))
            self._read[part] = rows.cast_column("image", datasets.Image(decode=False))
        return self._read[part]


def parquet_folder(root: Path) -> Path | None:
    """The folder with parquet files of training images, `root` or the folder `data` in it; None: neither has one."""
    return next((folder for folder in (root, root / "data") if _files(folder / "train*.parquet")), None)


def _files(part: Path) -> list[Path]:
    return sorted(part.parent.glob(part.name))


def _library() -> Any:
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        raise OptionError(
            f"parquet files need the package datasets ({error}): pip install 'nasforge[parquet]'"
        ) from None


def _check(file: Path) -> None:
    """Refuse a file that cannot be read, or that has no images and labels, by what stands at its end."""
    parquet = importlib.import_module("pyarrow.parquet")
    try:
        schema = parquet.read_schema(file)
    except Exception as error:  # pyarrow has a kind of error for each kind of damage
        raise DataError(f"{file} cannot be read ({text_of(error)})") from None
    if missing := [name for name in COLUMNS if name not in schema.names]:
        raise DataError(
            f"{file} has no column '{missing[0]}', but {', '.join(schema.names)}; data=imagenet needs image and label"
        )
    image = schema.field("image").type
    if "bytes" not in [image.field(number).name for number in range(image.num_fields)]:
        raise DataError(f"the column 'image' of {file} has type {image}; data=imagenet needs the bytes of image files")
