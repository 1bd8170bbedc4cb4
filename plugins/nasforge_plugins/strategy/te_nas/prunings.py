"""Prunings of a supernet: which operations are left on which edge, as something that estimators can score."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from nasforge import (
    Architecture,
    Mix,
    Network,
    Run,
    Shape,
    Supernet,
    WeightSharing,
    WiderSpace,
    batch_statistics,
    isolated,
    seed_of,
)

Kept = Mapping[str, np.ndarray]
"""By cell type: bool (edges, operations), whether an operation is left; an edge without any is left out."""
_DRAW = "draw"
"""The gene that numbers a pruning's draws of weights, beside those of the cell types."""


class _Rectified(TorchFunctionMode):
    """Inside, maps pass a ReLU before they are pooled to features."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if function is F.adaptive_avg_pool2d:
            args = (F.relu(args[0]), *args[1:])
        return function(*args, **(kwargs or {}))


class PrunedSupernet(Network):
    """A supernet under one mix, as a network.

    A ReLU precedes the last pooling, as in TE-NAS's networks; where there is one already, it changes nothing. Without
    it, where BatchNorm follows every operation, the features of a batch add up to zero, so do the gradients of its
    samples, and their kernel is singular whatever is pruned.

    Without gradients an operation that the mix leaves out is not computed: a ReLU inside it parts no linear regions.
    """

    def __init__(self, supernet: Supernet, mix: Mix) -> None:
        super().__init__()
        self.supernet, self.mix = supernet, mix

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, C, H, W)."""
        mix = {cell: rows.to(images.device) for cell, rows in self.mix.items()}
        logits: Tensor
        with _Rectified():
            if torch.is_grad_enabled() or not self.training:
                logits = self.supernet(images, mix)
                return logits
            self.supernet.eval()  # where it leaves out what weighs nothing
            try:
                with batch_statistics(self.supernet):
                    logits = self.supernet(images, mix)
            finally:
                self.supernet.train()
            return logits


class Prunings(WiderSpace):
    """A space that also builds the prunings of its supernet.

    All prunings of one draw begin with the same weights, so that scores differ by what was pruned alone.

    Attributes:
        shapes: (edges, operations) of each cell type.
    """

    def __init__(self, space: WeightSharing, run: Run) -> None:
        super().__init__(space, f"{space.name}, pruned")
        self._shared, self._seed = space, run.seed
        with isolated(0):  # of which nothing but its shapes is of interest
            supernet = self._supernet(run.data.input_shape, run.data.classes)
        whole = space.mix({cell: torch.zeros(shape) for cell, shape in supernet.alpha_shapes.items()})
        self.shapes = {cell: tuple(whole[cell].shape) for cell in supernet.alpha_shapes}

    def _supernet(self, input_shape: Shape, classes: int, **size: int | None) -> Supernet:
        """One that mixes all channels."""
        return self._shared.supernet(
            input_shape, classes, **self._shared.supernet_choices(size, {"partial_channels": 1})
        )

    def whole(self) -> dict[str, np.ndarray]:
        """Every operation on every edge but `none`, which TE-NAS leaves out from the first round on."""
        kept = {cell: np.ones(shape, dtype=bool) for cell, shape in self.shapes.items()}
        for cell, (_, operations) in self._shared.mix_labels.items():
            kept[cell][:, [name == "none" for name in operations]] = False
        return kept

    def pruning(self, kept: Kept, draw: int) -> Architecture:
        """What estimators score: `kept`, with the weights of that draw."""
        genes: dict[str, Any] = {
            cell: ["".join("01"[one] for one in row) for row in rows.astype(int)] for cell, rows in kept.items()
        }
        return Architecture.of(self.other, {**genes, _DRAW: draw})

    def mix(self, kept: Kept) -> Mix:
        """Equal weights for the operations that are left on an edge."""
        return {
            cell: torch.from_numpy(rows / np.maximum(rows.sum(axis=1, keepdims=True), 1)).float()
            for cell, rows in kept.items()
        }

    def build_other(
        self, architecture: Architecture, input_shape: Shape, classes: int, *, channels: int | None, cells: int | None
    ) -> Network:
        """The supernet of a pruning, with the weights of its draw."""
        depth = None if cells is None else max(cells, self.least_cells)
        with isolated(seed_of(self._seed, "te_nas", architecture[_DRAW])):
            supernet = self._supernet(input_shape, classes, channels=channels, cells=depth)
        kept = {cell: np.array([[one == "1" for one in row] for row in architecture[cell]]) for cell in self.shapes}
        return PrunedSupernet(supernet, self.mix(kept))
