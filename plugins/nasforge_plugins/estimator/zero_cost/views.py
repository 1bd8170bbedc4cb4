"""What a proxy looks at: networks with fresh weights, and the images they are fed."""

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
"""Images that are read at once to be cropped."""
_REFERENCE = 16
"""Random architectures that say how large crops must be."""


@dataclass(frozen=True)
class View:
    """How a network is built and how much it is fed.

    Attributes:
        channels: initial width.
        cells: depth; a space whose cells are of several types has at least one of each.
        batch_size: images a batch.
        side: of random crops of one random channel, in pixels; None: whole images.
    """

    channels: int
    cells: int
    batch_size: int
    side: int | None = None

    def build(self, architecture: Architecture, context: Context, side: int | None = None) -> tuple[Network, Shape]:
        """The network, with weights from torch's global generator, and the shape of its images.

        Args:
            side: of the smallest crops, what `common_side` gives; the view's own if None. The network has the first
                ones, from there on, for which the space builds it.

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
        """Of crops that suffice for random architectures of the space: if some need more pixels than others, and each
        had the fewest that it needs, their counts of regions would tell crops apart, not networks."""
        side = self.side
        for number in range(_REFERENCE if side else 0):
            architecture = context.space.sample(rng_of("crops", number))
            with (
                isolated(0),
                suppress(ArchitectureError, OptionError),
            ):  # one that nothing can be built of asks for nothing
                side = self.build(architecture, context, side)[1][1]
        return side

    def _shapes(self, data: SearchData, least: int | None) -> list[Shape]:
        if least is None:
            return [data.input_shape]
        largest = min(data.input_shape[1:])
        return [(1, side, side) for side in range(min(least, largest), largest + 1)]

    def batches(self, data: SearchData, shape: Shape, count: int) -> list[Batch]:
        """`count` batches of training images, functions of the data's seed: the same for all candidates.

        Whole images are class-balanced and none comes twice; crops may overlap.
        """
        if self.side is not None:
            return [_crops(data, self.batch_size, shape[1], number) for number in range(count)]
        images, labels = data.subset(self.batch_size * count).train[torch.arange(self.batch_size * count)]
        images = data.preprocessing.normalize(images)
        return list(zip(*(torch.split(one, self.batch_size) for one in (images, labels)), strict=True))


def _crops(data: SearchData, count: int, side: int, number: int) -> Batch:
    """Of random training images, at random places, one random channel: (count, 1, side, side)."""
    channels, height, width = data.input_shape
    with isolated(seed_of(data.seed, "crops", number)):
        which = torch.randint(len(data.train), (count,))
        channel = torch.randint(channels, (count, 1, 1))
        top, left = torch.randint(height - side + 1, (count, 1, 1)), torch.randint(width - side + 1, (count, 1, 1))
    rows, columns = top + torch.arange(side).view(1, -1, 1), left + torch.arange(side).view(1, 1, -1)
    parts, labels = [], []
    for chunk in torch.split(torch.arange(count), _CHUNK):
        images, some = data.train[which[chunk]]
        places = torch.arange(len(chunk)).view(-1, 1, 1)
        normalised = data.preprocessing.normalize(images)
        parts.append(normalised[places, channel[chunk], rows[chunk], columns[chunk]])
        labels.append(some)
    return torch.cat(parts).unsqueeze(1), torch.cat(labels)
