"""Reads HW-NAS-Bench's pickle: latency and energy of NAS-Bench-201's cells on devices (Li et al., ICLR 2021)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nasforge import Column, DataError, Table
from nasforge_plugins.shared.pickles import load
from nasforge_plugins.table.cells import CARDINALITIES, SPACE, rows_of

NAME = "hwnasbench201"
DATASETS = {"cifar10": "", "cifar100": "-cifar100", "ImageNet16-120": "-imagenet16_120"}
"""By its name of a data set: the suffix of a device's name for that network."""
METRICS = {
    "latency": ("latency_ms", "milliseconds"),
    "energy": ("energy_mj", "millijoules"),
}
"""Metrics and units, as in its README."""


def read(source: Path) -> Table | None:
    """The table in `HW-NAS-Bench-v1_0.pickle`; its lookup tables of FBNet's space are ignored.

    Returns:
        None if it is not a `.pickle` or `.pkl`.

    Raises:
        DataError: it is broken, holds anything but numbers and strings, or is a different pickle.
    """
    if source.suffix not in (".pickle", ".pkl") or not source.is_file():
        return None
    content = load(source)
    if not isinstance(content, Mapping) or not isinstance(content.get("nasbench201"), Mapping):
        raise DataError(f"{source} is not HW-NAS-Bench's pickle, which has 'nasbench201'; convert other tables to CSV")
    try:
        values = dict(_columns(content["nasbench201"], source))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{source} does not have the published form ({type(error).__name__}: {error})") from None
    if not values:
        raise DataError(f"{source} holds no latency and no energy")
    return Table.of(
        SPACE, CARDINALITIES, values, source=f"{source.name}, HW-NAS-Bench (Li et al., ICLR 2021)", name=NAME
    )


def _columns(content: Mapping[str, Any], source: Path) -> Iterator[tuple[Column, np.ndarray]]:
    for dataset, suffix in DATASETS.items():
        if dataset not in content:
            continue
        configs = content[dataset]["config"]
        records = configs.values() if isinstance(configs, Mapping) else configs
        rows = rows_of((str(record["arch_str"]) for record in records), str(source))
        for name, numbers in content[dataset].items():
            device, _, quantity = name.rpartition("_")
            if quantity not in METRICS:
                continue
            metric, unit = METRICS[quantity]
            column = np.full(math.prod(CARDINALITIES), np.nan)
            column[rows] = _positive(np.array(numbers, dtype=np.float64), len(rows), f"{source}: {dataset}'s '{name}'")
            about = f"{unit}, the network of {dataset}"
            yield Column(device + suffix, metric, "min", about=about), column


def _positive(numbers: np.ndarray, count: int, where: str) -> np.ndarray:
    if numbers.shape != (count,):
        raise DataError(f"{where} has the shape {numbers.shape}; it must be one number for each of {count} cells")
    if (numbers <= 0).any():
        raise DataError(f"{where} holds {numbers[numbers <= 0][0]:g}; it must be above 0")
    return numbers
