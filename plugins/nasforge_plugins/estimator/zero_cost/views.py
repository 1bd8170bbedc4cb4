"""The networks and images that proxies look at."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from nasforge import (
    Architecture,
    ArchitectureError,
    Context,
    Network,
    OptionError,
    SearchData,
    Shape,
    isolated,
    rng_of,
    seed_of,
)

Batch = tuple[Tensor, Tensor]
"""Normalised images (B, C, H, W) and labels (B,)."""
_CHUNK = 500
"""How many images are read at once to be cropped."""
_REFERENCE = 16
"""How many random architectures decide how large crops must be."""


@dataclass(frozen=True)
class View:
    """How a network is built, and what it is given.

    Attributes:
        channels: initial width.
        cells: depth; raised to `SearchSpace.least_cells`, so that there is a cell of each type.
        batch_size: images per batch.
        side: in pixels, of random crops of one random channel; None for whole images.
    """

    channels: int
    cells: int
    batch_size: int
    side: int | None = None

    def build(self, architecture: Architecture, context: Context, side: int | None = None) -> tuple[Network, Shape]:
        """The network, with weights from torch's global generator, and the shape of its images.

        Args:
            side: of the smallest crops, from `common_side`; the view's own if None. Larger crops are tried in turn
                until the space builds the network.

        Raises:
            ArchitectureError, OptionError: the space builds no such network.
        """
        shapes = self._shapes(context.data, side or self.side)
        depth = max(self.cells, context.space.least_cells)
        for shape in shapes:
            try:
                network = context.space.build(
                    architecture, shape, context.data.classes, channels=self.channels, cells=depth
                )
            except (ArchitectureError, OptionError):
                if shape == shapes[-1]:
                    raise
            else:
                return network.to(context.device), shape
        raise AssertionError("there is a last shape")

    def common_side(self, context: Context) -> int | None:
        """The side of crops that is large enough for random architectures of the space. If each had the smallest crops
        that it accepts, the counts of regions would compare crops, not networks."""
        side = self.side
        for number in range(_REFERENCE if side else 0):
            architecture = context.space.sample(rng_of("crops", number))
            with isolated(0), suppress(ArchitectureError, OptionError):  # an architecture that cannot be built at all
                side = self.build(architecture, context, side)[1][1]
        return side

    def _shapes(self, data: SearchData, least: int | None) -> list[Shape]:
        if least is None:
            return [data.input_shape]
        largest = min(data.input_shape[1:])
        return [(1, side, side) for side in range(min(least, largest), largest + 1)]

    def batches(self, data: SearchData, shape: Shape, count: int) -> list[Batch]:
        """`count` batches of training images, the same for all candidates: a function of the data's seed.

        Whole images are class-balanced and appear once; crops may overlap.
        """
        if self.side is not None:
            return [_crops(data, self.batch_size, shape[1], number) for number in range(count)]
        images, labels = data.subset(self.batch_size * count).train[torch.arange(self.batch_size * count)]
        images = data.preprocessing.normalize(images)
        return list(zip(*(torch.split(part, self.batch_size) for part in (images, labels)), strict=True))


def _crops(data: SearchData, count: int, side: int, number: int) -> Batch:
    """Crops of random training images at random places, one random channel each: (count, 1, side, side)."""
    channels, height, width = data.input_shape
    with isolated(seed_of(data.seed, "crops", number)):
        which = torch.randint(len(data.train), (count,))
        channel = torch.randint(channels, (count, 1, 1))
        top, left = torch.randint(height - side + 1, (count, 1, 1)), torch.randint(width - side + 1, (count, 1, 1))
    rows, columns = top + torch.arange(side).view(1, -1, 1), left + torch.arange(side).view(1, 1, -1)
    parts, labels = [], []
    for chunk in torch.split(torch.arange(count), _CHUNK):
        images, chunk_labels = data.train[which[chunk]]
        places = torch.arange(len(chunk)).view(-1, 1, 1)
        normalized = data.preprocessing.normalize(images)
        parts.append(normalized[places, channel[chunk], rows[chunk], columns[chunk]])
        labels.append(chunk_labels)
    return torch.cat(parts).unsqueeze(1), torch.cat(labels)
