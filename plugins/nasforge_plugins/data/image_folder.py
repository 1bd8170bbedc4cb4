"""One's own images, from folders named after their classes."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
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

from nasforge import (
    HELD_OUT_NOTE,
    BatchSize,
    CountOrZero,
    DataError,
    DataModule,
    ImageSet,
    Workers,
    hold_out,
    text_of,
    user_path,
)
from nasforge_plugins.data import folders
from nasforge_plugins.data.own_images import SIDE, counted, require_enough, statistics

SAMPLE = 2_000
"""Of how many images mean and deviation are measured: each must be read from its file."""
ORIENTATION = 0x0112
"""The EXIF tag by which a camera says how it was held."""
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture of each orientation upright; 1 is upright."""


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
        """Of names, sizes, the side and how files are read: reading every pixel first would cost an epoch."""
        facts = [(file.relative_to(self.root).as_posix(), file.stat().st_size) for file in self.files]
        return hashlib.sha256(repr((facts, self.side, "upright")).encode()).hexdigest()

    def _read(self, file: Path) -> Tensor:
        """RGB, upright, the middle square, scaled to `side` with Lanczos resampling: (3, side, side)."""
        try:
            with Image.open(file) as image:
                square = ImageOps.fit(_upright(image).convert("RGB"), (self.side,) * 2, Image.Resampling.LANCZOS)
        except OSError as error:
            raise DataError(f"{file} could be read before, and no longer can ({text_of(error)})") from None
        return torch.from_numpy(np.array(square).transpose(2, 0, 1).copy())


def _upright(image: Image.Image) -> Image.Image:
    """As its camera was held. `ImageOps.exif_transpose` rewrites the metadata too, and fails where they are odd."""
    image.load()  # turns a TIFF by itself
    try:
        turn = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
    except Exception:  # Pillow has many kinds of error for broken metadata; the pixels are as good as before
        turn = None
    return image if turn is None else image.transpose(turn)


class ImageFolder(DataModule):
    """Your own images in folders: root/train/CLASS/*.png and root/test/CLASS/*.png, or root/CLASS/*.png alone.

    Read as RGB, upright, the middle square, `image_size` pixels a side (4 or more). Split folders may have their other
    usual names (`Training`, `seg_test`, `valid`); a validation folder stands for `test` where there is none, and
    without either a class-balanced fifth is held out. `DataError` names the folder or the files that are missing or
    broken.
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
        """The folder; only reading tells what is in it."""
        return (self.root,)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the folders, sorted."""
        return tuple(folder.name for folder in folders.subfolders(self._layout.train))

    @cached_property
    def _split(self) -> tuple[ImageSet, ImageSet]:
        train, test = self._layout.train, self._layout.test
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
        if extra := {folder.name for folder in folders.subfolders(test)} - set(self.class_names):
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
            own, _ = folders.images(base / name)
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
    def reading(self) -> str:
        """What is cut off."""
        side = self.image_size
        return f"of each image the middle square, upright, in colour, scaled to {side} x {side} pixels"

    @property
    def notes(self) -> tuple[str, ...]:
        """How many images of which class were read, where the test set comes from, and what was left unread."""
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
            notes.append(f"folders of {self.root} that are not read: {', '.join(one.name for one in layout.unread)}")
        if others := self._others():
            listed = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(5))
            notes.append(f"files in the folders of classes that are not read, by their suffix: {listed}")
        return tuple(notes)

    def _others(self) -> Counter[str]:
        """Files in the class folders that are no images, by suffix."""
        bases = [base for base in (self._layout.train, self._layout.test) if base]
        each = (folders.images(base / name)[1] for base in bases for name in self.class_names)
        return sum(each, start=Counter())


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
        return f"{file} ({text_of(error)})"
    return f"{file} (more than 8 bits a channel, which would be cut off)" if deep else None
