"""Linear regression on few measurements, which themselves decide how strongly it is regularized."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

INTERCEPT = 0.1
"""Prior variance of the intercept; the unit is the variance of the measured latencies (of their logarithms)."""
RELEVANCES = (0.0, 0.1, 1.0, 10.0)
"""Prior variances of what a group of features contributes, to choose from."""
COST = 5.0
"""By how much any group of features but the first, or sums instead of products, must raise the logarithm of the
evidence: with few measurements, it is easily fooled by a group of many features."""
SHIFT = 0.1
"""What is added to a quantity that was 0 for a measured architecture before its logarithm is taken, as a share of its
mean. Others count as at least that share, because another architecture may have none: no layer of some kind."""
NOISES = (1e-12, 1e-9, 1e-6, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""Variances of the noise, to choose from."""


@dataclass(frozen=True)
class Features:
    """A group of features of several architectures, all of one kind.

    Attributes:
        values: (architectures, features).
        quantities: whether they are 0 or more, like the work of layers and latencies on other devices; the regression
            may then take their logarithms. Otherwise they are indicators.
    """

    values: np.ndarray
    quantities: bool


class _Scale:
    """Turns a group's features into columns of mean 0 that have, over the measured architectures, a variance of 1."""

    def __init__(self, group: Features, logarithms: bool) -> None:
        self._logarithms = logarithms and group.quantities
        share = SHIFT * group.values.mean(0)
        self._shift = share * (group.values == 0).any(0)
        self._least = np.minimum(share, group.values.min(0) + self._shift)  # leaves measured architectures alone
        values = self._taken(group)
        self._mean = values.mean(0)
        deviations = values.std(0)
        self._unit = np.where(deviations > 0, deviations if group.quantities else 1.0, np.inf)  # inf: it is constant
        self._unit = self._unit * np.sqrt(((self(group)) ** 2).sum(1).mean() or 1.0)

    def __call__(self, group: Features) -> np.ndarray:
        """Return columns (architectures, features)."""
        columns: np.ndarray = (self._taken(group) - self._mean) / self._unit
        return columns

    def _taken(self, group: Features) -> np.ndarray:
        return np.log(np.maximum(group.values + self._shift, self._least)) if self._logarithms else group.values


@dataclass(frozen=True)
class Regression:
    """A linear regression with Gaussian priors, and the evidence for it (Bishop 2006, section 3.5).

    It is linear in the features or, if latencies multiply rather than add up, in logarithms. It is the one of all
    choices (logarithms or not, `RELEVANCES` of each group, `NOISES`) under which the measurements are most probable.

    Attributes:
        evidence: the logarithm of that probability density.
        left_out: a prediction (measured,) of each measurement from all others, under the same priors.
    """

    logarithms: bool
    evidence: float
    left_out: np.ndarray
    scales: Sequence[_Scale]
    weights: Sequence[np.ndarray]
    intercept: float

    @classmethod
    def fit(cls, groups: Sequence[Features], latencies: np.ndarray) -> Regression:
        """Fit it to `latencies` (measured,), all above 0, of architectures with the features in `groups`.

        Args:
            groups: the one to rely on first.
        """
        return max(
            (_fitted(groups, latencies, logarithms) for logarithms in (True, False)),
            key=lambda each: each.evidence + COST * each.logarithms,
        )

    def predict(self, groups: Sequence[Features]) -> np.ndarray:
        """Return the latencies (architectures,) of architectures with these features."""
        every = zip(self.scales, groups, self.weights, strict=True)
        targets: np.ndarray = self.intercept + sum(
            (scale(group) * weights).sum(1)
            for scale, group, weights in every  # `@` would depend on the other rows
        )
        return np.exp(targets) if self.logarithms else targets


def _fitted(groups: Sequence[Features], latencies: np.ndarray, logarithms: bool) -> Regression:
    targets = np.log(latencies) if logarithms else latencies
    mean, deviation = targets.mean(), targets.std() or 1.0
    scales = [_Scale(group, logarithms) for group in groups]
    columns = [scale(group) for scale, group in zip(scales, groups, strict=True)]
    best = max(
        _posteriors(columns, (targets - mean) / deviation),
        key=lambda each: each.evidence - COST * np.count_nonzero(each.relevances[1:]),
    )
    left_out = targets - deviation * best.coefficients / best.precisions  # Rasmussen and Williams 2006, eq. 5.12
    density = latencies.size * np.log(deviation) + (targets.sum() if logarithms else 0)  # of latencies, not of targets
    return Regression(
        logarithms,
        best.evidence - density,
        np.exp(left_out) if logarithms else left_out,
        scales,
        [
            deviation * relevance * column.T @ best.coefficients
            for relevance, column in zip(best.relevances, columns, strict=True)
        ],
        mean + deviation * INTERCEPT * best.coefficients.sum(),
    )


@dataclass(frozen=True)
class _Posterior:
    """A Gaussian process with a linear kernel, given the targets.

    Attributes:
        coefficients: the inverse covariance times the targets.
        precisions: the diagonal of the inverse covariance.
    """

    evidence: float
    relevances: Sequence[float]
    coefficients: np.ndarray
    precisions: np.ndarray


def _posteriors(columns: Sequence[np.ndarray], targets: np.ndarray) -> Iterator[_Posterior]:
    kernels = [column @ column.T for column in columns]
    for relevances in itertools.product(RELEVANCES, repeat=len(kernels)):
        if not any(relevances):
            continue
        shares = [relevance * kernel for relevance, kernel in zip(relevances, kernels, strict=True)]
        values, vectors = np.linalg.eigh(sum(shares) + np.full((targets.size, targets.size), INTERCEPT))
        rotated = vectors.T @ targets
        for noise in NOISES:
            variances = values.clip(0) + noise
            scale = np.mean(rotated**2 / variances)  # the factor of all variances that is most probable
            evidence = -(targets.size * np.log(scale) + np.log(variances).sum()) / 2
            yield _Posterior(evidence, relevances, vectors @ (rotated / variances), ((vectors**2) / variances).sum(1))
