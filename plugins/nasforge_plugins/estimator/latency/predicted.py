"""Predicts candidates' latency on a device from the latencies of a few architectures there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nasforge import (
    Architecture,
    Context,
    DataError,
    Estimate,
    Estimator,
    Measurements,
    Objective,
    Promise,
    SearchData,
    SearchSpace,
    measured_promise,
)

from .features import LatencyFeatures
from .published import METRIC, known_devices
from .regression import Regression

REFERENCES = 4
"""Number of measured architectures that are measured again beside the one that a search found."""


class PredictedLatency(Estimator):
    """Latencies that a regression predicts from measured ones; see `Latency`.

    Raises:
        DataError: the file is missing or altered.
    """

    def __init__(self, measured: Path, table: str, path: Path | None) -> None:
        self.measurements = Measurements.read(measured)
        self._known = known = known_devices(table, path, str(self.measurements.space.get("name")))
        self.path = known.path if known else path
        self.fingerprint = self.measurements.fingerprint + (known.fingerprint if known else "")
        self.dataset = self.measurements.device
        self.objectives = (Objective(METRIC, "min", label="predicted latency"),)
        self._fit: tuple[LatencyFeatures, Regression] | None = None

    def check(self, space: SearchSpace) -> None:
        """Fit the regression; a `DataError` if the measured networks are not those of `space`."""
        measurements = self.measurements
        measurements.check(space)
        features = LatencyFeatures(space, measurements, self._known)
        regression = Regression.fit(features(measurements.architectures), measurements.latencies)
        self._fit = features, regression
        error = np.median(np.abs(regression.left_out / measurements.latencies - 1))
        self.about = {
            METRIC: f"predicted from {len(measurements.latencies)} architectures measured on {measurements.device} "
            f"({measurements.conditions}); each of them is predicted from the others to {error:.1%} (median)"
        }

    def check_data(self, data: SearchData) -> None:
        """Raise a `DataError` if the measured networks had images of another shape."""
        measured, needed = list(self.measurements.conditions.input_shape), list(data.input_shape)
        if measured != needed:
            raise DataError(
                f"{self.measurements} was measured with images of shape {measured}, and the run's have {needed}: "
                f"measure with input_shape=[{','.join(map(str, needed))}]"
            )

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """Predict the latency of one architecture."""
        return self.estimate_many([architecture], context)[0]

    def estimate_many(self, architectures: Sequence[Architecture], context: Context) -> Sequence[Estimate]:
        """Predict latencies, which are never below 0."""
        predictions = self._predictions(context.space, architectures)
        return [Estimate({METRIC: max(0.0, latency)}) for latency in predictions.tolist()]

    def verify(self, architecture: Architecture, space: SearchSpace) -> Sequence[Promise]:
        """Measure the architecture, if this is the device that the predictions are about."""
        predicted = float(self._predictions(space, [architecture])[0])
        ranks = np.argsort(self.measurements.latencies)
        references = ranks[np.linspace(0, len(ranks) - 1, REFERENCES).astype(int)].tolist()
        return [
            measured_promise(
                self.measurements, space, architecture, metric=METRIC, predicted=predicted, references=references
            )
        ]

    def _predictions(self, space: SearchSpace, architectures: Sequence[Architecture]) -> np.ndarray:
        if self._fit is None:
            self.check(space)
        assert self._fit is not None
        features, regression = self._fit
        return regression.predict(features(architectures))
