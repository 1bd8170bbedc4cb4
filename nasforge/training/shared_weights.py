"""Scores of discrete architectures under a supernet's shared weights, and the random ones of the control."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import ClassVar

from safetensors.torch import load_file
from torch import Tensor

from nasforge.architecture import Architecture, Objective
from nasforge.data import FitData
from nasforge.devices.transfer import sent
from nasforge.errors import AbilityError
from nasforge.estimator import Context, Estimate, Estimator
from nasforge.images import ImageSet
from nasforge.networks.batch_norms import batch_statistics, recalibrate
from nasforge.networks.split_supernet import build_supernet
from nasforge.randomness import rng_of
from nasforge.space import Mix, SearchSpace, Supernet, WeightSharing
from nasforge.training.captured_steps import replaying
from nasforge.training.modules import supernet_state
from nasforge.training.scoring import means, ordered_batches, totals


class SharedWeights(Estimator):
    """Accuracy and cross-entropy (nats) on the search's validation images, with weights taken from a supernet.

    Each architecture is scored in its discrete form (one-hot mixing weights). The running statistics of BatchNorms were
    gathered under other mixtures, so either its own are computed, or those of each batch are used.

    Args:
        batch_size: images a batch; the same batches for every architecture.
        calibration_batches: number of batches of training images, the first ones of the seeded split, from which the
            statistics of each architecture are computed; 0: the statistics of each validation batch are used.
    """

    name: ClassVar[str] = "shared_weights"
    needs: ClassVar[tuple[type[SearchSpace], ...]] = (WeightSharing,)
    needs_weights: ClassVar[bool] = True
    builds: ClassVar[bool] = False
    objectives = (Objective("accuracy", "max"), Objective("cross_entropy", "min"))

    def __init__(self, *, batch_size: int = 256, calibration_batches: int = 0) -> None:
        self.batch_size, self.calibration_batches = batch_size, calibration_batches

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """See `estimate_many`."""
        return self.estimate_many([architecture], context)[0]

    def estimate_many(self, architectures: Sequence[Architecture], context: Context) -> Sequence[Estimate]:
        """One supernet, one pass over the validation images for each architecture, and one to calibrate it."""
        supernet, halves = self.supernet(context), self.halves(context)
        assert halves.validation is not None  # halves() always returns both
        validation = list(self._batches(halves.validation, context))
        calibration = list(itertools.islice(self._batches(halves.train, context), self.calibration_batches))
        forward = replaying(supernet, f"estimator '{self.name}'", context.device, context.graph)
        counted = []
        for architecture in architectures:
            mix = _mix_of(architecture, context)
            if calibration:
                recalibrate(supernet, partial(supernet, mix=mix), (images for images, _ in calibration))
            with nullcontext() if calibration else batch_statistics(supernet):
                counted.append(totals(partial(forward, mix=mix), validation))
        return [Estimate(scores) for scores in means(counted)]

    def supernet(self, context: Context) -> Supernet:
        """The supernet to score with, in eval mode on the context's device."""
        return load_supernet(context)

    def halves(self, context: Context) -> FitData:
        """The images: the training half for calibration, the validation half for scores."""
        return context.data.halves()

    def _batches(self, images: ImageSet, context: Context) -> Iterator[tuple[Tensor, Tensor]]:
        return ordered_batches(images, context.data.preprocessing, self.batch_size, context.device)


def _mix_of(architecture: Architecture, context: Context) -> Mix:
    assert isinstance(context.space, WeightSharing)  # `needs` was checked before the run began
    return {cell: sent(rows, context.device) for cell, rows in context.space.mix_of(architecture).items()}


def load_supernet(context: Context, tensors: Mapping[str, Tensor] | None = None) -> Supernet:
    """The supernet that `context.weights` belong to, in eval mode on the context's device.

    Args:
        tensors: the content of the weights' file; None: it is read.

    Raises:
        AbilityError: there are no weights, or the space has none to share.
    """
    if context.weights is None or not isinstance(context.space, WeightSharing):
        raise AbilityError("shared weights were asked for, and this search trains no supernet")
    data = context.data
    supernet = build_supernet(context.space, data.input_shape, data.classes, context.weights.options)
    supernet.load_state_dict(supernet_state(load_file(context.weights.path) if tensors is None else tensors))
    return supernet.eval().to(context.device)


def random_architectures(
    space: SearchSpace, n: int, seed: int, purpose: str, besides: Architecture
) -> list[Architecture]:
    """Up to `n` distinct random architectures other than `besides`; fewer where the space has no more."""
    rng = rng_of(seed, purpose)
    found: dict[Architecture, None] = {}
    for _ in range(50 * n):
        if len(found) == n:
            break
        found[space.sample(rng)] = None
        found.pop(besides, None)
    return list(found)
