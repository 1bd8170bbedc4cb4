"""The evaluation phase: found networks trained from scratch, tested once at the last epoch."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import Field

from nasforge.architecture import Architecture
from nasforge.data import DataModule, FitData, SearchData
from nasforge.errors import OptionError
from nasforge.randomness import isolated, rng_of, seed_of
from nasforge.run import Run
from nasforge.scoring import ordered_batches
from nasforge.sizes import architecture_size
from nasforge.space import SearchSpace
from nasforge.training import NetworkModule

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """How networks are trained for evaluation; `conf/config.yaml` says what each option is.

    Attributes:
        epochs: of each training; the last one is what is reported.
        seeds: how often the found architecture is trained.
        random: how many random architectures are trained alike, one of these seeds each.
        channels, cells: size of the network.
        drop_path: probability that the last epoch approaches.
        cutout: side of the blanked square in pixels; 0 is none.
    """

    epochs: Positive
    seeds: Annotated[int, Field(ge=0)]
    random: Annotated[int, Field(ge=0)]
    channels: Positive
    cells: Positive
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NotNegative
    clip: Annotated[float, Field(gt=0)]
    cutout: Annotated[int, Field(ge=0)]
    drop_path: Annotated[float, Field(ge=0, lt=1)]
    auxiliary: bool
    auxiliary_weight: NotNegative

    def check(self, space: SearchSpace, data: SearchData) -> None:
        """Raise an `OptionError` if networks of this size, or cutout, do not fit the space and the images."""
        if self.cutout >= min(data.input_shape[1:]):
            raise OptionError(
                f"retrain.cutout={self.cutout} would blank whole images of {data.input_shape[1]} x "
                f"{data.input_shape[2]}; it must be smaller than their side"
            )
        size: dict[str, Any] = {"channels": self.channels, "cells": self.cells, "auxiliary": self.auxiliary}
        with isolated(0):
            space.build(space.sample(rng_of("retraining")), data.input_shape, data.classes, **size)


def retrain(run: Run, data: DataModule, how: Retraining, found: Architecture, random: Sequence[Architecture]) -> Any:
    """Train `found` with every seed and each of `random` with one of them; the section `retrain` of `result.json`.

    Accuracies are on the test images, which are read here for the first time.
    """
    rows = [_row(run, data, how, "found", found, list(range(how.seeds)))]
    rows += [_row(run, data, how, f"random {index + 1}", one, [index % how.seeds]) for index, one in enumerate(random)]
    others = [accuracy for row in rows[1:] for accuracy in row["test_accuracy"]]
    random_cells = {"mean": statistics.fmean(others), "std": _deviation(others)} if others else None
    return {"epochs": how.epochs, "rows": rows, "random": random_cells, "sentence": _verdict(rows[0], random_cells)}


def _verdict(found: Mapping[str, Any], random: Mapping[str, float] | None) -> str:
    """How the found architecture compares with the random ones, said plainly."""
    if random is None:
        return ""
    difference, spread = found["mean"] - random["mean"], math.hypot(found["std"], random["std"])
    numbers = f"{found['mean']:.2%} against {random['mean']:.2%}"
    if abs(difference) <= spread:
        return f"Trained from scratch it does not stand out from random cells: {numbers}, within the spread of seeds."
    return f"Trained from scratch it is {'better' if difference > 0 else 'WORSE'} than random cells: {numbers}."


def _row(
    run: Run, data: DataModule, how: Retraining, name: str, architecture: Architecture, seeds: list[int]
) -> dict[str, Any]:
    accuracies = [_test_accuracy(run, data, how, f"retrain/{name}/seed-{seed}", architecture, seed) for seed in seeds]
    size = {"channels": how.channels, "cells": how.cells}
    return {
        "name": name,
        "notation": str(architecture),
        "seeds": seeds,
        "test_accuracy": accuracies,
        "mean": statistics.fmean(accuracies),
        "std": _deviation(accuracies),
        **architecture_size(run.space, architecture, run.data.input_shape, run.data.classes, **size),
    }


def _test_accuracy(
    run: Run, data: DataModule, how: Retraining, name: str, architecture: Architecture, seed: int
) -> float:
    """Train on all training images; the last epoch's accuracy on the test images, as a fraction."""
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
    weights = run.weights(name, module).digest
    known = run.journal.find("test", f"{name}/{weights}")
    if known is not None:
        return float(known["accuracy"])
    with run.timed("test"):
        network.eval().to(run.device)
        accuracy = module.score(network, ordered_batches(data.test, preprocessing, 500, run.device))["accuracy"]
    run.journal.write("test", f"{name}/{weights}", accuracy=accuracy)
    return accuracy


def _deviation(values: Sequence[float]) -> float:
    """The sample standard deviation; 0 for a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0
