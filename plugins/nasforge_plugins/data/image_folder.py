"""One's own images, from folders named after their classes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from PIL import Image, ImageOps
from pydantic import Field
from torch import Tensor

from nasforge import HELD_OUT_NOTE, DataError, DataModule, ImageSet, hold_out
from nasforge_plugins.data.own_images import SIDE, require_enough, statistics

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
SAMPLE = 2_000
"""Of how many images mean and deviation are measured: each must be read from its file."""


class Files:
    """Image files that index like a uint8 tensor (N, 3, side, side); each is read when it is asked for."""

    def __init__(self, root: Path, files: Sequence[Path], side: int) -> None:
        self.root, self.files, self.side = root, list(files), side

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, positions: Tensor) -> Tensor:
        """`DataError` names a file that has vanished or changed since the start."""
        return torch.stack([self._read(self.files[int(position)]) for position in positions])

    @cached_property
    def fingerprint(self) -> str:
        """Of names, sizes and the side: reading every pixel first would cost an epoch."""
        facts = [(file.relative_to(self.root).as_posix(), file.stat().st_size) for file in self.files]
        return hashlib.sha256(repr((facts, self.side)).encode()).hexdigest()

    def _read(self, file: Path) -> Tensor:
        """RGB, the middle square, scaled to `side` with Lanczos resampling: (3, side, side)."""
        try:
            with Image.open(file) as image:
                square = ImageOps.fit(image.convert("RGB"), (self.side, self.side), Image.Resampling.LANCZOS)
        except OSError as error:
            raise DataError(f"{file} could be read before, and no longer can ({error})") from None
        return torch.from_numpy(np.array(square).transpose(2, 0, 1).copy())


class ImageFolder(DataModule):
    """Your own images in folders: root/train/CLASS/*.png and root/test/CLASS/*.png, or root/CLASS/*.png alone.

    Read as RGB, the middle square, `image_size` pixels a side (4 or more). `val` may stand for `test`; without either a
    class-balanced fifth is held out. `DataError` names the folder or the files that are missing or broken.
    """

    name = "image_folder"

    def __init__(
        self,
        *,
        root: str = "data",
        image_size: Annotated[int, Field(ge=SIDE)] = 32,
        pad: Annotated[int, Field(ge=0)] = 4,
        flip: bool = True,
        batch_size: Annotated[int, Field(ge=2)] = 64,
        workers: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, workers=workers)
        self.root, self.image_size, self.pad, self.flip = Path(root).expanduser().absolute(), image_size, pad, flip

    @cached_property
    def _folders(self) -> tuple[Path, Path | None]:
        """Where training images lie and, if there are any, test images."""
        if not self.root.is_dir():
            raise DataError(f"there is no folder {self.root}; it must hold one folder of images for each class")
        train = self.root / "train"
        test = next((self.root / name for name in ("test", "val") if (self.root / name).is_dir()), None)
        if test and not train.is_dir():
            raise DataError(f"{self.root} has a folder '{test.name}', but no 'train' beside it")
        return (train, test) if train.is_dir() else (self.root, None)

    @property
    def places(self) -> tuple[Path, ...]:
        """The folder; only reading tells what is in it."""
        return (self.root,)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the folders, sorted."""
        return _class_names(self._folders[0])

    @cached_property
    def _split(self) -> tuple[ImageSet, ImageSet]:
        train, test = self._folders
        files, labels = self._listed(train)
        require_enough(train, labels, self.class_names, held_out=test is None)
        if test is None:
            _verify(files)
            parts = hold_out(self._set(files, labels))
            # Each with files of its own, so that a search cannot come upon the test images in the source of its own.
            first, second = (
                self._set([files[i] for i in part.positions.tolist()], labels[part.positions]) for part in parts
            )
            return first, second
        if extra := set(_class_names(test)) - set(self.class_names):
            raise DataError(f"{test} has a class '{min(extra)}' that {train} lacks")
        test_files, test_labels = self._listed(test)
        present = torch.bincount(test_labels, minlength=len(self.class_names))
        if not present.all():
            raise DataError(
                f"{test / self.class_names[int(present.argmin())]} holds no image; each class needs one to test"
            )
        _verify([*files, *test_files])
        return self._set(files, labels), self._set(test_files, test_labels)

    def _listed(self, base: Path) -> tuple[list[Path], Tensor]:
        """Image files below `base`, class by class and sorted by name, and their labels (N,)."""
        files: list[Path] = []
        labels: list[int] = []
        for label, name in enumerate(self.class_names):
            own = sorted(file for file in (base / name).rglob("*") if file.suffix.lower() in SUFFIXES and _shown(file))
            files += own
            labels += [label] * len(own)
        return files, torch.tensor(labels, dtype=torch.int64)

    def _set(self, files: Sequence[Path], labels: Tensor) -> ImageSet:
        return ImageSet.of(Files(self.root, files, self.image_size), labels)

    @property
    def train(self) -> ImageSet:
        """Images of root/train (or root), less the held-out fifth if there is no test folder."""
        return self._split[0]

    @property
    def test(self) -> ImageSet:
        """Images of root/test (or root/val), or the held-out fifth."""
        return self._split[1]

    @cached_property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Measured on the training images, on a class-balanced sample of 2,000 if there are more."""
        return statistics(self.train, sample=SAMPLE)

    @property
    def notes(self) -> tuple[str, ...]:
        """Whether the test set was held out by us, or is what others call a validation set."""
        test = self._folders[1]
        if test is None:
            return (HELD_OUT_NOTE,)
        return (f"there is no folder 'test': the images of {test} are the test set",) if test.name == "val" else ()


def _class_names(base: Path) -> tuple[str, ...]:
    return tuple(sorted(folder.name for folder in base.iterdir() if folder.is_dir() and _shown(folder)))


def _shown(path: Path) -> bool:
    """Whether it is the user's own: systems and programs leave hidden files and folders behind."""
    return not path.name.startswith(".") and path.name != "__MACOSX"


def _verify(files: Sequence[Path]) -> None:
    """Decode every file once, so that broken ones are named before the work starts; `DataError` if there are any."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # decoders let other threads run
        broken = [what for what in pool.map(_complaint, files) if what]
    if broken:
        named = "; ".join(broken[:5]) + (f"; and {len(broken) - 5} more" if len(broken) > 5 else "")
        raise DataError(f"{len(broken)} of {len(files)} image files cannot be used: {named}; mend or remove them")


def _complaint(file: Path) -> str | None:
    """What is wrong with a file, if anything."""
    try:
        with Image.open(file) as image:
            image.draft("RGB", (SIDE, SIDE))  # a JPEG is read to its end, but without its fine detail: much faster
            image.load()
            deep = image.mode.startswith(("I", "F"))
    except Exception as error:  # Pillow's decoders have as many kinds of error as there are formats
        return f"{file} ({error})"
    return f"{file} (more than 8 bits a channel, which would be cut off)" if deep else None
