"""Reads column names: the data set or device, the metric and the unit of their numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from nasforge import DataError

DATASETS = {
    "cifar10": r"cifar[-_ ]?10(?!\d)",
    "cifar100": r"cifar[-_ ]?100",
    "imagenet16_120": r"image[-_ ]?net(?:[-_ ]?16)?(?:[-_ ]?120)?",
}
"""Spellings of the data sets of NAS-Bench-201."""
UNITS: Mapping[str, Mapping[str, float]] = {
    "latency_ms": {"ms": 1.0, "s": 1e3, "us": 1e-3},
    "energy_mj": {"mj": 1.0, "j": 1e3, "uj": 1e-3},
    "train_seconds": {"s": 1.0, "seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "h": 3600.0},
}
"""By metric: the names of units, and the factor that converts each to the metric's own unit."""
SIZES = {"params_m": r"#?param(?:s|eters?)?", "macs_m": r"macs?|flops?|madds"}
"""Metrics that need no unit, because `units.millions` recognizes it."""
_UNREAD = re.compile(r"loss|std|var|top[-_ ]?5|5es|train[-_ ]?acc|acc[a-z]*[-_ ]?train")


class Heading(NamedTuple):
    """The meaning of a column.

    Attributes:
        dataset: the data set or the device; '' if the name has neither.
        metric: its name in the table.
        direction: `max` or `min`.
        report_only: whether it was measured on test images.
        scale: factor to the metric's unit; the units of accuracies and sizes are recognized by their numbers.
        about: how it was measured, as far as the name says.
        epochs: after how many epochs; 0 if the name does not say.
    """

    dataset: str
    metric: str
    direction: Literal["max", "min"]
    report_only: bool
    scale: float
    about: str
    epochs: int = 0


def heading(name: str, where: object) -> Heading | None:
    """The meaning of the column `name`; None if the name does not say.

    Raises:
        DataError: the name is incomplete: an accuracy without the part of the data, a latency without a unit.
    """
    text = name.lower()
    datasets = [dataset for dataset, pattern in DATASETS.items() if re.search(pattern, text)]
    dataset = datasets[0] if datasets else ""
    label = re.sub("|".join(DATASETS.values()), "", text).strip(" _-")
    if _UNREAD.search(label):
        return None
    for read in (_measured, _size, _accuracy):
        if (meaning := read(name, label, dataset, where)) is not None:
            return meaning
    return None


def _measured(name: str, label: str, dataset: str, where: object) -> Heading | None:
    """Latency, energy or training time, whose unit must be in the name."""
    match = re.fullmatch(r"(.*?)[-_ /]*(latency|energy|train(?:ing)?(?:[-_ ]?time)?)[-_ /(\[]*(\w*)[)\]]?", label)
    if match is None:
        return None
    device, word, unit = match.groups()
    metric = {"latency": "latency_ms", "energy": "energy_mj"}.get(word, "train_seconds")
    if unit not in UNITS[metric]:
        examples = ", ".join(f"{word}_{known}" for known in UNITS[metric])
        raise DataError(
            f"{where}: the column '{name}' does not say its unit; name it by one of {examples}, or leave it out"
        )
    if device and dataset not in ("", "cifar10"):
        device = f"{device}-{dataset}"  # a device's plain name stands for the network of CIFAR-10, as in HW-NAS-Bench
    return Heading(device or dataset, metric, "min", False, UNITS[metric][unit], f"column '{name}'")


def _size(name: str, label: str, dataset: str, where: object) -> Heading | None:
    for metric, pattern in SIZES.items():
        if re.fullmatch(rf"[-_ /(#]*(?:{pattern})(?:[-_ /(]*(?:m|k|mb|million|millions))?\)?", label):
            return Heading(dataset, metric, "min", False, 1.0, f"1e6, column '{name}'")
    return None


def _accuracy(name: str, label: str, dataset: str, where: object) -> Heading | None:
    test, validation = "test" in label, re.search(r"(?<![a-z])val", label) or label == "/accuracy"
    if not re.search(r"acc|top[-_ ]?1", label) and not re.fullmatch(r"(?:x[-_])?(?:test|val(?:id(?:ation)?)?)", label):
        return None
    if bool(test) == bool(validation):
        example = dataset or "cifar10"
        raise DataError(
            f"{where}: the column '{name}' does not say whether its accuracies are of validation or of test images, "
            f"which a search must not follow; name it {example}_valid_acc or {example}_test_acc"
        )
    epochs = re.search(r"(\d+)[-_ ]?ep", label)
    plain, usual = ("test_accuracy", "200") if test else ("accuracy", "12")
    metric = plain if epochs is None or epochs[1] == usual else f"{plain}_{epochs[1]}ep"
    about = f"{'test' if test else 'validation'}, {f'{epochs[1]} epochs' if epochs else 'epochs not given'}"
    return Heading(
        dataset, metric, "max", bool(test), 1.0, f"{about}, column '{name}'", int(epochs[1]) if epochs else 0
    )
