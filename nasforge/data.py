"""The contract of a data module, and what a search gets to see of it: the training images, never the test ones."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from nasforge.devices.portions import Portion
from nasforge.devices.threads import threads
from nasforge.errors import DataError, OptionError
from nasforge.images import ImageSet, SeededBatches
from nasforge.space import Shape


@dataclass(frozen=True)
class Preprocessing:
    """From a uint8 batch to what a network reads; augmentation happens here, on whole batches, on the device.

    Attributes:
        mean, std: per channel, of pixels in [0, 1].
        pad: random crops after padding by this many pixels (0: none).
        flip: random horizontal flips.
        cutout: side of the square that is blanked (0: none; DeVries and Taylor 2017).
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    pad: int = 0
    flip: bool = False
    cutout: int = 0

    def normalize(self, images: Tensor) -> Tensor:
        """Uint8 (B, C, H, W) -> float32, zero mean and unit deviation per channel."""
        mean, std = (torch.tensor(values, device=images.device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (images.float() / 255).sub_(mean).div_(std)

    def augment(self, images: Tensor, generator: torch.Generator, portion: Portion | None = None) -> Tensor:
        """Uint8 (B, C, H, W) -> float32, cropped, flipped, normalised and cut out, in the published order.

        `generator` lives on the CPU, so every device draws the same; and of a batch that ranks share each draws all,
        so that an image meets the same fate however many ranks there are.

        Args:
            portion: whose rows `images` are; None: they are the whole batch.
        """
        portion = portion or Portion(0, 1, len(images))
        if self.pad:
            images = _random_crop(images, self.pad, generator, portion)
        if self.flip:
            flipped = portion.of(torch.rand(portion.whole, generator=generator)).to(images.device) < 0.5
            images = torch.where(flipped.view(-1, 1, 1, 1), images.flip(3), images)
        images = self.normalize(images)
        return _cutout(images, self.cutout, generator, portion) if self.cutout else images


def _random_crop(images: Tensor, pad: int, generator: torch.Generator, portion: Portion) -> Tensor:
    """Each image shifted by up to `pad` pixels either way; what enters is black, as published."""
    batch, channels, height, width = images.shape
    padded = torch.nn.functional.pad(images, (pad, pad, pad, pad))
    down, right = torch.randint(0, 2 * pad + 1, (2, portion.whole, 1), generator=generator)
    shift = torch.stack([portion.of(down), portion.of(right)]).to(images.device)
    rows = shift[0] + torch.arange(height, device=images.device)  # (B, H)
    columns = shift[1] + torch.arange(width, device=images.device)  # (B, W)
    # One gather over flat planes is four times as fast as indexing by image, channel, row and column.
    flat = rows[:, :, None] * (width + 2 * pad) + columns[:, None, :]
    index = flat.view(batch, 1, height * width).expand(-1, channels, -1)
    return padded.flatten(2).gather(2, index).view_as(images)


def _cutout(images: Tensor, side: int, generator: torch.Generator, portion: Portion) -> Tensor:
    """A square of `side` pixels round a random centre becomes the mean; it may reach over the border."""
    _, _, height, width = images.shape
    rows = portion.of(torch.randint(0, height, (portion.whole, 1, 1), generator=generator)).to(images.device)
    columns = portion.of(torch.randint(0, width, (portion.whole, 1, 1), generator=generator)).to(images.device)
    low = side // 2
    row_offset = torch.arange(height, device=images.device).view(1, -1, 1) - rows + low
    column_offset = torch.arange(width, device=images.device).view(1, 1, -1) - columns + low
    inside = (row_offset >= 0) & (row_offset < side) & (column_offset >= 0) & (column_offset < side)
    return images.masked_fill(inside.unsqueeze(1), 0.0)


@dataclass(frozen=True, eq=False)
class FitData:
    """What one fit reads: images to train on and, where the method has them, images to validate on."""

    train: ImageSet
    validation: ImageSet | None
    preprocessing: Preprocessing
    batch_size: int
    workers: int = 0

    @cached_property
    def fingerprint(self) -> str:
        """A hash of both sets and of how they are read."""
        parts = (self.train.fingerprint, self.validation and self.validation.fingerprint, self.preprocessing)
        return hashlib.sha256(repr((*parts, self.batch_size)).encode()).hexdigest()[:32]

    def images_in_batch(self, batch_index: int) -> int:
        """How many images that training batch of an epoch has."""
        return min(self.batch_size, len(self.train) - batch_index * self.batch_size)

    def loader(self, seed: int, *, rank: int = 0, ranks: int = 1) -> DataLoader[tuple[Tensor, Tensor]]:
        """Training batches (uint8 images, labels) in the seeded order of each epoch."""
        order = SeededBatches(len(self.train), self.batch_size, seed, rank=rank, ranks=ranks)
        return DataLoader(
            self.train,  # type: ignore[arg-type]  # indexes with a tensor of indices, not with one integer
            batch_size=None,
            sampler=order,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            # Else making the iterator draws from the global generator, at another moment when resumed.
            generator=torch.Generator().manual_seed(seed),
        )


class NoData:
    """Stands for the images of a search that reads none; whoever asks it for anything learns why there are none."""

    fingerprint = ""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python asks for these itself, when it pickles say
            raise AttributeError(name)
        raise DataError(
            f"this search reads no images, since its strategy and estimators say needs_data = False; "
            f"one of them asks for their '{name}' all the same"
        )


@dataclass(frozen=True, eq=False)
class SearchData:
    """A search's view of the data: training images alone. Every draw behind it is a function of `seed`.

    Attributes:
        train: all training images.
        class_names: in the order of the labels.
        preprocessing: normalisation and augmentation, cutout off.
        batch_size: of a fit.
        seed: of splits and subsets.
    """

    train: ImageSet
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    batch_size: int
    seed: int
    workers: int = 0

    @property
    def input_shape(self) -> Shape:
        """(C, H, W)."""
        return self.train.shape

    @property
    def classes(self) -> int:
        """How many."""
        return len(self.class_names)

    @property
    def class_counts(self) -> tuple[int, ...]:
        """How many training images each class has, in the order of the labels."""
        labels = self.train.labels[self.train.positions]
        return tuple(torch.bincount(labels, minlength=self.classes).tolist())

    @property
    def fingerprint(self) -> str:
        """A hash of the images, their classes, and how they are split and read."""
        parts = (self.train.fingerprint, self.class_names, self.preprocessing, self.batch_size, self.seed)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]

    def split(self, fraction: float) -> FitData:
        """Class-balanced, seeded: `fraction` of the images to validate on, the others to train on."""
        train, validation = self.train.split(fraction, self.seed)
        return FitData(train, validation, self.preprocessing, self.batch_size, self.workers)

    def halves(self) -> FitData:
        """The halves of one-shot search: one for weights, one for architecture parameters."""
        return self.split(0.5)

    @cached_property
    def search_validation(self) -> ImageSet:
        """The images on which architectures are scored: the second half."""
        validation = self.halves().validation
        assert validation is not None  # halves() always makes both
        return validation

    def subset(self, n: int) -> SearchData:
        """`n` class-balanced images; nested."""
        return replace(self, train=self.train.subset(n, self.seed))

    def scaled(self, factor: float) -> SearchData:
        """The images scaled with Lanczos resampling; crops are padded in proportion."""
        pad = round(self.preprocessing.pad * factor)
        return replace(self, train=self.train.scaled(factor), preprocessing=replace(self.preprocessing, pad=pad))


class DataModule(pl.LightningDataModule, ABC):
    """Labelled images to train and test on. A guest writes the four properties; the core does the rest.

    A subclass takes its options as keyword-only constructor arguments, `batch_size` and `workers` among them.

    Attributes:
        name: the registry name, a class attribute (Lightning's base class has one of its own).
        pad, flip: which augmentation the images stand (digits must not be flipped).
    """

    pad: int = 4
    flip: bool = True

    def __init__(self, *, batch_size: int, workers: int) -> None:
        super().__init__()
        self.batch_size, self.workers = batch_size, workers

    @property
    @abstractmethod
    def train(self) -> ImageSet:
        """Training images; `DataError` says which files are missing or broken and where they should be."""

    @property
    @abstractmethod
    def test(self) -> ImageSet:
        """Test images; asked for only after a search has ended."""

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """In the order of the labels."""

    @property
    @abstractmethod
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation per channel, of training pixels in [0, 1]."""

    @property
    def places(self) -> tuple[Path, ...]:
        """Files or folders of which one must be there, the foremost first; none if these data need no files."""
        return ()

    @property
    def reading(self) -> str:
        """How a file becomes an image, in a few words, where that leaves something out; recorded, and reported."""
        return ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person must know of these data (a test set that was held out by us, say)."""
        return ()

    @property
    def preprocessing(self) -> Preprocessing:
        """Normalisation, measured with one thread whatever the run has, and the augmentation that these images take."""
        with threads(1):
            mean, std = self.normalization
        return Preprocessing(mean, std, self.pad, self.flip)

    def for_search(self, seed: int) -> SearchData:
        """The view that a search gets, read with one thread; its splits and subsets are drawn from `seed`.

        Raises:
            DataError: files are missing or broken, a label has no class name, a class name is no text, or the
                normalisation does not fit.
            OptionError: `pad` is as long as the images' side.
        """
        with threads(1):
            train, names, preprocessing = self.train, self.class_names, self.preprocessing
        for name in names:
            self._check_text(name)
        if (largest := int(train.labels[train.positions].max())) >= len(names):
            raise DataError(
                f"data '{self.name}' has a label {largest}, but {len(names)} class names: 0 to {len(names) - 1}"
            )
        if not len(preprocessing.mean) == len(preprocessing.std) == train.shape[0]:
            raise DataError(
                f"data '{self.name}' has images of {train.shape[0]} channel(s), but its normalisation is of "
                f"{len(preprocessing.mean)} and {len(preprocessing.std)}"
            )
        if preprocessing.pad >= min(train.shape[1:]):
            raise OptionError(
                f"data.pad={preprocessing.pad} can shift images of {train.shape[1]} x {train.shape[2]} pixels out of "
                "sight; it must be smaller than their side"
            )
        return SearchData(train, names, preprocessing, self.batch_size, seed, self.workers)

    def _check_text(self, name: str) -> None:
        """Refuse a class name that no file of a run can hold, such as a folder's whose bytes are not UTF-8."""
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"data '{self.name}' has a class called {name!a}, which is no UTF-8 text; "
                "rename its folder or the class"
            ) from None

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Plain batches for use outside nasforge: uint8 images (B, C, H, W), labels (B,)."""
        return self._loader(self.train)

    def test_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """As `train_dataloader`, of the test images."""
        return self._loader(self.test)

    def _loader(self, images: ImageSet) -> DataLoader[tuple[Tensor, Tensor]]:
        return FitData(images, None, self.preprocessing, self.batch_size, self.workers).loader(seed=0)
