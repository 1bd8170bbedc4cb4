"""Prunings of a supernet: which operations are left on each edge, in a form that estimators can score."""

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
"""By cell type, bool (edges, operations): whether an operation is left. An edge without any computes nothing."""
_DRAW = "draw"
"""The gene with the number of a pruning's draw of weights; the other genes are the cell types."""


class _Rectified(TorchFunctionMode):
    """Inside this context, maps pass a ReLU before they are pooled to features."""

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

    A ReLU precedes the last pooling, as in TE-NAS's networks; it changes nothing where there is one already. Without
    it, on spaces where BatchNorm follows every operation, the features of a batch add up to zero and so do the
    gradients of its samples: their kernel would be singular whatever is pruned.

    Without gradients, operations that the mix leaves out are not computed: their ReLUs separate no linear regions.
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
            self.supernet.eval()  # in eval mode it skips operations of weight 0
            try:
                with batch_statistics(self.supernet):
                    logits = self.supernet(images, mix)
            finally:
                self.supernet.train()
            return logits


class Prunings(WiderSpace):
    """A space that also builds the prunings of its supernet.

    All prunings of one draw begin with the same weights, so that their scores differ only by what was pruned.

    Attributes:
        shapes: (edges, operations) of each cell type.
    """

    def __init__(self, space: WeightSharing, run: Run) -> None:
        super().__init__(space, f"{space.name}, pruned")
        self._shared, self._seed = space, run.seed
        with isolated(0):  # only its shapes matter
            supernet = self._supernet(run.data.input_shape, run.data.classes)
        whole = space.mix({cell: torch.zeros(shape) for cell, shape in supernet.alpha_shapes.items()})
        self.shapes = {cell: tuple(whole[cell].shape) for cell in supernet.alpha_shapes}

    def _supernet(self, input_shape: Shape, classes: int, **size: int | None) -> Supernet:
        """The space's supernet, with all channels mixed."""
        return self._shared.supernet(
            input_shape, classes, **self._shared.supernet_choices(size, {"partial_channels": 1})
        )

    def whole(self) -> dict[str, np.ndarray]:
        """Every operation on every edge except `none`, which the code removes at the start."""
        kept = {cell: np.ones(shape, dtype=bool) for cell, shape in self.shapes.items()}
        for cell, (_, operations) in self._shared.mix_labels.items():
            kept[cell][:, [name == "none" for name in operations]] = False
        return kept

    def pruning(self, kept: Kept, draw: int) -> Architecture:
        """The value that estimators score: `kept`, with the weights of that draw."""
        genes: dict[str, Any] = {
            cell: ["".join("01"[bit] for bit in row) for row in rows.astype(int)] for cell, rows in kept.items()
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
        kept = {cell: np.array([[bit == "1" for bit in row] for row in architecture[cell]]) for cell in self.shapes}
        return PrunedSupernet(supernet, self.mix(kept))
