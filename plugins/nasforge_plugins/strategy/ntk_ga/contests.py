"""Networks in which candidates of a generation compete: each group's outputs are weighed by shares that sum to 1."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nasforge import Architecture, GrowingCells, SearchSpace, Shape

Groups = Sequence[Sequence[Architecture]]
LAST_SIDE = 4
"""Side of the map that the tower's linear layer reads."""


class Contest(nn.Module, ABC):
    """Groups of candidates in one differentiable module."""

    @abstractmethod
    def forward(self, images: Tensor, shares: Sequence[Tensor]) -> list[Tensor]:
        """Logits (B, classes), one for each loss that is to be summed.

        Args:
            shares: of each group, one for each of its candidates.
        """


class Tower(Contest):
    """The seed's tournament between cells: a layer for each group, which concatenates its cells' outputs times their
    shares; then Dropout, max pooling to 4x4, and a linear layer.

    Each cell's output is normalised before its share, as in a DARTS supernet. The seed normalises once, behind the last
    layer, where BatchNorm takes the shares of that layer's cells out again.

    Args:
        dropout: of the features before the classifier.
    """

    def __init__(self, groups: Groups, space: GrowingCells, input_shape: Shape, classes: int, dropout: float) -> None:
        super().__init__()
        width = input_shape[0]
        self.layers = nn.ModuleList()
        for group in groups:
            self.layers.append(nn.ModuleList(_normalised(space, one, width) for one in group))
            width = sum(map(space.cell_width, group))
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.AdaptiveMaxPool2d(LAST_SIDE),
            nn.Flatten(),
            nn.Linear(LAST_SIDE**2 * width, classes),
        )

    def forward(self, images: Tensor, shares: Sequence[Tensor]) -> list[Tensor]:
        """One tensor of logits: all groups work on it together."""
        x = images
        for layer, share in zip(self.layers, shares, strict=True):
            assert isinstance(layer, nn.ModuleList)
            x = torch.cat([part * cell(x) for cell, part in zip(layer, share, strict=True)], dim=1)
        return [self.head(x)]


def _normalised(space: GrowingCells, architecture: Architecture, width: int) -> nn.Module:
    cell = space.cell_module(architecture, width)
    return nn.Sequential(cell, nn.BatchNorm2d(space.cell_width(architecture), affine=False))


class LogitMixtures(Contest):
    """On spaces of whole networks: those of a group mix their logits by their shares, each group on its own."""

    def __init__(
        self,
        groups: Groups,
        space: SearchSpace,
        input_shape: Shape,
        classes: int,
        *,
        channels: int | None,
        cells: int | None,
    ) -> None:
        super().__init__()
        self.groups = nn.ModuleList(
            nn.ModuleList(space.build(one, input_shape, classes, channels=channels, cells=cells) for one in group)
            for group in groups
        )

    def forward(self, images: Tensor, shares: Sequence[Tensor]) -> list[Tensor]:
        """The mixed logits of each group."""
        mixed = []
        for group, share in zip(self.groups, shares, strict=True):
            assert isinstance(group, nn.ModuleList)
            logits = torch.stack([network(images) for network in group])  # (candidates, B, classes)
            mixed.append(torch.einsum("n,nbc->bc", share, logits))
        return mixed
