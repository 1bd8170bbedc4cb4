"""The evaluation phase: train networks from scratch, and test each once after the last epoch."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TypedDict

from nasforge.architecture import Architecture
from nasforge.data import DataModule
from nasforge.experiment.retraining_options import Retraining
from nasforge.networks.sizes import architecture_size
from nasforge.randomness import isolated, seed_of
from nasforge.result import Retrained, Spread, TrainedNetwork, median_seed
from nasforge.run.run import Run
from nasforge.statistics.confusion import MOST_KEPT, accuracy, added, confusion, predictions
from nasforge.statistics.mistakes import Mistakes, pictured, wrong_ones
from nasforge.statistics.verdicts import training_verdict
from nasforge.training.network_module import NetworkModule
from nasforge.training.scoring import ordered_batches
from nasforge.wording import counted


class Test(TypedDict):
    """Test accuracy of one network, its confusion matrix unless there are too many classes, and some mistakes.

    `mistakes` is what `wrong_ones` returns; None in journals of older versions.
    """

    accuracy: float
    confusion: list[list[int]] | None
    mistakes: list[list[int]] | None


class Tested(Test):
    """The test of the network that one training left after `epochs` epochs."""

    epochs: int


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
    run.notes += stopping_notes(rows, how)
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
    epochs = [each["epochs"] for each in tested]
    size = {"channels": how.channels, "cells": how.cells}
    return TrainedNetwork(
        name=name,
        notation=str(architecture),
        seeds=seeds,
        test_accuracy=accuracies,
        mean=statistics.fmean(accuracies),
        std=_deviation(accuracies),
        stopped_after=epochs if min(epochs) < how.epochs else None,
        **architecture_size(run.space, architecture, run.data.input_shape, run.data.classes, **size),
    )


def _tested(run: Run, data: DataModule, how: Retraining, name: str, architecture: Architecture, seed: int) -> Tested:
    """Train on all training images but those held out, and test the network of the last epoch."""
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
        recipe=how,
        classes=run.data.classes,
    )
    fit_data = how.fit_data(data.train, run.data.preprocessing, seed=run.seed, workers=data.workers)
    run.fit(module, name, how.epochs, fit_data, budgeted=False)
    return {**_test(run, data, name, module), "epochs": len(module.history["train_loss"])}


def _test(run: Run, data: DataModule, name: str, module: NetworkModule) -> Test:
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
        batches = ordered_batches(data.test, run.data.preprocessing, 500, run.device)
        converted = ((images.to(module.dtype), labels) for images, labels in batches)
        predicted = predictions(module.network, converted)
    matrix = confusion(predicted, run.data.classes)
    kept = matrix.tolist() if run.data.classes <= MOST_KEPT else None
    test: Test = {"accuracy": accuracy(matrix), "confusion": kept, "mistakes": wrong_ones(predicted)}
    run.journal.write("test", f"{name}/{weights}", **test)
    return test


def stopping_notes(rows: Sequence[TrainedNetwork], how: Retraining) -> list[str]:
    """Return a sentence about the trainings that stopped early; none if all epochs were trained."""
    stopped = [
        f"{row.name} with seed {seed} after epoch {epoch}"
        for row in rows
        for seed, epoch in zip(row.seeds, row.stopped_after or (), strict=False)
        if epoch < how.epochs
    ]
    if not stopped:
        return []
    return [
        f"of {how.epochs} epochs, training stopped early because the accuracy on the held-out images had not improved "
        f"for {counted(how.patience or 0, 'epoch')}: {', '.join(stopped)}"
    ]


def _write_mistakes(run: Run, data: DataModule, own: Sequence[Tested]) -> None:
    """Write what the network with the median accuracy gets wrong, unless its test is from an older version."""
    seed = median_seed({seed: tested["accuracy"] for seed, tested in enumerate(own)})
    if (wrong := own[seed]["mistakes"]) is not None:
        total = round((1 - own[seed]["accuracy"]) * len(data.test))
        Mistakes(seed=seed, total=total, kept=pictured(data.test, wrong, run.data.class_names)).write(run.folder)


def _deviation(values: Sequence[float]) -> float:
    """Return the sample standard deviation; 0 for a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0
