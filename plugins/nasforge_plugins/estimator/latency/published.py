"""Looks up candidates' latency on a device of a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nasforge import Column, DataError, OptionError, Table, find_table, unknown
from nasforge_plugins.estimator.lookup import Lookup

METRIC = "latency_ms"


class PublishedLatency(Lookup):
    """Latencies from a table; see `Latency`."""

    def __init__(self, table: str, path: Path | None, device: str | tuple[str, ...]) -> None:
        devices = (device,) if isinstance(device, str) else device
        if not devices:
            raise OptionError("estimator.latency.device=[]: it must name a device, or several")
        numbers = find_table(table, path)
        latencies = {column.dataset: column for column in numbers.columns if column.metric == METRIC}
        if not latencies:
            keys = ", ".join(column.key for column in numbers.columns)
            raise DataError(f"{numbers} holds no latencies: it has {keys}")
        for name in devices:
            if name not in latencies:
                raise unknown(f"device in {numbers}", name, latencies)
        single = isinstance(device, str)
        super().__init__(numbers, {METRIC if single else f"{METRIC}_{name}": latencies[name] for name in devices})


def known_devices(name: str, path: Path | None, space: str) -> Table | None:
    """Return the table `name` if it is there, of that space, and has latencies; a given `path` must be right."""
    try:
        table = find_table(name, path)
    except DataError:
        if path is not None:
            raise
        return None
    return table if table.space == space and latency_columns(table) else None


def latency_columns(table: Table) -> list[Column]:
    """Return the columns that have a latency of every architecture."""
    latencies = [column for column in table.columns if column.metric == METRIC]
    return [column for column in latencies if not np.isnan(table.values(column)).any()]
