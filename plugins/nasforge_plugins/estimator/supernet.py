"""Scores architectures with the weights of the supernet that the strategy trained."""

from __future__ import annotations

from typing import ClassVar

from nasforge import BatchSize, CountOrZero, SharedWeights


class Supernet(SharedWeights):
    """Accuracy and cross-entropy of each architecture in discrete form, with the search's shared weights.

    It scores on the search's validation images.
    """

    name: ClassVar[str] = "supernet"

    def __init__(self, *, batch_size: BatchSize = 256, calibration_batches: CountOrZero = 0) -> None:
        super().__init__(batch_size=batch_size, calibration_batches=calibration_batches)
