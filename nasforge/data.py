"""The contract of a data module, and a search's view of it: training images, never test images."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from nasforge.devices.portions import Portion
from nasforge.devices.threads import torch_threads
from nasforge.devices.transfer import sent
from nasforge.errors import DataError, OptionError
from nasforge.images import DrawnBatches, ImageSet, SeededBatches
from nasforge.space import Shape

Resampling = Literal["lanczos", "bilinear"]
"""Filters that scale images."""


@dataclass(frozen=True)
class Preprocessing:
    """Converts a uint8 batch to a network's input, and augments whole batches on the device.

    Attributes:
        mean, std: per channel, of pixels in [0, 1].
        pad: padding in pixels before a random crop (0: no crop).
        flip: whether to flip images horizontally at random.
        cutout: side in pixels of the square to blank out (0: none; DeVries and Taylor 2017).
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    pad: int = 0
    flip: bool = False
    cutout: int = 0

    def scaled(self, factor: float) -> Preprocessing:
        """Return the same for images scaled by `factor`: padding and cutout are scaled as well."""
        return replace(self, pad=round(self.pad * factor), cutout=round(self.cutout * factor))

    def normalize(self, images: Tensor) -> Tensor:
        """Convert pixels (B, C, H, W) in [0, 255] to float32 with zero mean and unit deviation per channel."""
        mean, std = (sent(torch.tensor(values), images.device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (images.float() / 255).sub_(mean).div_(std)

    def augment(self, images: Tensor, generator: torch.Generator, portion: Portion | None = None) -> Tensor:
        """Convert uint8 (B, C, H, W) to float32: crop, flip, normalize and cut out, in the published order.

        `generator` is on the CPU, so every device draws the same numbers. Each rank draws for the whole batch, so an
        image is augmented the same way for any number of ranks.

        Args:
            portion: the rows of the batch that `images` holds; None: all of them.
        """
        portion = portion or Portion(0, 1, len(images))
        if self.pad:
            images = _random_crop(images, self.pad, generator, portion)
        if self.flip:
            flipped = sent(portion.of(torch.rand(portion.whole, generator=generator)), images.device) < 0.5
            images = torch.where(flipped.view(-1, 1, 1, 1), images.flip(3), images)
        images = self.normalize(self.distort(images, generator, portion))
        return _cutout(images, self.cutout, generator, portion) if self.cutout else images

    def distort(self, images: Tensor, generator: torch.Generator, portion: Portion) -> Tensor:
        """Return images (B, C, H, W) in [0, 255] as a subclass distorts uint8 images; here unchanged."""
        return images


def _random_crop(images: Tensor, pad: int, generator: torch.Generator, portion: Portion) -> Tensor:
    """Shift each image by up to `pad` pixels in each direction; the new pixels are black, as published."""
    batch, channels, height, width = images.shape
    padded = torch.nn.functional.pad(images, (pad, pad, pad, pad))
    down, right = torch.randint(0, 2 * pad + 1, (2, portion.whole, 1), generator=generator)
    shift = sent(torch.stack([portion.of(down), portion.of(right)]), images.device)
    rows = shift[0] + torch.arange(height, device=images.device)  # (B, H)
    columns = shift[1] + torch.arange(width, device=images.device)  # (B, W)
    # One gather over flat planes is four times as fast as indexing by image, channel, row and column.
    flat = rows[:, :, None] * (width + 2 * pad) + columns[:, None, :]
    index = flat.view(batch, 1, height * width).expand(-1, channels, -1)
    return padded.flatten(2).gather(2, index).view_as(images)


def _cutout(images: Tensor, side: int, generator: torch.Generator, portion: Portion) -> Tensor:
    """Set a square of `side` pixels around a random center to the mean; it may extend beyond the border."""
    _, _, height, width = images.shape
    rows = sent(portion.of(torch.randint(0, height, (portion.whole, 1, 1), generator=generator)), images.device)
    columns = sent(portion.of(torch.randint(0, width, (portion.whole, 1, 1), generator=generator)), images.device)
    low = side // 2
    row_offset = torch.arange(height, device=images.device).view(1, -1, 1) - rows + low
    column_offset = torch.arange(width, device=images.device).view(1, 1, -1) - columns + low
    inside = (row_offset >= 0) & (row_offset < side) & (column_offset >= 0) & (column_offset < side)
    return images.masked_fill(inside.unsqueeze(1), 0.0)


@dataclass(frozen=True, eq=False)
class FitData:
    """The data of one fit: training images and, if the method uses them, validation images."""

    train: ImageSet
    validation: ImageSet | None
    preprocessing: Preprocessing
    batch_size: int
    workers: int = 0

    @cached_property
    def fingerprint(self) -> str:
        """A hash of both sets, their preprocessing and the batch size."""
        parts = (self.train.fingerprint, self.validation and self.validation.fingerprint, self.preprocessing)
        return hashlib.sha256(repr((*parts, self.batch_size)).encode()).hexdigest()[:32]

    def scaled(self, factor: float) -> FitData:
        """Scale the images with Lanczos resampling, and the padding of crops in proportion."""
        validation = self.validation and self.validation.scaled(factor)
        preprocessing = self.preprocessing.scaled(factor)
        return replace(self, train=self.train.scaled(factor), validation=validation, preprocessing=preprocessing)

    def images_in_batch(self, batch_index: int) -> int:
        """Return how many images the training batch `batch_index` of an epoch has."""
        return min(self.batch_size, len(self.train) - batch_index * self.batch_size)

    def order(self, seed: int, *, rank: int = 0, ranks: int = 1) -> SeededBatches:
        """Return the indices of each training batch, in the seeded order of each epoch."""
        return SeededBatches(len(self.train), self.batch_size, seed, rank=rank, ranks=ranks)

    def loader(self, seed: int, *, rank: int = 0, ranks: int = 1) -> DataLoader[tuple[Tensor, Tensor]]:
        """Return a loader of training batches (uint8 images, labels) in the seeded order and views of each epoch."""
        return DataLoader(
            _Views(self.train),  # type: ignore[arg-type]  # its index is a whole batch, not one integer
            batch_size=None,
            sampler=DrawnBatches(self.order(seed, rank=rank, ranks=ranks), self.train.numbers),
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            # Otherwise the iterator draws from the global generator, and at a different point after a resume.
            generator=torch.Generator().manual_seed(seed),
        )


@dataclass(frozen=True, eq=False)
class _Views:
    """What a loader indexes: the views of a set of images."""

    images: ImageSet

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, drawn: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return self.images.views(*drawn)


class NoData:
    """Replaces the images of a search that reads none; any access raises an error that says why."""

    fingerprint = ""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python itself looks these up, for example to pickle the object
            raise AttributeError(name)
        raise DataError(
            f"this search reads no images, because its strategy and estimators have needs_data = False; "
            f"but one of them uses '{name}' of the images"
        )


@dataclass(frozen=True, eq=False)
class SearchData:
    """A search's view of the data: training images only. All its random draws are functions of `seed`.

    Attributes:
        train: the training images.
        class_names: names of the classes, in the order of the labels.
        preprocessing: normalization and augmentation, without cutout.
        batch_size: batch size of a fit.
        seed: seed of splits and subsets.
        validation: other images for scoring architectures; None: half of the training images are for that.
    """

    train: ImageSet
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    batch_size: int
    seed: int
    workers: int = 0
    validation: ImageSet | None = None

    @property
    def input_shape(self) -> Shape:
        """Shape (C, H, W) of an image."""
        return self.train.shape

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Number of training images of each class, in the order of the labels."""
        labels = self.train.labels[self.train.positions]
        return tuple(torch.bincount(labels, minlength=self.classes).tolist())

    @property
    def fingerprint(self) -> str:
        """A hash of the images, their classes, their preprocessing, the batch size and the seed."""
        parts: tuple[Any, ...] = (self.train.fingerprint, self.class_names, self.preprocessing, self.batch_size)
        parts += (self.seed,) if self.validation is None else (self.seed, self.validation.fingerprint)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]

    def split(self, fraction: float) -> FitData:
        """Split the images, class-balanced and seeded: `fraction` for validation, the others for training."""
        train, validation = self.train.split(fraction, self.seed)
        return FitData(train, validation, self.preprocessing, self.batch_size, self.workers)

    def halves(self) -> FitData:
        """Split into the halves of one-shot search, one for weights, one for architecture parameters.

        If the data has images for the second, all training images are for weights.
        """
        if self.validation is None:
            return self.split(0.5)
        return FitData(self.train, self.validation, self.preprocessing, self.batch_size, self.workers)

    @cached_property
    def search_validation(self) -> ImageSet:
        """The images for scoring architectures: those of the second half."""
        validation = self.halves().validation
        assert validation is not None  # halves() always returns both
        return validation

    def subset(self, n: int) -> SearchData:
        """Return `n` class-balanced images; a larger subset contains every smaller one."""
        return replace(self, train=self.train.subset(n, self.seed))

    def scaled(self, factor: float) -> SearchData:
        """Scale the images with Lanczos resampling, and the padding of crops in proportion."""
        validation = self.validation and self.validation.scaled(factor)
        preprocessing = self.preprocessing.scaled(factor)
        return replace(self, train=self.train.scaled(factor), validation=validation, preprocessing=preprocessing)


class DataModule(pl.LightningDataModule, ABC):
    """Labelled training and test images. A plug-in writes the four abstract properties; the core does the rest.

    A subclass takes its options as keyword-only constructor arguments, including `batch_size` and `workers`.

    Attributes:
        name: the registry name, a class attribute (Lightning's base class declares it too).
        pad, flip: the augmentation that suits the images (digits must not be flipped).
        center, resampling: how a trained network reads an image of another size: the share of its shorter side that
            remains, and the filter that scales it.
        next_data: name of the data that one would search after these, and why: ("cifar10", "search on color
            photographs"); None if these are no first step.
    """

    pad: int = 4
    flip: bool = True
    center: float = 1.0
    resampling: Resampling = "lanczos"
    next_data: tuple[str, str] | None = None

    def __init__(self, *, batch_size: int, workers: int) -> None:
        super().__init__()
        self.batch_size, self.workers = batch_size, workers

    @property
    @abstractmethod
    def train(self) -> ImageSet:
        """Training images; a `DataError` says which files are missing or damaged and where they belong."""

    @property
    @abstractmethod
    def test(self) -> ImageSet:
        """Test images; read only after a search has ended."""

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""

    @property
    @abstractmethod
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation per channel of the training pixels in [0, 1]."""

    @property
    def places(self) -> tuple[Path, ...]:
        """Files or folders in order of preference, one of which must exist; empty if the data needs no files."""
        return ()

    @property
    def reading(self) -> str:
        """How files become images, in a few words, if that loses information; recorded, and shown in the report."""
        return ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Facts that people must know about the data, for example that nasforge held out the test set."""
        return ()

    @property
    def preprocessing(self) -> Preprocessing:
        """Normalization, always measured with one thread, and the augmentation that suits the images."""
        with torch_threads(1):
            mean, std = self.normalization
        return Preprocessing(mean, std, self.pad, self.flip)

    def search_sets(self, seed: int) -> tuple[ImageSet, ImageSet | None]:
        """Return the training images of a search, and images for scoring architectures if half of those are not.

        Neither holds a test image, and both have the same classes and channels. `seed` determines what a subclass
        chooses.
        """
        return self.train, None

    def for_search(self, seed: int) -> SearchData:
        """Return a search's view of the data, read with one thread; `seed` determines its splits and subsets.

        Raises:
            DataError: files are missing or damaged, a label has no class name, a class name is not valid text, the
                normalization or the validation images have a different number of channels.
            OptionError: `pad` is not smaller than the images' sides.
        """
        with torch_threads(1):
            (train, validation), names, preprocessing = self.search_sets(seed), self.class_names, self.preprocessing
        for name in names:
            self._check_text(name)
        for images in [train] if validation is None else [train, validation]:
            if (largest := int(images.labels[images.positions].max())) >= len(names):
                raise DataError(
                    f"data '{self.name}' has label {largest}, but only {len(names)} class names: 0 to {len(names) - 1}"
                )
        if validation is not None and validation.shape[0] != train.shape[0]:
            raise DataError(
                f"data '{self.name}' has training images with {train.shape[0]} channel(s), but validation images with "
                f"{validation.shape[0]}"
            )
        if not len(preprocessing.mean) == len(preprocessing.std) == train.shape[0]:
            raise DataError(
                f"data '{self.name}' has images with {train.shape[0]} channel(s), but its normalization has "
                f"{len(preprocessing.mean)} means and {len(preprocessing.std)} deviations"
            )
        if preprocessing.pad >= min(train.shape[1:]):
            raise OptionError(
                f"data.pad={preprocessing.pad} can shift images of {train.shape[1]} x {train.shape[2]} pixels out of "
                "view; it must be smaller than their sides"
            )
        return SearchData(train, names, preprocessing, self.batch_size, seed, self.workers, validation)

    def _check_text(self, name: str) -> None:
        """Refuse a class name that cannot be written to a file, such as a folder name whose bytes are not UTF-8."""
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"data '{self.name}' has a class named {name!a}, which is not valid UTF-8; "
                "rename its folder or the class"
            ) from None

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Return batches for use outside nasforge: uint8 images (B, C, H, W), labels (B,)."""
        return self._loader(self.train)

    def test_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Return the same as `train_dataloader` for the test images."""
        return self._loader(self.test)

    def _loader(self, images: ImageSet) -> DataLoader[tuple[Tensor, Tensor]]:
        return FitData(images, None, self.preprocessing, self.batch_size, self.workers).loader(seed=0)
