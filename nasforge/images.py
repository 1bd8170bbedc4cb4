"""Sets of labelled images: class-balanced subsets and splits, Lanczos scaling, seeded batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Sampler

from nasforge.devices.transfer import sent
from nasforge.errors import DataError


class Images(Protocol):
    """A source of pixels: a uint8 tensor (N, C, H, W), or an object that is indexed like one."""

    def __len__(self) -> int: ...

    def __getitem__(self, positions: Tensor, /) -> Tensor:
        """Return uint8 images (B, C, H, W) at positions (B,)."""
        ...


class ViewedImages(Images, Protocol):
    """A source that shows training another view of an image in each epoch, such as a random crop.

    Its index gives the fixed images that everything else reads.

    Attributes:
        numbers: how many random numbers determine a view, at least 1.
    """

    numbers: int

    def views(self, positions: Tensor, numbers: Tensor) -> Tensor:
        """Return uint8 views (B, C, H, W) of the images at positions (B,), a function of numbers (B, N) in [0, 1)."""
        ...


@dataclass(frozen=True, eq=False)
class ImageSet:
    """A set of labelled images: a view of a source that selects some of its images and may scale them.

    Attributes:
        images: the pixels of the whole source, uint8 (N, C, H, W).
        labels: the classes of the whole source, int64 (N,).
        positions: the positions in the source of this set's images, int64 (n,).
        scale: factor for Lanczos resampling of batches (0.5: 32 -> 16); 1: none.
    """

    images: Images
    labels: Tensor
    positions: Tensor
    scale: float = 1.0

    @classmethod
    def of(cls, images: Images, labels: Tensor) -> ImageSet:
        """Make a set of all `images` with `labels` (N,), integers of at least 0.

        Raises:
            DataError: there is no image, a tensor is not uint8 (N, C, H, W), or a label is not such an integer.
        """
        if isinstance(images, Tensor) and (images.dtype != torch.uint8 or images.ndim != 4):
            raise DataError(
                f"images are {images.dtype} of shape {tuple(images.shape)}; they must be uint8, (N, C, H, W)"
            )
        if len(images) != len(labels) or labels.ndim != 1:
            raise DataError(f"{len(images)} images have labels of shape {tuple(labels.shape)}; each image needs one")
        if len(images) == 0:
            raise DataError("a set of images is empty; it needs at least one image")
        if labels.is_floating_point() or labels.dtype == torch.bool or labels.min() < 0:
            raise DataError(f"labels are {labels.dtype} with minimum {labels.min()}; they must be integers from 0 up")
        return cls(images, labels.long(), torch.arange(len(labels)))

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return uint8 images (B, C, H, W) and labels (B,) at indices (B,) of this set."""
        chosen = self.positions[sent(indices, self.positions.device)]
        return self._scaled(self.images[chosen]), self.labels[chosen]

    @property
    def numbers(self) -> int:
        """How many random numbers determine a view of an image; 0: training sees the images themselves."""
        return getattr(self.images, "numbers", 0)

    def views(self, indices: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return what training sees of the images at indices (B,), uint8 (B, C, H, W), and labels (B,).

        Args:
            numbers: uniform in [0, 1), (B, self.numbers).
        """
        if not self.numbers:
            return self[indices]
        chosen = self.positions[indices]
        return self._scaled(cast(ViewedImages, self.images).views(chosen, numbers)), self.labels[chosen]

    def _scaled(self, pixels: Tensor) -> Tensor:
        return pixels if self.scale == 1 else lanczos(pixels, self.scale)

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of an image."""
        channels, height, width = self[torch.tensor([0])][0].shape[1:]
        return channels, height, width

    @cached_property
    def fingerprint(self) -> str:
        """A hash of pixels, shape, labels, positions and scale."""
        digest = hashlib.sha256()
        known = getattr(self.images, "fingerprint", None)
        digest.update(known.encode() if known else _bytes(self.images))
        for part in (self.labels, self.positions):
            digest.update(_bytes(part))
        digest.update(repr((self.shape, self.scale)).encode())
        return digest.hexdigest()[:32]

    def subset(self, n: int, seed: int) -> ImageSet:
        """Return `n` images, seeded and nested: a larger subset with the same seed contains every smaller one.

        Each class keeps its share of the images, to within one image, and appears in every subset that has at least as
        many images as there are classes. `DataError` unless 0 < n <= len(self).
        """
        if not 0 < n <= len(self):
            raise DataError(f"cannot take a subset of {n} images; this set has {len(self)}")
        return replace(self, positions=self.positions[self._balanced_order(seed)[:n]])

    def split(self, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
        """Split into two disjoint sets with equal shares of the classes; the second has `fraction` of the images.

        `DataError` if one of the sets would be empty.
        """
        second = round(len(self) * fraction)
        if not 0 < second < len(self):
            raise DataError(f"{len(self)} images cannot be split into {1 - fraction:g} and {fraction:g}")
        order = self._balanced_order(seed)
        return (
            replace(self, positions=self.positions[order[second:]]),
            replace(self, positions=self.positions[order[:second]]),
        )

    def scaled(self, factor: float) -> ImageSet:
        """Return the same images in the same order, scaled by `factor`; images in memory are scaled here, once."""
        if factor <= 0:
            raise DataError(f"images cannot be scaled by {factor:g}; the factor must be above 0")
        scaled = replace(self, scale=self.scale * factor)
        return scaled.alone() if isinstance(self.images, Tensor) else scaled

    def alone(self) -> ImageSet:
        """Return a copy of the images in the same order, which has no reference to the source's other images."""
        images, labels = self[torch.arange(len(self))]
        return ImageSet.of(images, labels)

    def _balanced_order(self, seed: int) -> Tensor:
        """Return a permutation (n,) in which every prefix has the classes in proportion, each in random order."""
        rng = np.random.default_rng(seed)
        labels = self.labels[self.positions].numpy()
        shuffled = rng.permutation(len(labels))
        # Sort by an image's relative position in its class, from 0 to 1: taking classes in turn would use up a rare
        # class first, and leave none of it for the other part of a split.
        turn = np.empty(len(labels))
        for label in np.unique(labels):
            members = shuffled[labels[shuffled] == label]
            turn[members] = np.arange(len(members)) / len(members)
        tie = rng.permutation(int(labels.max()) + 1)[labels]
        return torch.from_numpy(np.lexsort((tie, turn)))


def scaled_shape(shape: tuple[int, int, int], factor: float) -> tuple[int, int, int]:
    """Return the shape (C, H, W) of images of `shape` after scaling by `factor`."""
    channels, height, width = shape
    return channels, max(1, round(height * factor)), max(1, round(width * factor))


def lanczos(images: Tensor, factor: float) -> Tensor:
    """Scale uint8 images (B, C, H, W) by `factor`, rounding the sides, with Pillow's Lanczos filter."""
    _, height, width = scaled_shape((images.shape[1], images.shape[2], images.shape[3]), factor)
    out = torch.empty((*images.shape[:2], height, width), dtype=torch.uint8)
    for scaled, planes in zip(out.flatten(0, 1), images.flatten(0, 1), strict=True):
        plane = Image.fromarray(planes.numpy()).resize((width, height), Image.Resampling.LANCZOS)
        scaled.copy_(torch.from_numpy(np.array(plane)))
    return out


def _bytes(values: object) -> memoryview:
    if not isinstance(values, Tensor):
        raise DataError(f"{type(values).__name__} needs a `fingerprint`, because its pixels are not in memory")
    return memoryview(values.contiguous().view(torch.uint8).numpy().ravel())  # type: ignore[arg-type]


class SeededBatches(Sampler[Tensor]):
    """Batches of indices in an order that depends on (seed, epoch) alone, so that a resumed epoch repeats it.

    Each rank yields its part of the same global batch, so all ranks have equally many batches, whose sizes differ by at
    most one image. A last batch is dropped if it has a single image, on which BatchNorm cannot train, or fewer images
    than there are ranks; a set smaller than `batch_size` is one batch.

    Args:
        n: number of images.
        batch_size: size of the global batch.
        seed: seed of the order, at least 0.
        rank, ranks: index of this rank, and the number of ranks.

    Raises:
        DataError: there are fewer images, or fewer images in a batch, than ranks.
    """

    def __init__(self, n: int, batch_size: int, seed: int, *, rank: int = 0, ranks: int = 1) -> None:
        if min(n, batch_size) < ranks:
            raise DataError(f"batches of {batch_size} out of {n} images cannot be shared by {ranks} process(es)")
        self.n, self.batch_size, self.seed, self.rank, self.ranks = n, batch_size, seed, rank, ranks
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this before every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        full, remainder = divmod(self.n, self.batch_size)
        return full + (remainder >= max(2, self.ranks)) or 1

    def __iter__(self) -> Iterator[Tensor]:
        order = torch.from_numpy(np.random.default_rng((self.seed, self.epoch)).permutation(self.n))
        for batch in list(torch.split(order, self.batch_size))[: len(self)]:
            yield batch[self.rank :: self.ranks]


class DrawnBatches(Sampler[tuple[Tensor, Tensor]]):
    """The batches of an order, each with random numbers for the views of its images: functions of (seed, epoch) too.

    Each rank draws for the whole batch, so an image has the same view for any number of ranks, and of workers.

    Args:
        numbers: how many random numbers determine a view.
    """

    def __init__(self, order: SeededBatches, numbers: int) -> None:
        self.order, self.numbers = order, numbers

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this before every epoch."""
        self.order.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = self.order
        rng = np.random.default_rng((order.seed, order.epoch, 1))  # (seed, epoch) is the generator of the order
        for batch, indices in enumerate(order):
            whole = min(order.batch_size, order.n - batch * order.batch_size)
            numbers = torch.from_numpy(rng.random((whole, self.numbers), dtype=np.float32))
            yield indices, numbers[order.rank :: order.ranks]


HELD_OUT = 0.2
HELD_OUT_SEED = 0


def hold_out(images: ImageSet) -> tuple[ImageSet, ImageSet]:
    """Split into (train, test), independently of a run's seed, so that results are comparable.

    Images in memory are copied, so that a search cannot reach the test images through its training images.
    """
    train, test = images.split(HELD_OUT, HELD_OUT_SEED)
    return (train.alone(), test.alone()) if isinstance(images.images, Tensor) else (train, test)


HELD_OUT_NOTE = "no test set came with these images: a class-balanced fifth of them is held out as one"
"""The note about `hold_out` for people."""
