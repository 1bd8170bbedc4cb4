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
        """All of `images`; `DataError` if the labels are not as many."""
        if len(images) != len(labels):
            raise DataError(f"{len(images)} images have {len(labels)} labels; each image needs one")
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
        """A hash of pixels, labels, membership and scale."""
        digest = hashlib.sha256()
        own = getattr(self.images, "fingerprint", None)
        digest.update(own.encode() if own else _bytes(self.images))
        for part in (self.labels, self.positions):
            digest.update(_bytes(part))
        digest.update(repr(self.scale).encode())
        return digest.hexdigest()[:32]

    def subset(self, n: int, seed: int) -> ImageSet:
        """`n` images, class-balanced, seeded and nested: a larger subset of the same seed holds every smaller one."""
        if not 0 < n <= len(self):
            raise DataError(f"a subset of {n} images was asked for; this set has {len(self)}")
        return replace(self, positions=self.positions[self._balanced_order(seed)[:n]])

    def split(self, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
        """Two disjoint class-balanced sets; the second holds `fraction` of the images."""
        order = self._balanced_order(seed)
        second = round(len(self) * fraction)
        if not 0 < second < len(self):
            raise DataError(f"{len(self)} images cannot be split into {1 - fraction:g} and {fraction:g}")
        return (
            replace(self, positions=self.positions[order[second:]]),
            replace(self, positions=self.positions[order[:second]]),
        )

    def scaled(self, factor: float) -> ImageSet:
        """The same images scaled by `factor`; those in memory are scaled once, here."""
        if isinstance(self.images, Tensor):
            images, labels = self.images[self.positions], self.labels[self.positions]
            return ImageSet.of(lanczos(images, factor), labels)
        return replace(self, scale=self.scale * factor)

    def _balanced_order(self, seed: int) -> Tensor:
        """A permutation (n,) in which the classes take turns, each in an order of its own."""
        rng = np.random.default_rng(seed)
        labels = self.labels[self.positions].numpy()
        shuffled = rng.permutation(len(labels))
        turn = np.empty(len(labels), np.int64)
        for label in np.unique(labels):
            members = shuffled[labels[shuffled] == label]
            turn[members] = np.arange(len(members))
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

    With several ranks each yields its part of the same global batch. A last batch of one image is left out, since
    BatchNorm cannot train on it.
    """

    def __init__(self, n: int, batch_size: int, seed: int, *, rank: int = 0, ranks: int = 1) -> None:
        self.n, self.batch_size, self.seed, self.rank, self.ranks = n, batch_size, seed, rank, ranks
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls it before every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        full, rest = divmod(self.n, self.batch_size)
        return full + (rest > 1) or 1

    def __iter__(self) -> Iterator[Tensor]:
        order = torch.from_numpy(np.random.default_rng((self.seed, self.epoch)).permutation(self.n))
        for batch in list(torch.split(order, self.batch_size))[: len(self)]:
            yield batch[self.rank :: self.ranks]
