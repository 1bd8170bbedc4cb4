"""Trains each candidate from scratch for a few epochs."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from nasforge import (
    Architecture,
    Context,
    Estimate,
    Estimator,
    NetworkModule,
    Objective,
    network_size,
    ordered_batches,
    score,
    train,
)

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]


class Training(Estimator):
    """Validation accuracy and cross-entropy (nats) after a brief training from scratch, and the network's size.

    It trains with the Lightning module that retraining uses, on the part of the training images that is not held out.
    """

    name: ClassVar[str] = "training"
    objectives = (
        Objective("accuracy", "max"),
        Objective("cross_entropy", "min"),
        Objective("params_m", "min"),
        Objective("macs_m", "min"),
    )

    def __init__(
        self,
        *,
        epochs: Positive = 3,
        channels: Positive = 8,
        cells: Positive = 4,
        held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2,
        learning_rate: Annotated[float, Field(gt=0)] = 0.05,
        momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9,
        weight_decay: NotNegative = 3e-4,
        clip: Annotated[float, Field(gt=0)] = 5.0,
    ) -> None:
        self.epochs, self.channels, self.cells, self.held_out = epochs, channels, cells, held_out
        self.learning_rate, self.momentum, self.weight_decay, self.clip = learning_rate, momentum, weight_decay, clip

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """Build, train, score."""
        data = context.data.split(self.held_out)
        network = context.space.build(
            architecture, context.data.input_shape, context.data.classes, channels=self.channels, cells=self.cells
        )
        size = network_size(network, context.data.input_shape)
        module = NetworkModule(
            network,
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            clip=self.clip,
        )
        trainer = {"accelerator": "cpu" if context.device == "cpu" else "auto", "devices": 1}
        train(module, data, name="candidate", epochs=self.epochs, seed=context.seed, trainer=trainer)
        network.eval().to(context.device)
        assert data.validation is not None  # split() always makes both
        batches = ordered_batches(data.validation, data.preprocessing, 256, context.device)
        return Estimate({**score(network, batches), **size})
