"""Scores of discrete architectures under a supernet's shared weights, and the random ones of the control."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from safetensors.torch import load_file

from nasforge.architecture import Architecture, Objective
from nasforge.errors import AbilityError
from nasforge.estimator import Context, Estimate, Estimator
from nasforge.randomness import rng_of
from nasforge.space import SearchSpace, Supernet, WeightSharing
from nasforge.training.modules import supernet_state
from nasforge.training.scoring import batch_statistics, ordered_batches, score


class SharedWeights(Estimator):
    """Accuracy and cross-entropy (nats) on the search's validation images, with weights taken from a supernet.

    Each architecture is scored in its discrete form (one-hot mixing weights), normalised by the statistics of each
    batch: running statistics were gathered under another mixture.

    Args:
        batch_size: images a batch; the same batches for every architecture.
    """

    name: ClassVar[str] = "shared_weights"
    needs: ClassVar[tuple[type[SearchSpace], ...]] = (WeightSharing,)
    needs_weights: ClassVar[bool] = True
    builds: ClassVar[bool] = False
    objectives = (Objective("accuracy", "max"), Objective("cross_entropy", "min"))

    def __init__(self, *, batch_size: int = 256) -> None:
        self.batch_size = batch_size

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """See `estimate_many`."""
        return self.estimate_many([architecture], context)[0]

    def estimate_many(self, architectures: Sequence[Architecture], context: Context) -> Sequence[Estimate]:
        """One supernet, one pass over the validation images for each architecture."""
        supernet = load_supernet(context)
        images, preprocessing = context.data.search_validation, context.data.preprocessing
        batches = list(ordered_batches(images, preprocessing, self.batch_size, context.device))
        space = context.space
        assert isinstance(space, WeightSharing)  # `needs` was checked before the run began
        estimates = []
        with batch_statistics(supernet):
            for architecture in architectures:
                mix = {cell: rows.to(context.device) for cell, rows in space.mix_of(architecture).items()}
                estimates.append(Estimate(score(partial(supernet, mix=mix), batches)))
        return estimates


def load_supernet(context: Context) -> Supernet:
    """The supernet that `context.weights` belong to, in eval mode on the context's device.

    Raises:
        AbilityError: there are no weights, or the space has none to share.
    """
    if context.weights is None or not isinstance(context.space, WeightSharing):
        raise AbilityError("shared weights were asked for, and this search trains no supernet")
    data = context.data
    options: Any = context.weights.options
    supernet = context.space.supernet(data.input_shape, data.classes, **options)
    supernet.load_state_dict(supernet_state(load_file(context.weights.path)))
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
