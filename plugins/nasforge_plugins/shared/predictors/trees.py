"""Forests and gradient boosting, by scikit-learn."""

from __future__ import annotations

import numpy as np

from .regressor import Regressor

TREES = 100
MEMBERS = 5


class Forest(Regressor):
    """A random forest (Breiman 2001): the deviation is that of its trees' predictions."""

    def train(self, features: np.ndarray, costs: np.ndarray) -> None:
        """See `Regressor`."""
        from sklearn.ensemble import RandomForestRegressor  # imported here because scikit-learn takes a second

        self._forest = RandomForestRegressor(TREES, max_features=1 / 3, random_state=self.seed).fit(features, costs)

    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Regressor`."""
        inputs = features.astype(np.float32)
        return _over([tree.predict(inputs, check_input=False) for tree in self._forest.estimators_])


class Boosting(Regressor):
    """Stochastic gradient boosting (Friedman 2002): the deviation is that of five models with different samples."""

    def train(self, features: np.ndarray, costs: np.ndarray) -> None:
        """See `Regressor`."""
        from sklearn.ensemble import GradientBoostingRegressor  # imported here because scikit-learn takes a second

        generator = np.random.RandomState(self.seed)
        self._members = [
            GradientBoostingRegressor(n_estimators=TREES, subsample=0.7, random_state=generator).fit(features, costs)
            for _ in range(MEMBERS)
        ]

    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Regressor`."""
        return _over([member.predict(features) for member in self._members])


def _over(predictions: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation (architectures,) of the members' predictions."""
    return np.mean(predictions, axis=0), np.std(predictions, axis=0, ddof=1)
