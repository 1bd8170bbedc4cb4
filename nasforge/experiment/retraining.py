"""The evaluation phase: train networks from scratch, and test each once after the last epoch."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypedDict

from pydantic import Field

from nasforge.architecture import Architecture
from nasforge.data import DataModule, FitData, Preprocessing, SearchData
from nasforge.errors import OptionError
from nasforge.memory import PlannedNetwork
from nasforge.networks.sizes import architecture_size
from nasforge.randomness import isolated, seed_of
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
from nasforge.result import Retrained, Spread, TrainedNetwork, median_seed
from nasforge.run.run import Run
from nasforge.statistics.confusion import MOST_KEPT, accuracy, added, confusion, predictions
from nasforge.statistics.mistakes import Mistakes, pictured, wrong_ones
from nasforge.statistics.verdicts import training_verdict
from nasforge.training.modules import NetworkModule
from nasforge.training.scoring import ordered_batches


class Tested(TypedDict):
    """Test accuracy of one training, its confusion matrix unless there are too many classes, and some mistakes.

    `mistakes` is what `wrong_ones` returns; None in journals of older versions.
    """

    accuracy: float
    confusion: list[list[int]] | None
    mistakes: list[list[int]] | None


@dataclass(frozen=True, kw_only=True)
class Retraining:
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

    def check(self, data: SearchData) -> None:
        """Raise an `OptionError` if cutout is too large for the images."""
        if self.cutout >= min(data.input_shape[1:]):
            raise OptionError(
                f"retrain.cutout={self.cutout} can blank whole images of {data.input_shape[1]} x "
                f"{data.input_shape[2]}; it must be smaller than their sides"
            )

    def network(self, data: SearchData) -> PlannedNetwork:
        """Return the network to train, for the check of memory."""
        return PlannedNetwork.any_architecture(
            data,
            {"channels": self.channels, "cells": self.cells, "auxiliary": self.auxiliary},
            what="the network to retrain",
            lower="retrain.channels, retrain.cells or retrain.batch_size",
            batch_size=min(self.batch_size, len(data.train)),
            required=True,
        )


def retrain(
    run: Run,
    data: DataModule,
    how: Retraining,
    architecture: Architecture,
    random: Sequence[Architecture],
    *,
    called: str = "found",
) -> Retrained:
    """Train `architecture` with every seed, and each of `random` with one.

    Accuracies are on the test images, which are read here for the first time. `confusion.json` says which classes
    `architecture` confuses, unless there are very many. `mistakes.json` has images that it gets wrong.

    Args:
        called: the name of its row.
    """
    # The fits have the same names whatever `called` is, because their initial weights are drawn from that name.
    own = [_tested(run, data, how, f"retrain/found/seed-{seed}", architecture, seed) for seed in range(how.seeds)]
    if (confusions := added(run.data.class_names, [tested["confusion"] for tested in own])) is not None:
        confusions.write(run.folder)
    _write_mistakes(run, data, own)
    rows = [_row(run, how, called, architecture, list(range(how.seeds)), own)]
    for number, other in enumerate(random, 1):
        seed = (number - 1) % how.seeds
        tested = _tested(run, data, how, f"retrain/random {number}/seed-{seed}", other, seed)
        rows.append(_row(run, how, f"random {number}", other, [seed], [tested]))
    others = [accuracy for row in rows[1:] for accuracy in row.test_accuracy]
    images = len(data.test)
    return Retrained(
        epochs=how.epochs,
        images=images,
        rows=rows,
        random=Spread(mean=statistics.fmean(others), std=_deviation(others)) if others else None,
        **vars(training_verdict(rows[0].test_accuracy, others, images)),
    )


def _row(
    run: Run, how: Retraining, name: str, architecture: Architecture, seeds: list[int], tested: Sequence[Tested]
) -> TrainedNetwork:
    accuracies = [each["accuracy"] for each in tested]
    size = {"channels": how.channels, "cells": how.cells}
    return TrainedNetwork(
        name=name,
        notation=str(architecture),
        seeds=seeds,
        test_accuracy=accuracies,
        mean=statistics.fmean(accuracies),
        std=_deviation(accuracies),
        **architecture_size(run.space, architecture, run.data.input_shape, run.data.classes, **size),
    )


def _tested(run: Run, data: DataModule, how: Retraining, name: str, architecture: Architecture, seed: int) -> Tested:
    """Train on all training images, and test the network of the last epoch."""
    with isolated(seed_of(run.seed, "weights of", name, seed)):
        network = run.space.build(
            architecture,
            run.data.input_shape,
            run.data.classes,
            channels=how.channels,
            cells=how.cells,
            auxiliary=how.auxiliary,
        )
    module = NetworkModule(
        network,
        learning_rate=how.learning_rate,
        momentum=how.momentum,
        weight_decay=how.weight_decay,
        clip=how.clip,
        drop_path=how.drop_path,
        auxiliary_weight=how.auxiliary_weight,
    )
    preprocessing = replace(data.preprocessing, cutout=how.cutout)
    run.fit(
        module,
        name,
        how.epochs,
        FitData(data.train, None, preprocessing, how.batch_size, data.workers),
        budgeted=False,
    )
    return _test(run, data, name, module, preprocessing)


def _test(run: Run, data: DataModule, name: str, module: NetworkModule, preprocessing: Preprocessing) -> Tested:
    """Test the network of a fit, unless the journal holds its test."""
    weights = run.weights(name, module).digest
    known = run.journal.find("test", f"{name}/{weights}")
    if known is not None:
        return {
            "accuracy": float(known["accuracy"]),
            "confusion": known.get("confusion"),
            "mistakes": known.get("mistakes"),
        }
    with run.timed("test"):
        module.network.eval().to(run.device)
        batches = ordered_batches(data.test, preprocessing, 500, run.device)
        converted = ((images.to(module.dtype), labels) for images, labels in batches)
        predicted = predictions(module.network, converted)
    matrix = confusion(predicted, run.data.classes)
    kept = matrix.tolist() if run.data.classes <= MOST_KEPT else None
    tested: Tested = {"accuracy": accuracy(matrix), "confusion": kept, "mistakes": wrong_ones(predicted)}
    run.journal.write("test", f"{name}/{weights}", **tested)
    return tested


def _write_mistakes(run: Run, data: DataModule, own: Sequence[Tested]) -> None:
    """Write what the network with the median accuracy gets wrong, unless its test is from an older version."""
    seed = median_seed({seed: tested["accuracy"] for seed, tested in enumerate(own)})
    if (wrong := own[seed]["mistakes"]) is not None:
        total = round((1 - own[seed]["accuracy"]) * len(data.test))
        Mistakes(seed=seed, total=total, kept=pictured(data.test, wrong, run.data.class_names)).write(run.folder)


def _deviation(values: Sequence[float]) -> float:
    """Return the sample standard deviation; 0 for a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0
