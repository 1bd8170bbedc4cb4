"""Trains each candidate for a few epochs, from scratch or from inherited weights."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, ClassVar

from pydantic import Field
from torch import Tensor
from torch.optim.swa_utils import update_bn

from nasforge import (
    Architecture,
    Cells,
    Channels,
    Clip,
    Context,
    Count,
    Estimate,
    Estimator,
    FitData,
    Fraction,
    LearningRate,
    Momentum,
    Network,
    NetworkModule,
    Objective,
    OptionError,
    PlannedNetwork,
    SearchData,
    SearchSpace,
    WeightDecay,
    WeightInheritance,
    WeightStore,
    entries,
    network_size,
    ordered_batches,
    scaled_shape,
    score,
    train,
)

from .learning_curve import POINTS, StopBelow


class Training(Estimator):
    """Validation accuracy and cross-entropy (nats) after a short training, and the network's size.

    It trains with the Lightning module that retraining uses, on the part of the training images that is not held out.
    In a space with `WeightInheritance`, a network starts from weights that the strategy provides, and its own weights
    are kept afterwards. Two more metrics report the number of epochs and the fraction of inherited tensors.

    A strategy may ask for candidates after fewer epochs. They are trained further from where they were, and in the end
    equal those trained without a pause: the learning rate falls over `epochs` in any case.

    Args:
        epochs: number of training epochs; the most that a strategy may ask for.
        channels, cells: initial width and depth of the candidate.
        held_out: fraction of the training images on which it is scored.
        learning_rate, momentum, weight_decay, clip: SGD, cosine to 0 over `epochs`.
        images: number of images to train on, class-balanced; those of a smaller number are among those of a larger one.
            None: all that are not held out.
        scale: the factor by which images are scaled, by Lanczos, to train and to score; None: not at all. The padding
            of random crops is scaled as well.
        recalibrate: whether to recompute BatchNorm statistics over the training images before scoring. After a few
            dozen steps, running statistics still depend more on the first steps than on the network.
        stop_below: stop a candidate early if its learning curve, extrapolated to the last epoch by a power law
            (Domhan et al. 2015), stays below this accuracy; None never stops.

    Raises:
        OptionError: `stop_below` with too few epochs for a curve.
    """

    name: ClassVar[str] = "training"
    added: ClassVar[Sequence[str]] = ("images", "scale")
    objectives = (
        Objective("accuracy", "max"),
        Objective("cross_entropy", "min"),
        Objective("params_m", "min"),
        Objective("macs_m", "min"),
        Objective("train_epochs", "min", label="epochs of training"),
        Objective("inherited", "max", label="tensors inherited", unit="%"),
    )

    def __init__(
        self,
        *,
        epochs: Count = 3,
        channels: Channels = 8,
        cells: Cells = 4,
        held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2,
        learning_rate: LearningRate = 0.05,
        momentum: Momentum = 0.9,
        weight_decay: WeightDecay = 3e-4,
        clip: Clip = 5.0,
        images: Annotated[int, Field(ge=2, le=1_000_000_000)] | None = None,
        scale: Annotated[float, Field(gt=0, le=1)] | None = None,
        recalibrate: bool = True,
        stop_below: Fraction | None = None,
    ) -> None:
        self.epochs, self.channels, self.cells, self.held_out = epochs, channels, cells, held_out
        self.learning_rate, self.momentum, self.weight_decay, self.clip = learning_rate, momentum, weight_decay, clip
        self.images, self.scale = images, scale
        if stop_below is not None and epochs <= POINTS:
            raise OptionError(
                f"estimator.training.stop_below={stop_below:g} needs estimator.training.epochs of at least "
                f"{POINTS + 1}: a curve needs {POINTS} epochs, and epochs={epochs} would train to the end in any case"
            )
        self.recalibrate, self.stop_below = recalibrate, stop_below

    def fidelities(self) -> tuple[int, ...]:
        """Any number of epochs up to the option `epochs`.

        Raises:
            OptionError: there is only one such number, or `stop_below` stops candidates, too.
        """
        if self.stop_below is not None:
            raise OptionError(
                f"estimator.training.stop_below={self.stop_below:g} and this strategy both stop candidates early; omit "
                "one of them"
            )
        if self.epochs == 1:
            raise OptionError(
                "estimator.training.epochs=1 leaves no candidate to stop earlier, as this strategy does; raise it"
            )
        return tuple(range(1, self.epochs + 1))

    def check_data(self, data: SearchData) -> None:
        """Raise an `OptionError` if `held_out` leaves too few images to score on or, with `images`, to train on."""
        scored = round(len(data.train) * self.held_out)
        trained = len(data.train) - scored
        if scored < 1 or trained < 2:
            raise OptionError(
                f"estimator.training.held_out={self.held_out:g} leaves {trained} of {len(data.train)} images to train "
                f"on and {scored} to score on; it must leave at least 2 and 1"
            )
        if self.images is not None and self.images > trained:
            raise OptionError(
                f"estimator.training.images={self.images} is more than the {trained} images that "
                f"estimator.training.held_out={self.held_out:g} leaves to train on; images=null uses all of these"
            )

    def networks(self, space: SearchSpace, data: SearchData) -> Sequence[PlannedNetwork]:
        """A candidate in training."""
        return [
            PlannedNetwork.any_architecture(
                data,
                {"channels": self.channels, "cells": self.cells},
                what="a candidate",
                lower="estimator.training.channels, estimator.training.cells or data.batch_size",
                batch_size=min(
                    data.batch_size, self.images or len(data.train) - round(len(data.train) * self.held_out)
                ),
                shape=scaled_shape(data.input_shape, self.scale or 1.0),
            )
        ]

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """Build, inherit, train, score."""
        data = self.images_of(context.data)
        network = context.space.build(
            architecture, data.train.shape, context.data.classes, channels=self.channels, cells=self.cells
        )
        size = network_size(network, data.train.shape)
        inherited = inherit(network, architecture, context)
        with TemporaryDirectory() as folder:
            state = self.state(Path(folder), context)
            epochs = self.trained(network, data, context, state)
            checkpoint = state.read_bytes() if state and epochs < self.epochs else None
        metrics = {**self.scored(network, data, context.device), **size, "train_epochs": epochs, "inherited": inherited}
        return Estimate(metrics, left_behind(network, architecture, context), checkpoint=checkpoint)

    def images_of(self, whole: SearchData) -> FitData:
        """The images to train and to score on, in the chosen number and resolution."""
        data = whole.split(self.held_out)
        if self.images is not None:
            data = replace(data, train=data.train.subset(self.images, whole.seed))
        return data if self.scale is None else data.scaled(self.scale)

    def state(self, folder: Path, context: Context) -> Path | None:
        """The file of the training's state in `folder`, a copy of the context's checkpoint; None if all epochs are
        trained at once."""
        if context.epochs is None:
            return None
        if context.checkpoint is not None and context.checkpoint.exists():  # another machine may not see it
            shutil.copyfile(context.checkpoint, folder / "candidate.ckpt")
        return folder / "candidate.ckpt"

    def trained(self, network: Network, data: FitData, context: Context, state: Path | None = None) -> int:
        """Train `network`, from `state` if it exists, and return the number of epochs in all."""
        module = NetworkModule(
            network,
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            clip=self.clip,
        )
        callbacks = []
        if self.stop_below is not None:
            callbacks.append(StopBelow(self.stop_below, lambda: self.scored(network, data, context.device)["accuracy"]))
        trainer = {**trainer_on(context.device), "graph": context.graph}
        return train(
            module,
            data,
            name="candidate",
            epochs=self.epochs,
            seed=context.seed,
            trainer=trainer,
            callbacks=callbacks,
            checkpoint=state,
            saving=nullcontext,
            exhausted=lambda: module.current_epoch + 1 == context.epochs,
        )

    def scored(self, network: Network, data: FitData, device: str) -> dict[str, float]:
        """Accuracy and cross-entropy on the held-out images; restores the network's mode."""
        assert data.validation is not None  # split() always makes both
        network.to(device)
        if self.recalibrate:
            batches = ordered_batches(data.train, data.preprocessing, data.batch_size, device)
            update_bn((images for images, _ in batches if len(images) > 1), network)  # 1 image of 1 pixel: no variance
        training = network.training
        network.eval()
        metrics = score(network, ordered_batches(data.validation, data.preprocessing, 256, device))
        network.train(training)
        return metrics


def trainer_on(device: str) -> dict[str, Any]:
    """Arguments of Lightning's trainer for one device in torch's notation: cpu, mps, cuda:1."""
    accelerator, _, index = device.partition(":")
    return {"accelerator": accelerator, "devices": [int(index)] if index else 1}


def inherit(network: Network, architecture: Architecture, context: Context) -> float:
    """Load the context's weights for `network` and return the fraction of its tensors that it inherited."""
    if context.weights is None or not isinstance(context.space, WeightInheritance):
        return 0.0
    return WeightStore.read(context.weights.path).hand_on(context.space, architecture, network)


def left_behind(network: Network, architecture: Architecture, context: Context) -> dict[str, Tensor] | None:
    """The tensors that other candidates may inherit, if this search has weight inheritance."""
    if context.weights is None or not isinstance(context.space, WeightInheritance):
        return None
    tensors = network.state_dict()
    return {name: tensors[name].detach().cpu().contiguous() for name in entries(context.space, architecture, tensors)}
