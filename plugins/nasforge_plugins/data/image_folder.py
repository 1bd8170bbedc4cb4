"""One's own images, from folders named after their classes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic import Field
from torch import Tensor

from nasforge import HELD_OUT_NOTE, DataError, DataModule, ImageSet, hold_out
from nasforge_plugins.data.npz import statistics

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}


class Files:
    """Image files that index like a uint8 tensor (N, 3, side, side); each is read when it is asked for."""

    def __init__(self, root: Path, files: Sequence[Path], side: int) -> None:
        self.root, self.files, self.side = root, list(files), side

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, positions: Tensor) -> Tensor:
        return torch.stack([self._read(self.files[int(position)]) for position in positions])

    @cached_property
    def fingerprint(self) -> str:
        """Of names, sizes and the side: reading every pixel first would cost an epoch."""
        facts = [(str(file.relative_to(self.root)), file.stat().st_size) for file in self.files]
        return hashlib.sha256(repr((facts, self.side)).encode()).hexdigest()

    def _read(self, file: Path) -> Tensor:
        """RGB, scaled so that the shorter side fits, cropped round the centre."""
        with Image.open(file) as image:
            square = ImageOps.fit(image.convert("RGB"), (self.side, self.side), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(square).transpose(2, 0, 1).copy())


class ImageFolder(DataModule):
    """Your own images in folders: root/train/CLASS/*.png and root/test/CLASS/*.png, or root/CLASS/*.png alone.

    Read as RGB, `image_size` pixels square. Without a test folder a class-balanced fifth is held out.
    """

    name = "image_folder"

    def __init__(
        self,
        *,
        root: str = "data",
        image_size: Annotated[int, Field(ge=4)] = 32,
        pad: Annotated[int, Field(ge=0)] = 4,
        flip: bool = True,
        batch_size: Annotated[int, Field(ge=2)] = 64,
        workers: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, workers=workers)
        self.root, self.image_size, self.pad, self.flip = Path(root).absolute(), image_size, pad, flip

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the folders, sorted."""
        base = self._training_folder
        if not base.is_dir():
            raise DataError(f"there is no folder {base}; it must hold one folder of images for each class")
        names = tuple(sorted(folder.name for folder in base.iterdir() if folder.is_dir()))
        if len(names) < 2:
            raise DataError(f"{base} holds {len(names)} class folder(s); a classifier needs 2 or more")
        return names

    @cached_property
    def _split(self) -> tuple[ImageSet, ImageSet]:
        whole = self._read(self._training_folder)
        if not (self.root / "test").is_dir():
            return hold_out(whole)
        return whole, self._read(self.root / "test")

    @property
    def _training_folder(self) -> Path:
        return self.root / "train" if (self.root / "train").is_dir() else self.root

    def _read(self, base: Path) -> ImageSet:
        """Every file is opened once, so that a broken one is named before the work starts."""
        files, labels = [], []
        for label, name in enumerate(self.class_names):
            own = sorted(file for file in (base / name).rglob("*") if file.suffix.lower() in SUFFIXES)
            if len(own) < (4 if base == self._training_folder else 1):
                raise DataError(
                    f"{base / name} holds {len(own)} images; a class needs 4 or more to train on, 1 to test"
                )
            files += own
            labels += [label] * len(own)
        for file in files:
            _verify(file)
        return ImageSet.of(Files(self.root, files, self.image_size), torch.tensor(labels))

    @property
    def train(self) -> ImageSet:
        """Images of root/train (or root), less the held-out fifth if there is no test folder."""
        return self._split[0]

    @property
    def test(self) -> ImageSet:
        """Images of root/test, or the held-out fifth."""
        return self._split[1]

    @cached_property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Measured on training images, 10,000 at most."""
        return statistics(self.train)

    @property
    def notes(self) -> tuple[str, ...]:
        """Whether the test set was held out by us."""
        return () if (self.root / "test").is_dir() else (HELD_OUT_NOTE,)


def _verify(file: Path) -> None:
    try:
        with Image.open(file) as image:
            image.verify()
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise DataError(f"{file} is not an image that can be read ({error}); mend or remove it") from None
