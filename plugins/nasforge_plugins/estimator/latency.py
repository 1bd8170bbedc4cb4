"""Looks up candidates' latency on a device."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from nasforge import DataError, OptionError, find_table, unknown
from nasforge_plugins.estimator.lookup import Lookup

METRIC = "latency_ms"


class Latency(Lookup):
    """Published latency of each architecture, in milliseconds, on one or several devices of a table.

    A single device has the metric `latency_ms`; a list of devices has one metric each, such as `latency_ms_raspi4`.

    Raises:
        DataError: the table is missing or broken, or has no latencies.
        UnknownNameError: a device is not in the table; the message lists those that are.
    """

    name: ClassVar[str] = "latency"

    def __init__(
        self, *, table: str = "hwnasbench201", path: Path | None = None, device: str | tuple[str, ...] = "raspi4"
    ) -> None:
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
