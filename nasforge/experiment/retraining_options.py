"""The options of the evaluation phase: the section `retrain` of a configuration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from nasforge.data import FitData, Preprocessing, SearchData
from nasforge.errors import OptionError
from nasforge.images import ImageSet
from nasforge.memory import PlannedNetwork
from nasforge.registry.ranges import (
    BatchSize,
    Cells,
    Channels,
    Clip,
    Count,
    CountOrZero,
    Factor,
    LearningRate,
    Momentum,
    Probability,
    WeightDecay,
)
from nasforge.training.augmentation import POLICY_CHANNELS, with_policy
from nasforge.training.recipe import Recipe
from nasforge.wording import counted


@dataclass(frozen=True, kw_only=True)
class Retraining(Recipe):
    """How networks are trained for evaluation; `conf/config.yaml` explains all options.

    Attributes:
        epochs: number of epochs of each training; the last one is reported.
        seeds: how many times the found architecture is trained, each with its own seed.
        random: how many random architectures are trained in the same way, each with one of these seeds.
        channels, cells: size of the network.
        drop_path: probability that the epochs approach.
        cutout: side of the blanked square in pixels; 0: none.
    """

    epochs: Count
    seeds: Annotated[int, Field(ge=0, le=1_000)]
    random: Annotated[int, Field(ge=0, le=1_000)]
    channels: Channels
    cells: Cells
    batch_size: BatchSize
    learning_rate: LearningRate
    momentum: Momentum
    weight_decay: WeightDecay
    clip: Clip
    cutout: CountOrZero
    drop_path: Probability
    auxiliary: bool
    auxiliary_weight: Factor

    def __post_init__(self) -> None:
        if self.warmup_epochs >= self.epochs:
            raise OptionError(
                f"retrain.warmup_epochs={self.warmup_epochs} leaves none of retrain.epochs={self.epochs} for "
                "the schedule; it must be smaller"
            )
        if self.nesterov and not self.momentum:
            raise OptionError("retrain.nesterov=true needs momentum; set retrain.momentum above 0, for example to 0.9")
        if self.patience is not None and not self.held_out:
            raise OptionError(
                f"retrain.patience={self.patience} needs images to measure progress on; set retrain.held_out, for "
                "example to 0.1"
            )

    def check(self, data: SearchData) -> None:
        """Raise an `OptionError` if an option does not suit the images."""
        channels, height, width = data.input_shape
        if self.cutout >= min(height, width):
            raise OptionError(
                f"retrain.cutout={self.cutout} can blank whole images of {height} x {width}; it must be smaller than "
                "their sides"
            )
        if self.augment != "none" and channels not in POLICY_CHANNELS:
            raise OptionError(
                f"retrain.augment={self.augment} works on images with 1 or 3 channels, but these have {channels}; "
                "use retrain.augment=none"
            )
        held_out = round(len(data.train) * self.held_out)
        if self.held_out and not 0 < held_out < len(data.train) - 1:
            raise OptionError(
                f"retrain.held_out={self.held_out:g} holds out {held_out:,} of "
                f"{counted(len(data.train), 'image')}; it must leave images for both parts"
            )
        batches = len(self.fit_data(data.train, data.preprocessing, seed=0).loader(0))
        if self.accumulate > batches:
            raise OptionError(
                f"retrain.accumulate={self.accumulate} is more than the number of batches of an epoch, {batches:,}; "
                "lower it, or retrain.batch_size"
            )

    def fit_data(self, train: ImageSet, preprocessing: Preprocessing, *, seed: int, workers: int = 0) -> FitData:
        """Return the data of a training, without the images that `seed` holds out, with the recipe's augmentation."""
        training, held_out = train.split(self.held_out, seed) if self.held_out else (train, None)
        seen = with_policy(replace(preprocessing, cutout=self.cutout), self.augment)
        return FitData(training, held_out, seen, self.batch_size, workers)

    def network(self, data: SearchData) -> PlannedNetwork:
        """Return the network to train, for the check of memory."""
        return PlannedNetwork.any_architecture(
            data,
            {"channels": self.channels, "cells": self.cells, "auxiliary": self.auxiliary},
            what="the network to retrain",
            lower="retrain.channels, retrain.cells or retrain.batch_size",
            batch_size=min(self.batch_size, len(data.train)),
            averaged=self.ema > 0,
            required=True,
        )
