"""95 % confidence intervals from a few values."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95
"""The confidence level of every interval."""
MOST = 1000
"""The search for a sufficient number of trainings stops here: nobody makes more."""


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, both included."""

    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 if the whole interval lies on one side of 0, else 0."""
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True)
class Sample:
    """What an interval needs to know about measured values.

    Attributes:
        n: the number of values.
        mean: their mean.
        deviation: their sample standard deviation.
    """

    n: int
    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Sequence[float], images: int | None = None) -> Sample:
        """Summarize one or more values.

        Args:
            values: accuracies as fractions, if `images` is given.
            images: the number of test images behind each accuracy. The deviation is then at least the binomial one,
                sqrt(p (1 - p) / images), since a few networks may reach equal accuracies by chance. As in Agresti and
                Coull (1998), p counts two more hits and two more misses, so that 100 % has an error too.
        """
        mean = statistics.fmean(values)
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        if images is not None:
            share = (mean * images + 2) / (images + 4)
            deviation = max(deviation, math.sqrt(share * (1 - share) / images))
        return cls(len(values), mean, deviation)


def mean_difference(one: Sample, other: Sample) -> Interval | None:
    """The interval of a difference of means, `one` minus `other`, with unequal deviations (Welch, Biometrika 1947).

    Uses Student's t with the degrees of freedom of Welch and Satterthwaite. None if either sample has a single value.
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
    """The smallest difference that `n` >= 2 values of each would detect, with the deviations of these samples."""
    return _student(2 * n - 2) * math.sqrt((one.deviation**2 + other.deviation**2) / n)


def needed(one: Sample, other: Sample) -> int | None:
    """How many values of each would detect the difference of these means, with the deviations of these samples.

    None if more than `MOST` are needed, as for equal means.
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
    """The interval of the share of a population below a value, if `below` of `n` draws are and `ties` equal it.

    This is the exact binomial interval of Clopper and Pearson (Biometrika 1934). Ties count as above the value for the
    lower end, and as below it for the upper end.
    """
    from scipy.stats import beta  # here, since it takes a second to import

    tail = (1 - LEVEL) / 2
    upper = below + ties
    low = float(beta.ppf(tail, below, n - below + 1)) if below else 0.0
    high = float(beta.ppf(1 - tail, upper + 1, n - upper)) if upper < n else 1.0
    return Interval(low, high)


def share_of(share: float, n: int) -> Interval:
    """The interval of the share of a population, if `share` of `n` draws have a property, such as a test accuracy.

    This is the score interval of Wilson (Journal of the American Statistical Association 1927). For the mean of several
    trainings it holds for their common test images: more seeds do not make up for few images.
    """
    z = statistics.NormalDist().inv_cdf((1 + LEVEL) / 2)
    center = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return Interval(max(0.0, center - half), min(1.0, center + half))


def _student(freedom: float) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, freedom))
