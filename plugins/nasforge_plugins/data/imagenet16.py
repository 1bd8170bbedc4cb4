"""ImageNet-16-120 (Chrabaszcz et al. 2017; Dong and Yang 2020): the task of NAS-Bench-201 with images of 16 x 16."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nasforge import BatchSize, DataError, DataModule, ImageSet, Workers, data_folder, text_of, user_path
from nasforge_plugins.shared.pickles import HeldArray, load_arrays

TRAIN = tuple(f"train_data_batch_{number}" for number in range(1, 11))
VAL = "val_data"
SPLIT = "imagenet-16-120-test-split.txt"
"""The file of NAS-Bench-201's authors that says which half of the validation images is which."""
CLASSES = 120
"""The classes that the task keeps: the first ones of 1,000."""
SHAPE = (3, 16, 16)


class ImageNet16(DataModule):
    """ImageNet-16-120: 151,700 training images of 16 x 16 in 120 classes, and 3,000 + 3,000 other images.

    `root` holds the published pickles, train_data_batch_1 to 10 and val_data, which are read without running code from
    them. As in NAS-Bench-201, a search trains on all training images, and half of the images of val_data choose
    architectures; the other half are the test images. `DataError` names the file that is missing or broken.
    """

    name = "imagenet16_120"
    pad = 2

    def __init__(self, *, root: Path | None = None, batch_size: BatchSize = 64, workers: Workers = 0) -> None:
        super().__init__(batch_size=batch_size, workers=workers)
        self.root = user_path(root).absolute() if root else data_folder() / "ImageNet16"

    @property
    def places(self) -> tuple[Path, ...]:
        """The file of the test images."""
        return (self.root / VAL,)

    @cached_property
    def train(self) -> ImageSet:
        """The training images of the first 120 classes."""
        return self._read(TRAIN)

    @cached_property
    def _halves(self) -> tuple[ImageSet, ImageSet]:
        """The images of val_data for validation, and those for tests, each without the other's pixels."""
        whole = self._read([VAL])
        if not (self.root / SPLIT).is_file():
            first, second = whole.split(0.5, seed=0)
            return first.alone(), second.alone()
        listed = [self._listed(part, len(whole)) for part in ("xvalid", "xtest")]
        if len(np.unique(torch.cat(listed))) < sum(map(len, listed)):
            raise DataError(f"{self.root / SPLIT} lists an image twice; its two parts must have none in common")
        validation, test = (whole[positions] for positions in listed)
        return ImageSet.of(*validation), ImageSet.of(*test)

    def _listed(self, part: str, count: int) -> Tensor:
        """The positions that the file of the split gives a part."""
        file = self.root / SPLIT
        try:
            positions = torch.tensor([int(position) for position in json.loads(file.read_text())[part][1]])
        except (ValueError, LookupError, TypeError, OSError) as error:
            raise DataError(f"{file} cannot be read ({text_of(error)}); it must be NAS-Bench-201's {SPLIT}") from None
        if len(positions) == 0 or positions.min() < 0 or positions.max() >= count:
            raise DataError(f"{file}: '{part}' must list images 0 to {count - 1:,} of {VAL}")
        return positions

    def _read(self, names: Sequence[str]) -> ImageSet:
        parts = [self._file(self.root / name) for name in names]
        pixels, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
        missing = set(range(CLASSES)) - set(labels.tolist())
        if missing:
            raise DataError(f"{', '.join(names)} of {self.root} have no image of class {min(missing) + 1}")
        return ImageSet.of(torch.from_numpy(pixels.reshape(-1, *SHAPE)), torch.from_numpy(labels))

    def _file(self, file: Path) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (N, 768) uint8 and labels (N,), from 0, of the first classes' images."""
        if not file.is_file():
            raise DataError(
                f"there is no file {file}; data=imagenet16_120 needs {TRAIN[0]} to {TRAIN[-1]} and {VAL}, the pickles "
                "of ImageNet at 16 x 16, in data.root, or else in the folder ImageNet16 of NASFORGE_DATA or ./data"
            )
        content = load_arrays(file)
        held = (content.get(key) if isinstance(content, dict) else None for key in ("data", "labels"))
        pixels, labels = (value.values if isinstance(value, HeldArray) else np.asarray(value) for value in held)
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (math.prod(SHAPE),) or not len(pixels):
            raise DataError(f"{file}: 'data' must be uint8 of shape (N, {math.prod(SHAPE)})")
        if labels.shape != (len(pixels),) or labels.dtype.kind not in "iu" or labels.min() < 1:
            raise DataError(f"{file}: 'labels' must be {len(pixels):,} whole numbers from 1 up")
        kept = labels <= CLASSES
        return pixels[kept], labels[kept].astype(np.int64) - 1

    @property
    def test(self) -> ImageSet:
        """The half of val_data that NAS-Bench-201 tests on."""
        return self._halves[1]

    def search_sets(self, seed: int) -> tuple[ImageSet, ImageSet]:
        """All training images, and the half of val_data that chooses architectures; the same for every seed."""
        return self.train, self._halves[0]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The labels in the files, 1 to 120."""
        return tuple(str(number) for number in range(1, CLASSES + 1))

    @property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The constants of NAS-Bench-201."""
        mean, deviation = (122.68, 116.66, 104.01), (63.22, 61.26, 65.09)
        return tuple(value / 255 for value in mean), tuple(value / 255 for value in deviation)

    @property
    def notes(self) -> tuple[str, ...]:
        """Where the split of val_data comes from, if it is not the published one."""
        if (self.root / SPLIT).is_file():
            return ()
        return (f"{VAL} is split into class-balanced halves; with {SPLIT} in {self.root}, as NAS-Bench-201 splits it",)
