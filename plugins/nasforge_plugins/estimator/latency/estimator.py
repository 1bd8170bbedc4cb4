"""The latency of candidates on a published device, or on one of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from nasforge import Architecture, Context, Estimate, Estimator, Promise, SearchData, SearchSpace

from .predicted import PredictedLatency
from .published import PublishedLatency


class Latency(Estimator):
    """Latency of each architecture, in milliseconds: published, or predicted from measurements on one's own device.

    A single device has the metric `latency_ms`; a list of devices has one metric each, such as `latency_ms_raspi4`.

    Args:
        table: published latencies. They also help to predict those on another device, if they are of the same space.
        path: the table's file or folder, if it is elsewhere.
        device: one or several devices of the table; ignored if `measured` is given.
        measured: a file of `nasforge measure-latency`, from which the latencies of all other architectures are
            predicted. At the end, the search measures the architecture that it found.

    Raises:
        DataError: a file is missing or broken, or has no latencies.
        UnknownNameError: a device is not in the table; the message lists those that are.
    """

    name: ClassVar[str] = "latency"
    builds: ClassVar[bool] = False
    draws: ClassVar[bool] = False
    needs_data: ClassVar[bool] = False

    def __init__(
        self,
        *,
        table: str = "hwnasbench201",
        path: Path | None = None,
        device: str | tuple[str, ...] = "raspi4",
        measured: Path | None = None,
    ) -> None:
        self._source: PublishedLatency | PredictedLatency = (
            PublishedLatency(table, path, device) if measured is None else PredictedLatency(measured, table, path)
        )
        self.path, self.measured = self._source.path, measured
        self.objectives, self.dataset = self._source.objectives, self._source.dataset
        self.fingerprint = self._source.fingerprint
        self.about, self.optima = dict(self._source.about), dict(self._source.optima)

    def check(self, space: SearchSpace) -> None:
        """Raise a `DataError` if the file is about another space, or about networks of other options."""
        self._source.check(space)
        self.about = dict(self._source.about)

    def check_data(self, data: SearchData) -> None:
        """Raise a `DataError` if measured networks had images of another shape."""
        self._source.check_data(data)

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """Look the latency up, or predict it."""
        return self._source.estimate(architecture, context)

    def estimate_many(self, architectures: Sequence[Architecture], context: Context) -> Sequence[Estimate]:
        """Look latencies up, or predict them."""
        return self._source.estimate_many(architectures, context)

    def verify(self, architecture: Architecture, space: SearchSpace) -> Sequence[Promise]:
        """Measure what was only predicted, if this is the device."""
        return self._source.verify(architecture, space)
