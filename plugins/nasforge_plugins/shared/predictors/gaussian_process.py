"""An exact Gaussian process."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from .regressor import Regressor

LENGTHS = 10 ** np.linspace(-0.5, 1.5, 6)
"""Length scales to choose from, in mean distances between the architectures."""
NOISES = 10 ** np.linspace(-4, 1, 26)
"""Variances of the noise to choose from, in variances of the signal."""


class GaussianProcess(Regressor):
    """Regression with the kernel s^2 exp(-|a - b| / l), where |a - b| sums the absolute differences of the features.

    For zeros and ones that is their Hamming distance. The length scale l and the noise are those of a grid with the
    largest marginal likelihood; the variance s^2 that maximizes it has a closed form. The mean is that of the costs.
    """

    def train(self, features: np.ndarray, costs: np.ndarray) -> None:
        """Choose the hyperparameters, and condition on the costs."""
        self.center = float(costs.mean())
        centered = costs - self.center
        distances = cdist(features, features, "cityblock")
        unit = float(distances.mean()) or 1.0
        likelihoods = [_profile(np.exp(-distances / (unit * length)), centered) for length in LENGTHS]
        best = int(np.argmax([likelihood for likelihood, *_ in likelihoods]))
        self.length = unit * LENGTHS[best]
        self.likelihood, self.noise, self.variance = likelihoods[best]
        self._condition(features, costs)

    def posterior(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation (architectures,) of the costs without noise, for features (architectures, features)."""
        kernel = np.exp(-cdist(features, self.features, "cityblock") / self.length)
        explained = np.einsum("ij,ji->i", kernel, cho_solve(self._factor, kernel.T))
        variance = self.variance * np.maximum(1 - explained, 0)
        return self.center + kernel @ self._solution, np.sqrt(variance)

    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Regressor`."""
        mean, deviation = self.posterior(features)
        return mean, np.sqrt(deviation**2 + self.variance * self.noise)

    def believe(self, features: np.ndarray) -> None:
        """Condition on the predicted means of architectures as if they had been observed (Ginsbourger et al. 2010)."""
        mean, _ = self.posterior(features)
        self._condition(np.vstack([self.features, features]), np.append(self.costs, mean))

    def _condition(self, features: np.ndarray, costs: np.ndarray) -> None:
        self.features, self.costs = features, costs
        kernel = np.exp(-cdist(features, features, "cityblock") / self.length)
        self._factor = cho_factor(kernel + self.noise * np.eye(len(costs)), lower=True)
        self._solution = cho_solve(self._factor, costs - self.center)


def _profile(kernel: np.ndarray, centered: np.ndarray) -> tuple[float, float, float]:
    """The largest log marginal likelihood over all noises, with that noise and the variance of the signal."""
    eigenvalues, vectors = np.linalg.eigh(kernel)
    spectrum = np.maximum(eigenvalues, 0)[:, None] + NOISES  # (architectures, noises)
    variances = np.maximum(((vectors.T @ centered)[:, None] ** 2 / spectrum).mean(axis=0), np.finfo(float).tiny)
    count = len(centered)
    likelihoods = -0.5 * (count * (np.log(2 * np.pi * variances) + 1) + np.log(spectrum).sum(axis=0))
    best = int(likelihoods.argmax())
    return float(likelihoods[best]), float(NOISES[best]), float(variances[best])
