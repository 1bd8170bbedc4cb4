"""Reads latencies of NAS-Bench-201's cells on many devices (HW-NAS-Bench, HELP) from one `.npz`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nasforge import Column, Table, open_arrays
from nasforge_plugins.table.cells import CARDINALITIES, SPACE, rows_of
from nasforge_plugins.table.units import milliseconds

NAME = "hwnasbench201"
METRIC = "latency_ms"


def read(source: Path) -> Table | None:
    """The table in an `.npz` with `arch_str` (N,), `devices` (D,) and `latency_ms` (N, D), with a column per device.

    Returns:
        None if it is not an `.npz`, or has no array `latency_ms`.

    Raises:
        DataError: the file is incomplete, or an array is missing or wrong; the message names it.
    """
    if source.suffix != ".npz":
        return None
    with open_arrays(source) as arrays:
        if METRIC not in arrays.names:
            return None
        devices = [str(device) for device in arrays["devices"]]
        rows = rows_of(arrays["arch_str"].tolist(), str(source))
        latencies = arrays.numbers(METRIC, len(rows), len(devices))
    values = {}
    for device, latency in zip(devices, latencies.T, strict=True):
        column = np.full(np.prod(CARDINALITIES), np.nan)
        column[rows] = milliseconds(latency, f"{METRIC} of {device}", source)
        values[Column(device, METRIC, "min", about="milliseconds, the CIFAR-10 network")] = column
    source_of_numbers = "HW-NAS-Bench (Li et al., ICLR 2021) and HELP (Lee et al., NeurIPS 2021)"
    return Table.of(SPACE, CARDINALITIES, values, source=source_of_numbers, name=NAME, path=source)
