"""How a network is trained from scratch beyond plain SGD; the defaults change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from nasforge.registry.ranges import BatchSize, Concentration, Count, CountOrZero, Probability, Schedule

Augmentation = Literal["none", "autoaugment", "randaugment", "trivialaugment"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Options of a training that are off by default, so that an option at its default enters no key.

    Attributes:
        label_smoothing: share of the label's weight that is spread evenly over all classes (Szegedy et al. 2016).
        nesterov: whether SGD uses Nesterov's momentum.
        schedule: course of the learning rate after the warm-up; cosine and linear end at 0.
        warmup_epochs: epochs in which the learning rate rises linearly (Goyal et al. 2017).
        base_batch_size: the learning rate holds for this batch size and is scaled linearly to the images of a step;
            None: it is not scaled.
        accumulate: number of batches whose gradients make one step.
        ema: decay of the moving average of the weights, which is then the network that is tested; 0: no average.
        augment: policy of torchvision for each image.
        mixup, cutmix: alpha of the Beta distribution (Zhang et al. 2018; Yun et al. 2019); 0: none. With both, each
            batch takes one of them at random.
        held_out: share of the training images that the training leaves out, to measure its accuracy on them.
        patience: the training stops after this many epochs without a better accuracy on the held-out images.
    """

    label_smoothing: Probability = 0.0
    nesterov: bool = False
    schedule: Schedule = "cosine"
    warmup_epochs: CountOrZero = 0
    base_batch_size: BatchSize | None = None
    accumulate: Count = 1
    ema: Probability = 0.0
    augment: Augmentation = "none"
    mixup: Concentration = 0.0
    cutmix: Concentration = 0.0
    held_out: Probability = 0.0
    patience: Count | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """The options of a recipe that differ from their defaults."""
        return changed_options({option: getattr(self, option) for option in DEFAULTS})

    def scaled(self, learning_rate: float, batch_size: int) -> float:
        """Scale `learning_rate` linearly to the images of a step, if it holds for a base batch size."""
        if self.base_batch_size is None:
            return learning_rate
        return learning_rate * batch_size * self.accumulate / self.base_batch_size


DEFAULTS: Mapping[str, Any] = {option.name: option.default for option in fields(Recipe)}
"""Each option of a recipe with its default."""
PLAIN = Recipe()


def changed_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return `options` without those of a recipe that have their defaults."""
    return {key: value for key, value in options.items() if key not in DEFAULTS or value != DEFAULTS[key]}


def with_recipe(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's configuration with the recipe's options, which runs of older versions did not record."""
    return {**config, "retrain": {**DEFAULTS, **config["retrain"]}}
