"""Looks up how long candidates take on a device."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from nasforge import DataError, OptionError, find_table, unknown
from nasforge_plugins.estimator.lookup import Lookup

METRIC = "latency_ms"


class Latency(Lookup):
    """Published latency of each architecture, in milliseconds, on one device or several of a table's.

    One device gives the metric `latency_ms`, a list of them one metric each: `latency_ms_raspi4`.

    Raises:
        DataError: no such table was found, it is broken, or holds no latencies.
        UnknownNameError: a device is not in the table; the message lists those that are.
    """

    name: ClassVar[str] = "latency"

    def __init__(
        self, *, table: str = "hwnasbench201", path: Path | None = None, device: str | tuple[str, ...] = "raspi4"
    ) -> None:
        devices = (device,) if isinstance(device, str) else device
        if not devices:
            raise OptionError("estimator.latency.device=[]: it must name a device, or several")
        found = find_table(table, path)
        latencies = {column.dataset: column for column in found.columns if column.metric == METRIC}
        if not latencies:
            raise DataError(f"{found} holds no latencies: it has {', '.join(column.key for column in found.columns)}")
        for one in devices:
            if one not in latencies:
                raise unknown(f"device in {found}", one, latencies)
        one_device = isinstance(device, str)
        super().__init__(found, {METRIC if one_device else f"{METRIC}_{one}": latencies[one] for one in devices})
