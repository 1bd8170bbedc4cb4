"""The training of a supernet by single paths as a Lightning module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from nasforge import KnownMix, Mix, OneShotModule, SplitSupernet, Supernet, WeightSharing
from nasforge_plugins.strategy.single_path.paths import SAMPLINGS

Batch = tuple[Tensor, Tensor]


class SinglePaths(OneShotModule):
    """Each step trains the weights on a few paths; its loss is the sum of theirs, so their gradients add up.

    Weights that no path uses have no gradient: neither momentum nor decay moves them. Where a supernet keeps the
    weights of several edges in one tensor, the unused rows have a gradient of zero instead.

    Args:
        supernet, space, weights: see `OneShotModule`.
        sampling: which paths a step trains, a key of `SAMPLINGS`.
    """

    differs: ClassVar[str] = "each step trains other paths"
    explains: ClassVar[Mapping[str, str]] = {
        "train_accuracy": "of the paths that are being trained, on the augmented training images",
        "train_loss": "cross-entropy of the paths that are being trained, on the augmented training images",
    }

    def __init__(self, supernet: Supernet, space: WeightSharing, *, sampling: str, **weights: Any) -> None:
        super().__init__(supernet, space, **weights)
        supernet.sparse = True
        self.sampling = self.about = sampling
        if isinstance(supernet, SplitSupernet):
            self.about = [sampling, supernet.options["split"]]

    def on_train_epoch_start(self) -> None:
        """Begin this epoch's draws of paths, which are the same in all processes that share the fit."""
        super().on_train_epoch_start()
        self._draw = self.rng("paths")

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        """Draw the paths of a step, and send them to the device; a split supernet passes each through all parts."""
        paths = SAMPLINGS[self.sampling](self.space, self._draw)
        if isinstance(self.supernet, SplitSupernet):
            row = self.supernet.row
            passes = [[row.fixed(path, option) for path in paths] for option in range(row.options)]
        else:
            passes = [paths]
        self._passes = [[KnownMix(self.on_device(path), path) for path in each] for each in passes]

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The sum of the losses of the drawn paths."""
        return torch.stack([loss for each in self._passes for loss in self._losses(batch, each)]).sum()

    def _losses(self, batch: Batch, paths: Sequence[Mix]) -> Iterator[Tensor]:
        images, labels = batch
        for number, path in enumerate(paths):
            logits = self.supernet(images, path)
            yield self.learn(logits, labels)
            if self.sampling == "sandwich" and number == 0:
                labels = logits.detach().softmax(1)  # in-place distillation: the others learn from the largest
