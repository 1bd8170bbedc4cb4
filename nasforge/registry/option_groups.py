"""Groups of options that many strategies share; a constructor takes a whole group, which is a section of its YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from nasforge.errors import OptionError
from nasforge.registry.ranges import (
    Cells,
    Channels,
    Clip,
    CountOrZero,
    FinalLearningRate,
    LearningRate,
    Momentum,
    Schedule,
    WeightDecay,
)


@dataclass(frozen=True, kw_only=True)
class MixtureOptions:
    """What the edges of a supernet mix; None uses the space's default.

    Attributes:
        partial_channels: K of PC-DARTS: 1/K of the channels are mixed; 1 mixes all.
        include_none: whether the alphas have a column for `none`.
        pool_normalization: whether BatchNorm follows pools.
    """

    partial_channels: Channels | None = None
    include_none: bool | None = None
    pool_normalization: bool | None = None


@dataclass(frozen=True, kw_only=True)
class SupernetOptions(MixtureOptions):
    """A supernet's size, and what its edges mix; None uses the space's default.

    Attributes:
        channels: the initial width C.
        cells: the depth.
    """

    channels: Channels | None = None
    cells: Cells | None = None


@dataclass(frozen=True, kw_only=True)
class SGDOptions:
    """SGD for the weights; the defaults are those of DARTS.

    Attributes:
        learning_rate: in the first epoch.
        final_learning_rate: at the end of a cosine or linear schedule.
        schedule: course of the learning rate after the warm-up.
        learning_rate_warmup: epochs in which the learning rate rises linearly.
        momentum: of SGD.
        weight_decay: L2.
        clip: the largest gradient norm.
    """

    learning_rate: LearningRate = 0.025
    final_learning_rate: FinalLearningRate = 0.001
    schedule: Schedule = "cosine"
    learning_rate_warmup: CountOrZero = 0
    momentum: Momentum = 0.9
    weight_decay: WeightDecay = 3e-4
    clip: Clip = 5.0

    def check(self, epochs: int) -> None:
        """Raise an `OptionError` if the learning rate cannot fall, or has none of a fit's `epochs` to fall in."""
        if self.schedule == "linear" and self.final_learning_rate > self.learning_rate:
            raise OptionError(
                f"strategy.optimizer.final_learning_rate={self.final_learning_rate:g} is more than "
                f"strategy.optimizer.learning_rate={self.learning_rate:g}, from which a linear schedule falls"
            )
        if self.learning_rate_warmup >= epochs:
            raise OptionError(
                f"strategy.optimizer.learning_rate_warmup={self.learning_rate_warmup} leaves no epoch of "
                f"{epochs} for the schedule; it must be smaller"
            )


@dataclass(frozen=True, kw_only=True)
class AdamOptions:
    """Adam with a constant learning rate; the defaults are those of DARTS for its alphas.

    Attributes:
        learning_rate: of all steps.
        weight_decay: L2.
    """

    learning_rate: LearningRate = 3e-4
    weight_decay: WeightDecay = 1e-3


def now_grouped(**groups: type) -> Mapping[str, str]:
    """Return the entries of a plug-in's `renamed` for options that have moved into groups.

    ```python
    renamed = now_grouped(supernet=SupernetOptions) | {"alpha_learning_rate": "alphas.learning_rate"}
    ```
    """
    return {option.name: f"{group}.{option.name}" for group, options in groups.items() for option in fields(options)}
