"""Sets of labelled images: class-balanced subsets and splits, Lanczos scaling, batches in a seeded order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Sampler

from nasforge.errors import DataError


class Images(Protocol):
    """What holds pixels: a uint8 tensor (N, C, H, W), or anything that indexes like one."""

    def __len__(self) -> int: ...

    def __getitem__(self, positions: Tensor, /) -> Tensor:
        """Positions (B,) -> uint8 images (B, C, H, W)."""
        ...


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images, as a view: which of `images` belong to it, and at what scale.

    Attributes:
        images: the pixels of the whole source, uint8 (N, C, H, W).
        labels: classes of the whole source, int64 (N,).
        positions: which of them are in this set, int64 (n,).
        scale: 1, or the factor by which batches are scaled (0.5: 32 -> 16) with Lanczos resampling.
    """

    images: Images
    labels: Tensor
    positions: Tensor
    scale: float = 1.0

    @classmethod
    def of(cls, images: Images, labels: Tensor) -> ImageSet:
        """All of `images`, with one whole number from 0 on for each, (N,).

        Raises:
            DataError: there is no image, a tensor is not uint8 (N, C, H, W), or the labels are no such numbers.
        """
        if isinstance(images, Tensor) and (images.dtype != torch.uint8 or images.ndim != 4):
            raise DataError(
                f"images are {images.dtype} of shape {tuple(images.shape)}; they must be uint8, (N, C, H, W)"
            )
        if len(images) != len(labels) or labels.ndim != 1:
            raise DataError(f"{len(images)} images have labels of shape {tuple(labels.shape)}; each image needs one")
        if len(images) == 0:
            raise DataError("a set of images holds none")
        if labels.is_floating_point() or labels.dtype == torch.bool or labels.min() < 0:
            raise DataError(f"labels are {labels.dtype} from {labels.min()} on; they must be whole numbers from 0 on")
        return cls(images, labels.long(), torch.arange(len(labels)))

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Indices (B,) within this set -> uint8 images (B, C, H, W), labels (B,)."""
        chosen = self.positions[indices]
        images = self.images[chosen]
        return (images if self.scale == 1 else lanczos(images, self.scale)), self.labels[chosen]

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of its images."""
        channels, height, width = self[torch.tensor([0])][0].shape[1:]
        return channels, height, width

    @cached_property
    def fingerprint(self) -> str:
        """A hash of pixels, their shape, labels, membership and scale."""
        digest = hashlib.sha256()
        own = getattr(self.images, "fingerprint", None)
        digest.update(own.encode() if own else _bytes(self.images))
        for part in (self.labels, self.positions):
            digest.update(_bytes(part))
        digest.update(repr((self.shape, self.scale)).encode())
        return digest.hexdigest()[:32]

    def subset(self, n: int, seed: int) -> ImageSet:
        """`n` images, seeded and nested: a larger subset of the same seed holds every smaller one.

        Class-balanced: each class has the share that it has here, to within one image, and is left out by no subset of
        as many images as there are classes. `DataError` unless 0 < n <= len(self).
        """
        if not 0 < n <= len(self):
            raise DataError(f"a subset of {n} images was asked for; this set has {len(self)}")
        return replace(self, positions=self.positions[self._balanced_order(seed)[:n]])

    def split(self, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
        """Two disjoint sets with the classes in the same shares; the second holds `fraction` of the images.

        `DataError` if one of them would be empty.
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
        """The same images in the same order, scaled by `factor`; those in memory are scaled once, here."""
        if factor <= 0:
            raise DataError(f"images cannot be scaled by {factor:g}; a factor is above 0")
        scaled = replace(self, scale=self.scale * factor)
        return scaled.alone() if isinstance(self.images, Tensor) else scaled

    def alone(self) -> ImageSet:
        """The same images in the same order, copied out of the source, so that no other can be reached through it."""
        images, labels = self[torch.arange(len(self))]
        return ImageSet.of(images, labels)

    def _balanced_order(self, seed: int) -> Tensor:
        """A permutation (n,) of which every beginning holds each class in proportion, each in an order of its own."""
        rng = np.random.default_rng(seed)
        labels = self.labels[self.positions].numpy()
        shuffled = rng.permutation(len(labels))
        # Where in its class an image stands, from 0 to 1: plain turns would use up a rare class before the others, and
        # leave none of it to the rest of a split.
        turn = np.empty(len(labels))
        for label in np.unique(labels):
            members = shuffled[labels[shuffled] == label]
            turn[members] = np.arange(len(members)) / len(members)
        tie = rng.permutation(int(labels.max()) + 1)[labels]
        return torch.from_numpy(np.lexsort((tie, turn)))


def lanczos(images: Tensor, factor: float) -> Tensor:
    """Uint8 images (B, C, H, W) scaled by `factor`, sides rounded, with Pillow's Lanczos filter."""
    height, width = (max(1, round(side * factor)) for side in images.shape[2:])
    out = torch.empty((*images.shape[:2], height, width), dtype=torch.uint8)
    for scaled, planes in zip(out.flatten(0, 1), images.flatten(0, 1), strict=True):
        plane = Image.fromarray(planes.numpy()).resize((width, height), Image.Resampling.LANCZOS)
        scaled.copy_(torch.from_numpy(np.array(plane)))
    return out


def _bytes(values: object) -> memoryview:
    if not isinstance(values, Tensor):
        raise DataError(f"{type(values).__name__} must have a `fingerprint`, since its pixels are not in memory")
    return memoryview(values.contiguous().view(torch.uint8).numpy().ravel())  # type: ignore[arg-type]


class SeededBatches(Sampler[Tensor]):
    """Batches of indices in an order that is a function of (seed, epoch) alone, so that a resumed epoch repeats it.

    With several ranks each yields its part of the same global batch: as many batches on each, of sizes that differ by
    one image at most. A last batch is left out if it has one image, on which BatchNorm cannot train, or fewer than
    there are ranks; a set smaller than `batch_size` is one batch.

    Args:
        n: how many images there are.
        batch_size: of the global batch.
        seed: of the order; 0 or more.
        rank, ranks: whose part this is, and of how many.

    Raises:
        DataError: there are fewer images, or fewer in a batch, than ranks.
    """

    def __init__(self, n: int, batch_size: int, seed: int, *, rank: int = 0, ranks: int = 1) -> None:
        if min(n, batch_size) < ranks:
            raise DataError(f"batches of {batch_size} out of {n} images cannot be shared by {ranks} process(es)")
        self.n, self.batch_size, self.seed, self.rank, self.ranks = n, batch_size, seed, rank, ranks
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls it before every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        full, rest = divmod(self.n, self.batch_size)
        return full + (rest >= max(2, self.ranks)) or 1

    def __iter__(self) -> Iterator[Tensor]:
        order = torch.from_numpy(np.random.default_rng((self.seed, self.epoch)).permutation(self.n))
        for batch in list(torch.split(order, self.batch_size))[: len(self)]:
            yield batch[self.rank :: self.ranks]


HELD_OUT = 0.2
HELD_OUT_SEED = 0


def hold_out(images: ImageSet) -> tuple[ImageSet, ImageSet]:
    """(train, test): the split depends on the images alone, never on a run's seed, so results can be compared.

    Images in memory are copied apart, so that a search cannot come upon the test images in the source of its own.
    """
    train, test = images.split(HELD_OUT, HELD_OUT_SEED)
    return (train.alone(), test.alone()) if isinstance(images.images, Tensor) else (train, test)


HELD_OUT_NOTE = "no test set came with these images: a class-balanced fifth of them is held out as one"
"""What to tell people about it."""
