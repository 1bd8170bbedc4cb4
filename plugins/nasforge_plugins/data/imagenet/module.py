"""ImageNet (Russakovsky et al. 2015), or other photos in the same folders."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field

from nasforge import (
    BatchSize,
    DataModule,
    ImageSet,
    OptionError,
    Preprocessing,
    Workers,
    data_folder,
    user_path,
)
from nasforge_plugins.data.imagenet.color_jitter import ColorJitter
from nasforge_plugins.data.imagenet.copies import Copy
from nasforge_plugins.data.imagenet.folder_copy import FolderCopy, has_classes
from nasforge_plugins.data.imagenet.parquet_copy import ParquetCopy, parquet_folder
from nasforge_plugins.data.imagenet.photos import CENTER
from nasforge_plugins.data.own_images import SIDE, counted, require_enough

Share = Annotated[float, Field(gt=0, lt=1)]
Reach = Annotated[float, Field(ge=0, le=0.5)]


class ImageNet(DataModule):
    """ImageNet: root/train/CLASS/*.JPEG and root/val/CLASS/*.JPEG, or root/train*.parquet and root/val*.parquet.

    Photos of any size are read at `size` pixels.

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

    @cached_property
    def _copy(self) -> Copy:
        """The files of the images: folders, unless there are only parquet files of training images."""
        folder = parquet_folder(self.root)
        return FolderCopy(self.root) if folder is None or has_classes(self.root) else ParquetCopy(folder)

    @property
    def places(self) -> tuple[Path, ...]:
        """The folder of the training images, or their parquet files."""
        return self._copy.places

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the class folders of `train`, sorted, or of the classes that parquet files state."""
        return self._copy.class_names

    @cached_property
    def _sets(self) -> tuple[ImageSet, ImageSet]:
        train, test = (self._set(part) for part in (self._copy.train, self._copy.test))
        require_enough(self._copy.train, train.labels, self.class_names, held_out=False)
        return train, test

    def _set(self, part: Path) -> ImageSet:
        return ImageSet.of(*self._copy.photos(part, side=self.size, threads=self.workers))

    @property
    def train(self) -> ImageSet:
        """All training images."""
        return self._sets[0]

    @property
    def test(self) -> ImageSet:
        """The images of `val` or `validation`: ImageNet's own test images have no published labels."""
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
            f"{100 * self.search_validation:.4g} % for architectures; the test images are those of {self._copy.test}",
        )
