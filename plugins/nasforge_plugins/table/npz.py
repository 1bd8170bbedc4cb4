"""Reads NAS-Bench-201's accuracies and sizes from one `.npz`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from nasforge import ArrayFile, Column, DataError, Table, open_arrays
from nasforge_plugins.table.cells import CARDINALITIES, EDGES, OPERATIONS, SPACE, distinct_rows
from nasforge_plugins.table.units import fractions, millions

DATASETS = ("cifar10", "cifar100", "imagenet16_120")
NUMBERS: Mapping[str, tuple[str, Literal["max", "min"], bool, str, int]] = {
    "valid_acc_12ep": ("accuracy", "max", False, "validation, one run of 12 epochs", 12),
    "test_acc_200ep_mean": ("test_accuracy", "max", True, "test, 200 epochs, mean over seeds", 200),
    "test_acc_12ep": ("test_accuracy_12ep", "max", True, "test, one run of 12 epochs", 12),
    "params_m": ("params_m", "min", False, "1e6 parameters of the whole network", 0),
    "macs_m": ("macs_m", "min", False, "1e6 multiply-accumulates, counted with BatchNorm and ReLU as NASLib does", 0),
}
"""By an array's suffix: metric, direction, report_only, about, epochs. `*_acc_200ep_single` is left out: it is the test
accuracy of one run under another name."""


def read(source: Path) -> Table | None:
    """The table in an `.npz` with `ops`, `op_names`, `edges` and, for each data set, the arrays of `NUMBERS`.

    Returns:
        None if it is not an `.npz`, or has no array of a data set of NAS-Bench-201.

    Raises:
        DataError: the file is incomplete, or an array is missing or wrong; the message names it.
    """
    if source.suffix != ".npz":
        return None
    with open_arrays(source) as arrays:
        datasets = [dataset for dataset in DATASETS if any(key.startswith(f"{dataset}_") for key in arrays.names)]
        if not datasets:
            return None
        rows = _rows(arrays)
        names = {(dataset, suffix): f"{dataset}_{suffix}" for dataset in datasets for suffix in NUMBERS}
        numbers = {name: arrays.numbers(name, len(rows)) for name in names.values()}
    numbers |= fractions({name: array for name, array in numbers.items() if "_acc_" in name}, source)
    values = {}
    for (dataset, suffix), name in names.items():
        metric, direction, report_only, about, epochs = NUMBERS[suffix]
        column = np.full(np.prod(CARDINALITIES), np.nan)
        column[rows] = numbers[name] if "accuracy" in metric else millions(metric, numbers[name], name, source)
        values[Column(dataset, metric, direction, report_only, about, epochs=epochs)] = column
    return Table.of(SPACE, CARDINALITIES, values, source="NAS-Bench-201 (Dong and Yang, ICLR 2020)", path=source)


def _rows(arrays: ArrayFile) -> np.ndarray:
    """The table's row for each row of `ops`, for any order of operations and edges in the file."""
    names, edges = [str(name) for name in arrays["op_names"]], [tuple(map(int, edge)) for edge in arrays["edges"]]
    if sorted(names) != sorted(OPERATIONS) or sorted(edges) != sorted(EDGES):
        raise DataError(f"{arrays.path}: 'op_names' and 'edges' must be those of NAS-Bench-201, in any order")
    ops = arrays.shaped("ops", len(arrays["ops"]), len(EDGES))
    if ops.dtype.kind not in "iu" or ops.size == 0 or ops.min() < 0 or ops.max() >= len(names):
        raise DataError(f"{arrays.path}: 'ops' must hold whole numbers from 0 to {len(names) - 1}")
    digits = np.array([OPERATIONS.index(name) for name in names])[ops][:, [edges.index(edge) for edge in EDGES]]
    return distinct_rows(digits, str(arrays.path))
