"""How often one method is better than another, with an interval."""

from __future__ import annotations

import numpy as np

from nasforge.statistics.intervals import LEVEL, Interval

RESAMPLES = 2000
"""Number of bootstrap samples of an interval."""


def wins(one: np.ndarray, other: np.ndarray) -> float:
    """The share of pairs in which a cost of `one` (n,) is lower than one of `other` (m,); ties count half.

    This is the A measure of Vargha and Delaney (2000): 0.5 means no difference.
    """
    return float(_outcomes(one, other).mean())


def wins_interval(one: np.ndarray, other: np.ndarray) -> Interval:
    """The 95 % percentile bootstrap interval of `wins`, always with the same random numbers.

    Args:
        one, other: costs (n,) of the same seeds, which are drawn together.
    """
    outcomes, n = _outcomes(one, other), len(one)
    counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES)  # of each seed in each sample
    shares = ((counts @ outcomes) * counts).sum(axis=1) / n**2
    low, high = np.quantile(shares, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def _outcomes(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """1 where a cost (n, 1) is lower than another (1, m), 0.5 where they are equal, and else 0."""
    outcomes: np.ndarray = np.sign(other[None, :] - one[:, None]) / 2 + 0.5
    return outcomes
