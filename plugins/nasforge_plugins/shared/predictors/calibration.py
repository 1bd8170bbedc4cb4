"""Calibrated uncertainty of any regression model."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.stats import kendalltau, norm

from .regressor import Regressor, tamed

FOLDS = 5
SHARE = 0.9
"""Of the true costs, how many the interval of 1.645 deviations around a prediction should hold."""


class Calibrated(Regressor):
    """A model whose deviations are scaled by what it gets wrong out of sample.

    By cross-validation in five folds, each cost is predicted by a model that has not seen it. The factor is such that
    90% of these costs lie within 1.645 deviations of their prediction, with the correction of conformal prediction for
    finite samples (Papadopoulos, Gammerman and Vovk 2008). Models learn from `tamed` costs; true ones judge them.

    Args:
        make: makes an untrained model.

    Attributes:
        factor: by which the model's deviations are multiplied.
        tau: Kendall's rank correlation between the predictions out of sample and the costs; NaN if either is constant.
    """

    def __init__(self, make: Callable[[], Regressor]) -> None:
        self._make = make

    def train(self, features: np.ndarray, costs: np.ndarray) -> None:
        """Cross-validate the model, then train it on everything."""
        self._least = 1e-3 * float(costs.std()) or np.finfo(float).tiny
        means, deviations = np.empty(len(costs)), np.empty(len(costs))
        folds = np.arange(len(costs)) % FOLDS
        for fold in range(FOLDS):
            held_out = folds == fold
            model = self._make()
            model.train(features[~held_out], tamed(costs[~held_out]))
            means[held_out], deviations[held_out] = model.predict(features[held_out])
        errors = np.sort(np.abs(costs - means) / np.maximum(deviations, self._least))
        rank = min(math.ceil(SHARE * (len(costs) + 1)), len(costs))
        self.factor = float(errors[rank - 1] / norm.ppf((1 + SHARE) / 2))
        self.tau = float(kendalltau(means, costs).statistic)
        self._model = self._make()
        self._model.train(features, tamed(costs))

    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Regressor`."""
        mean, deviation = self._model.predict(features)
        return mean, self.factor * np.maximum(deviation, self._least)
