"""What a proxy looks at: networks with fresh weights, and the images they are fed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nasforge import Architecture, Context, Network, OptionError, SearchData, Shape, isolated, seed_of

Batch = tuple[Tensor, Tensor]
"""Normalised images (B, C, H, W) and labels (B,)."""
_CHUNK = 500
"""Images that are read at once to be cropped."""


@dataclass(frozen=True)
class View:
    """How a network is built and how much it is fed.

    Attributes:
        channels: initial width.
        cells: depth.
        batch_size: images a batch.
        side: of random crops of one random channel, in pixels; None: whole images.
    """

    channels: int
    cells: int
    batch_size: int
    side: int | None = None

    def build(self, architecture: Architecture, context: Context) -> tuple[Network, Shape]:
        """The network, with weights from torch's global generator, and the shape of its images.

        For crops that is the smallest one, from `side` on, for which the space builds a network.

        Raises:
            OptionError: the space builds no such network.
        """
        shapes = self._shapes(context.data)
        for shape in shapes:
            try:
                network = context.space.build(
                    architecture, shape, context.data.classes, channels=self.channels, cells=self.cells
                )
            except OptionError:
                if shape == shapes[-1]:
                    raise
            else:
                return network.to(context.device), shape
        raise AssertionError("there is a last shape")

    def _shapes(self, data: SearchData) -> list[Shape]:
        if self.side is None:
            return [data.input_shape]
        largest = min(data.input_shape[1:])
        return [(1, side, side) for side in range(min(self.side, largest), largest + 1)]

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
