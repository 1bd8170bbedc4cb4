"""A member's supernet: alphas by gradient, and the accuracy by which the member is selected."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import Any, Literal

from nasforge import batch_statistics, ordered_batches, score
from nasforge_plugins.strategy.darts import GradientAlphas


class MemberModule(GradientAlphas):
    """DARTS whose supernet is scored after each epoch on all images of the alphas' half.

    Args:
        statistics: BatchNorm while it is scored: `running` ones, which take some hundred steps to settle, or those of
            each `batch`.
    """

    def __init__(self, *arguments: Any, statistics: Literal["batch", "running"] = "batch", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.statistics = statistics

    @property
    def accuracy(self) -> float:
        """After the last epoch: the same images for all members of a stage."""
        return float(self.history["supernet_accuracy"][-1] or 0.0)

    def on_train_epoch_end(self) -> None:
        """Score; it belongs to the fit, so that a finished member is never scored again."""
        super().on_train_epoch_end()
        validation = self.data.validation
        assert validation is not None  # fits of one-shot methods read halves()
        batches = ordered_batches(validation, self.data.preprocessing, 256, self.device)
        training = self.supernet.training
        self.supernet.eval()
        with batch_statistics(self.supernet) if self.statistics == "batch" else nullcontext():
            found = score(partial(self.supernet, mix=self.mix), batches)
        self.supernet.train(training)
        self.record(supernet_accuracy=found["accuracy"])
