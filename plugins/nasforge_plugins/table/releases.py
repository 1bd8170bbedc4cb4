"""Reads the official releases of NAS-Bench-201 and of NATS-Bench's topology space."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from nasforge import Column, DataError, Table, reason
from nasforge_plugins.shared.pickles import load_bz2, load_torch
from nasforge_plugins.table.cells import CARDINALITIES, SPACE, rows_of

Trial = Mapping[str, Any]
"""One training of one architecture on one data set: `ResultsCount.state_dict()` of the official code."""
Trials = Mapping[str, Any]
"""All trainings of one architecture for the same number of epochs: `ArchResults.state_dict()` of the official code."""
MOST_EPOCHS = 1000
"""The longest training accepted; the releases have at most 200 epochs."""
LEGACY = {"less": "12", "full": "200"}
"""NAS-Bench-201's names for the two lengths of training; NATS-Bench's files use the number of epochs."""


class Question(NamedTuple):
    """A column, and where the releases have its numbers.

    Attributes:
        epochs: epochs of the training: 12 or 200, as text.
        trained: the release's name of the training images; `cifar10-valid` is half of CIFAR-10's training images.
        scored: the release's name of the images it was scored on; '' if the column is not an accuracy.
    """

    column: Column
    epochs: Literal["12", "200"]
    trained: str
    scored: str = ""


def read(source: Path) -> Table | None:
    """The table in `NAS-Bench-201-v1_*.pth`, `NATS-tss-v1_0-*.pickle.pbz2` or the folder `NATS-tss-v1_0-*-simple`.

    Accuracies are means over a release's seeds. Architectures missing from a partial release are NaN.

    Returns:
        None if it is not one of these, by its name or, for a folder, by its files.

    Raises:
        DataError: a file is broken, does not have the published form, or holds anything but numbers and strings.
    """
    released = _architectures(source)
    if released is None:
        return None
    strings, answers = [], []
    for where, by_epochs in released:
        strings.append(_string(where, by_epochs))
        if re.fullmatch(r"\d+(:\d+)+", strings[-1]):
            raise DataError(
                f"{source} is of NATS-Bench's size space ({strings[-1]}), and nasforge has no such space; "
                f"a package can add the space and a reader of its releases"
            )
        answers.append(_answers(where, by_epochs))
    if not strings:
        raise DataError(f"{source} holds no architectures")
    rows, numbers = rows_of(strings, str(source)), np.array(answers)
    values = {}
    for index, question in enumerate(QUESTIONS):
        if not np.isnan(numbers[:, index]).all():
            values[question.column] = np.full(math.prod(CARDINALITIES), np.nan)
            values[question.column][rows] = numbers[:, index]
    return Table.of(SPACE, CARDINALITIES, values, source=f"{source.name}, a release of NAS-Bench-201 or NATS-Bench")


def _architectures(source: Path) -> Iterator[tuple[str, Mapping[str, Trials]]] | None:
    """(where, trials by epochs) for each architecture."""
    if source.is_dir():
        files = sorted(source.glob("[0-9]*.pickle.pbz2"))
        return ((str(file), load_bz2(file)) for file in files) if files else None
    if source.name.endswith(".pickle.pbz2"):
        return _together(source, load_bz2(source))
    return _together(source, load_torch(source)) if source.suffix == ".pth" else None


def _together(source: Path, content: Any) -> Iterator[tuple[str, Mapping[str, Trials]]]:
    """(where, trials by epochs) for each architecture of a single file."""
    if not isinstance(content, Mapping) or not isinstance(content.get("arch2infos"), Mapping):
        raise DataError(f"{source} has no 'arch2infos', which holds the results of NAS-Bench-201 and NATS-Bench")
    return ((f"{source}, architecture {index}", trials) for index, trials in content["arch2infos"].items())


def _string(where: str, by_epochs: Mapping[str, Trials]) -> str:
    try:
        (string,) = {str(trials["arch_str"]) for trials in by_epochs.values()}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DataError(f"{where}: its trainings must be of one architecture, named by 'arch_str'") from None
    return string


def _answers(where: str, by_epochs: Mapping[str, Trials]) -> list[float]:
    """The number for each of `QUESTIONS`, for one architecture."""
    try:
        named = {LEGACY.get(epochs, epochs): trials for epochs, trials in by_epochs.items()}
        return [_answer(question, _trials(named.get(question.epochs), question.trained)) for question in QUESTIONS]
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where} does not have the published form ({reason(error)})") from None


def _trials(trials: Trials | None, trained: str) -> list[Trial]:
    if trials is None:
        return []
    return [trials["all_results"][trained, seed] for seed in trials["dataset_seed"].get(trained, ())]


def _answer(question: Question, trials: list[Trial]) -> float:
    if question.scored:
        return _mean([_accuracy(trial, question.scored) for trial in trials])
    return NUMBERS[question.column.quantity](trials)


def _accuracy(trial: Trial, scored: str) -> float:
    """Accuracy after the last epoch, as a fraction; the releases have percent."""
    return float(trial["eval_acc1es"].get(f"{scored}@{_epochs(trial) - 1}", math.nan)) / 100


def _epochs(trial: Trial) -> int:
    epochs = int(trial["epochs"])
    if not 0 < epochs <= MOST_EPOCHS:
        raise ValueError(f"a training of {epochs} epochs")
    return epochs


def _seconds(trials: list[Trial]) -> float:
    """Seconds for all epochs of training and one pass over the validation images, as in `simulate_train_eval`."""
    return _mean([_trial_seconds(trial) for trial in trials])


def _trial_seconds(trial: Trial) -> float:
    if not trial["train_times"]:
        return math.nan
    validations = [trial["eval_times"].get(f"x-valid@{epoch}", math.nan) for epoch in range(_epochs(trial))]
    return float(sum(trial["train_times"].values()) + sum(validations) / len(validations))


def _latency(trials: list[Trial]) -> float:
    """Latency in milliseconds; the releases have seconds, for several batches or their mean."""
    return 1000 * _mean([_mean(trial["latency"]) for trial in trials if trial["latency"]])


def _size(trials: list[Trial], key: str) -> float:
    """The network's size; if trials disagree, seed 888's is right (nats_bench 1.8, `ArchResults.get_compute_costs`)."""
    sizes = {f"{trial[key]:.5f}": trial[key] for trial in trials}
    return _mean([trial[key] for trial in trials if len(sizes) == 1 or int(trial["seed"]) == 888])


def _mean(values: list[float]) -> float:
    """The mean of all values that are not NaN; NaN if there are none."""
    measured = [value for value in values if not math.isnan(value)]
    return sum(measured) / len(measured) if measured else math.nan


NUMBERS = {
    "params_m": lambda trials: _size(trials, "params"),
    "macs_m": lambda trials: _size(trials, "flop"),
    "gpu_latency_ms": _latency,
    "train_seconds": _seconds,
}
"""How to compute each metric other than accuracies from the trials of an architecture."""


def _questions(dataset: str, trained: str, halved: str, tested: str) -> Iterator[Question]:
    """The columns of one data set.

    Args:
        trained: the release's name of the training images for test accuracies.
        halved: the release's name of the training images for validation accuracies.
        tested: the release's name of the test images.
    """

    def column(
        metric: str, direction: Literal["max", "min"], about: str, epochs: int = 0, report_only: bool = False
    ) -> Column:
        return Column(dataset, metric, direction, report_only, about, epochs=epochs)

    mean = "mean over seeds"
    yield Question(column("accuracy", "max", f"validation, 12 epochs, {mean}", 12), "12", halved, "x-valid")
    yield Question(column("accuracy_200ep", "max", f"validation, 200 epochs, {mean}", 200), "200", halved, "x-valid")
    yield Question(column("test_accuracy", "max", f"test, 200 epochs, {mean}", 200, True), "200", trained, tested)
    yield Question(column("test_accuracy_12ep", "max", f"test, 12 epochs, {mean}", 12, True), "12", trained, tested)
    yield Question(column("params_m", "min", "1e6 parameters of the whole network"), "200", trained)
    yield Question(column("macs_m", "min", "1e6 multiply-accumulates of the whole network"), "200", trained)
    yield Question(column("gpu_latency_ms", "min", "milliseconds for 256 images, on the authors' GPU"), "200", trained)
    yield Question(column("train_seconds", "min", f"12 epochs and a validation, {mean}", 12), "12", halved)
    yield Question(column("train_seconds_200ep", "min", f"200 epochs and a validation, {mean}", 200), "200", halved)


QUESTIONS = (
    *_questions("cifar10", "cifar10", "cifar10-valid", "ori-test"),
    *_questions("cifar100", "cifar100", "cifar100", "x-test"),
    *_questions("imagenet16_120", "ImageNet16-120", "ImageNet16-120", "x-test"),
)
