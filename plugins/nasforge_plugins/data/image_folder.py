"""Your own images in folders named after their classes."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Annotated

import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from nasforge import (
    HELD_OUT_NOTE,
    BatchSize,
    CountOrZero,
    DataError,
    DataModule,
    ImageSet,
    Workers,
    fitted,
    hold_out,
    text_of,
    user_path,
)
from nasforge_plugins.data import folders
from nasforge_plugins.data.own_images import SIDE, counted, require_enough, statistics

SAMPLE = 2_000
"""The most images whose mean and deviation are measured: each must be read from its file."""


class Files:
    """Image files, indexed like a uint8 tensor (N, 3, side, side); each file is read on access."""

    def __init__(self, root: Path, files: Sequence[Path], side: int) -> None:
        self.root, self.files, self.side = root, list(files), side

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, positions: Tensor) -> Tensor:
        """The images at `positions`; a `DataError` names a file that was removed or changed since the start."""
        return torch.stack([self._read(self.files[int(position)]) for position in positions])

    @cached_property
    def fingerprint(self) -> str:
        """A hash of file names, sizes, the side and the way of reading: hashing every pixel would cost an epoch."""
        facts = [(file.relative_to(self.root).as_posix(), file.stat().st_size) for file in self.files]
        return hashlib.sha256(repr((facts, self.side, "upright")).encode()).hexdigest()

    def _read(self, file: Path) -> Tensor:
        """The image's center square in RGB, upright, scaled to `side` by Lanczos resampling: (3, side, side)."""
        try:
            with Image.open(file) as image:
                return fitted(image, (3, self.side, self.side))
        except (OSError, DataError) as error:
            raise DataError(f"{file} can no longer be read ({text_of(error)})") from None


class ImageFolder(DataModule):
    """Your own images in folders: root/train/CLASS/*.png and root/test/CLASS/*.png, or root/CLASS/*.png alone.

    Images are read as RGB, upright, cropped to the center square and scaled to `image_size` pixels per side (4 or
    more). Split folders may have other common names (`Training`, `seg_test`, `valid`). Without a test folder, a
    validation folder is the test set; without either, a class-balanced fifth is held out. `DataError` names the folder
    or the files that are missing or broken.
    """

    name = "image_folder"

    def __init__(
        self,
        *,
        root: Path = Path("data"),
        image_size: Annotated[int, Field(ge=SIDE, le=1_024)] = 32,
        pad: CountOrZero = 4,
        flip: bool = True,
        batch_size: BatchSize = 64,
        workers: Workers = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, workers=workers)
        self.root, self.image_size, self.pad, self.flip = user_path(root).absolute(), image_size, pad, flip

    @cached_property
    def _layout(self) -> folders.Layout:
        return folders.layout(self.root)

    @property
    def places(self) -> tuple[Path, ...]:
        """The folder; its content is known only after reading."""
        return (self.root,)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the class folders, sorted."""
        return tuple(folder.name for folder in folders.subfolders(self._layout.train))

    @cached_property
    def _split(self) -> tuple[ImageSet, ImageSet]:
        train, test = self._layout.train, self._layout.test
        files, labels = self._listed(train)
        require_enough(train, labels, self.class_names, held_out=test is None)
        if test is None:
            verify(files)
            parts = hold_out(self._set(files, labels))
            # Each part has its own list of files, so the source of the training images does not hold the test images.
            first, second = (
                self._set([files[i] for i in part.positions.tolist()], labels[part.positions]) for part in parts
            )
            return first, second
        if extra := {folder.name for folder in folders.subfolders(test)} - set(self.class_names):
            raise DataError(f"{test} has a class '{min(extra)}' that {train} lacks")
        test_files, test_labels = self._listed(test)
        present = torch.bincount(test_labels, minlength=len(self.class_names))
        if not present.all():
            raise DataError(
                f"{test / self.class_names[int(present.argmin())]} has no images; each class needs at least one"
            )
        verify([*files, *test_files])
        return self._set(files, labels), self._set(test_files, test_labels)

    def _listed(self, base: Path) -> tuple[list[Path], Tensor]:
        """Image files below `base`, class by class and sorted by name, and their labels (N,)."""
        files: list[Path] = []
        labels: list[int] = []
        for label, name in enumerate(self.class_names):
            class_files, _ = folders.images(base / name)
            files += class_files
            labels += [label] * len(class_files)
        return files, torch.tensor(labels, dtype=torch.int64)

    def _set(self, files: Sequence[Path], labels: Tensor) -> ImageSet:
        return ImageSet.of(Files(self.root, files, self.image_size), labels)

    @property
    def train(self) -> ImageSet:
        """Images of root/train (or root), without the held-out fifth if there is no test folder."""
        return self._split[0]

    @property
    def test(self) -> ImageSet:
        """Images of root/test (or root/val), or the held-out fifth."""
        return self._split[1]

    @cached_property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of the training images, or of a class-balanced sample of 2,000 if there are more."""
        return statistics(self.train, sample=SAMPLE)

    @property
    def reading(self) -> str:
        """How images are cropped and scaled."""
        side = self.image_size
        return f"the center square of each image, upright, in color, scaled to {side} x {side} pixels"

    @property
    def notes(self) -> tuple[str, ...]:
        """The number of images of each class, the source of the test set, and what was ignored."""
        layout = self._layout
        notes = [
            f"{part} images of each class: {counted(images.labels[images.positions], self.class_names)}"
            for part, images in (("training", self.train), ("test", self.test))
        ]
        if layout.test is None:
            notes.append(HELD_OUT_NOTE)
        elif layout.validation:
            notes.append(f"there is no folder 'test': the images of {layout.test} are the test set")
        if layout.unread:
            notes.append(f"ignored folders of {self.root}: {', '.join(folder.name for folder in layout.unread)}")
        if others := self._others():
            counts = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(5))
            notes.append(f"ignored files in the class folders, by suffix: {counts}")
        return tuple(notes)

    def _others(self) -> Counter[str]:
        """The number of files in the class folders that are not images, by suffix."""
        bases = [base for base in (self._layout.train, self._layout.test) if base]
        counts = (folders.images(base / name)[1] for base in bases for name in self.class_names)
        return sum(counts, start=Counter())


def verify(files: Sequence[Path]) -> None:
    """Decode every file once, before the work starts; a `DataError` names the broken ones."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # decoders release the GIL
        broken = [problem for problem in pool.map(_problem, files) if problem]
    if broken:
        named = "; ".join(broken[:5]) + (f"; and {len(broken) - 5} more" if len(broken) > 5 else "")
        raise DataError(f"{len(broken)} of {len(files)} image files cannot be used: {named}; repair or remove them")


def _problem(file: Path) -> str | None:
    """What is wrong with a file; None if it is fine."""
    try:
        with Image.open(file) as image:
            image.draft("RGB", (SIDE, SIDE))  # reads a JPEG to its end, but without fine detail: much faster
            image.load()
            deep = image.mode.startswith(("I", "F"))
    except Exception as error:  # Pillow's decoders have as many kinds of error as there are formats
        return f"{file} ({text_of(error)})"
    return f"{file} (more than 8 bits per channel, which would be cut off)" if deep else None
