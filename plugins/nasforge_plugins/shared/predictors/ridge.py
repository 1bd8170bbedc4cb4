"""Linear regression."""

from __future__ import annotations

import numpy as np

from .regressor import Regressor


class Ridge(Regressor):
    """Bayesian ridge regression (MacKay 1992), by scikit-learn: the data determine the strength of the penalty."""

    def train(self, features: np.ndarray, costs: np.ndarray) -> None:
        """See `Regressor`."""
        from sklearn.linear_model import BayesianRidge  # imported here because scikit-learn takes a second

        self._model = BayesianRidge().fit(features, costs)

    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Regressor`."""
        mean, deviation = self._model.predict(features, return_std=True)
        return mean, deviation
