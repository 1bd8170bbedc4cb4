"""What a column's name says of its numbers: of which data set or device, what they are, in which unit."""

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
"""How people write the data sets of NAS-Bench-201."""
UNITS: Mapping[str, Mapping[str, float]] = {
    "latency_ms": {"ms": 1.0, "s": 1e3, "us": 1e-3},
    "energy_mj": {"mj": 1.0, "j": 1e3, "uj": 1e-3},
    "train_seconds": {"s": 1.0, "seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "h": 3600.0},
}
"""By metric: what its unit may be called, and how much of the metric's own unit that is."""
SIZES = {"params_m": r"#?param(?:s|eters?)?", "macs_m": r"macs?|flops?|madds"}
"""Numbers that need no unit, for `units.millions` recognises it."""
_UNREAD = re.compile(r"loss|std|var|top[-_ ]?5|5es|train[-_ ]?acc|acc[a-z]*[-_ ]?train")


class Heading(NamedTuple):
    """What a column holds.

    Attributes:
        dataset: the data set or the device; '' if the name has neither.
        metric: the table's name of it.
        direction: `max` or `min`.
        report_only: whether it was measured on test images.
        scale: what turns its numbers into the metric's unit; accuracies and sizes are recognised by their numbers.
        about: how it was measured, as far as the name says.
    """

    dataset: str
    metric: str
    direction: Literal["max", "min"]
    report_only: bool
    scale: float
    about: str


def heading(name: str, where: object) -> Heading | None:
    """What the column `name` holds, None if the name does not say.

    Raises:
        DataError: it says half of it: an accuracy of no part of the data, a latency without a unit.
    """
    text = name.lower()
    datasets = [dataset for dataset, pattern in DATASETS.items() if re.search(pattern, text)]
    dataset = datasets[0] if datasets else ""
    rest = re.sub("|".join(DATASETS.values()), "", text).strip(" _-")
    if _UNREAD.search(rest):
        return None
    for read in (_measured, _size, _accuracy):
        if (found := read(name, rest, dataset, where)) is not None:
            return found
    return None


def _measured(name: str, rest: str, dataset: str, where: object) -> Heading | None:
    """Latency, energy or training time, whose unit must stand in the name."""
    found = re.fullmatch(r"(.*?)[-_ /]*(latency|energy|train(?:ing)?(?:[-_ ]?time)?)[-_ /(\[]*(\w*)[)\]]?", rest)
    if found is None:
        return None
    device, word, unit = found.groups()
    metric = {"latency": "latency_ms", "energy": "energy_mj"}.get(word, "train_seconds")
    if unit not in UNITS[metric]:
        units = ", ".join(f"{word}_{one}" for one in UNITS[metric])
        raise DataError(
            f"{where}: the column '{name}' does not say its unit; name it by one of {units}, or leave it out"
        )
    if device and dataset not in ("", "cifar10"):
        device = f"{device}-{dataset}"  # a device's plain name is for the network of CIFAR-10, as in HW-NAS-Bench
    return Heading(device or dataset, metric, "min", False, UNITS[metric][unit], f"column '{name}'")


def _size(name: str, rest: str, dataset: str, where: object) -> Heading | None:
    for metric, pattern in SIZES.items():
        if re.fullmatch(rf"[-_ /(#]*(?:{pattern})(?:[-_ /(]*(?:m|k|mb|million|millions))?\)?", rest):
            return Heading(dataset, metric, "min", False, 1.0, f"1e6, column '{name}'")
    return None


def _accuracy(name: str, rest: str, dataset: str, where: object) -> Heading | None:
    test, validation = "test" in rest, re.search(r"(?<![a-z])val", rest) or rest == "/accuracy"
    if not re.search(r"acc|top[-_ ]?1", rest) and not re.fullmatch(r"(?:x[-_])?(?:test|val(?:id(?:ation)?)?)", rest):
        return None
    if bool(test) == bool(validation):
        example = dataset or "cifar10"
        raise DataError(
            f"{where}: the column '{name}' does not say whether its accuracies are of validation or of test images, "
            f"which a search must not follow; name it {example}_valid_acc or {example}_test_acc"
        )
    epochs = re.search(r"(\d+)[-_ ]?ep", rest)
    plain, usual = ("test_accuracy", "200") if test else ("accuracy", "12")
    metric = plain if epochs is None or epochs[1] == usual else f"{plain}_{epochs[1]}ep"
    about = f"{'test' if test else 'validation'}, {f'{epochs[1]} epochs' if epochs else 'epochs not said'}"
    return Heading(dataset, metric, "max", bool(test), 1.0, f"{about}, column '{name}'")
