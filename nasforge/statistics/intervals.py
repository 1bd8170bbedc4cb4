"""95 % intervals of few numbers: how far a measured value may lie from the one that more of them would give."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95
"""Of every interval."""
MOST = 1000
"""More trainings of each than this are not counted out: nobody makes them."""


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, both included."""

    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 where all of it lies on one side of 0, else 0."""
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True)
class Sample:
    """What an interval needs to know of measured values.

    Attributes:
        n: how many.
        mean: theirs.
        deviation: the sample standard deviation of one of them.
    """

    n: int
    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Sequence[float], images: int | None = None) -> Sample:
        """Of values, one or more.

        Args:
            values: accuracies as fractions, if `images` is given.
            images: of how many test images each accuracy is a share. The deviation is then at least that of a share
                of so many, sqrt(p (1 - p) / images): equal accuracies of a few networks are luck. As in Agresti and
                Coull (1998), two more hits and two more misses count into p, so that 100 % has an error too.
        """
        mean = statistics.fmean(values)
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        if images is not None:
            share = (mean * images + 2) / (images + 4)
            deviation = max(deviation, math.sqrt(share * (1 - share) / images))
        return cls(len(values), mean, deviation)


def mean_difference(one: Sample, other: Sample) -> Interval | None:
    """Of the difference between two means, `one` minus `other`, whose deviations may differ (Welch, Biometrika 1947).

    Student's t with the degrees of freedom of Welch and Satterthwaite. None where either sample has a single value,
    which says nothing of a spread.
    """
    if one.n < 2 or other.n < 2:
        return None
    parts = [sample.deviation**2 / sample.n for sample in (one, other)]
    freedom = sum(parts) ** 2 / sum(
        part**2 / (sample.n - 1) for part, sample in zip(parts, (one, other), strict=True)
    ) if sum(parts) else math.inf  # fmt: skip
    half = _student(freedom) * math.sqrt(sum(parts))
    difference = one.mean - other.mean
    return Interval(difference - half, difference + half)


def detectable(n: int, one: Sample, other: Sample) -> float:
    """The least difference that `n` values of each would show, two or more, if they spread as these do."""
    return _student(2 * n - 2) * math.sqrt((one.deviation**2 + other.deviation**2) / n)


def needed(one: Sample, other: Sample) -> int | None:
    """How many values of each would show the difference of these means, if they spread as these do.

    None where more than `MOST` are needed, as of equal means.
    """
    difference = abs(one.mean - other.mean)
    if detectable(MOST, one, other) >= difference:
        return None
    low, high = 1, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if detectable(middle, one, other) < difference else (middle, high)
    return high


def share_below(below: int, ties: int, n: int) -> Interval:
    """Of the share of all that lie below a value, when `below` of `n` drawn ones do and `ties` equal it.

    Clopper and Pearson (Biometrika 1934), the exact interval of a binomial share; ties count as above for its lower
    and as below for its upper end.
    """
    from scipy.stats import beta  # here, since it takes a second to import

    tail = (1 - LEVEL) / 2
    upper = below + ties
    low = float(beta.ppf(tail, below, n - below + 1)) if below else 0.0
    high = float(beta.ppf(1 - tail, upper + 1, n - upper)) if upper < n else 1.0
    return Interval(low, high)


def _student(freedom: float) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, freedom))
