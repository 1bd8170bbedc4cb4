"""Rank tests over seeds: whether the difference between two strategies may be due to chance."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from nasforge.statistics.intervals import Interval, Sample, mean_difference

LEVEL = 0.05
FEWEST = 3
"""The fewest runs on each side of a test."""
MOST_ORDERS = 5000
"""The most permutations to enumerate; seven runs on each side have 3432."""


@dataclass(frozen=True)
class RankTest:
    """A two-sided Mann-Whitney U test (Mann and Whitney 1947) of two groups of runs.

    Attributes:
        first, second: names of the groups; the runs of `first` are better more often.
        sizes: number of runs in each.
        wins: the share of pairs of runs in which the first group's run is better: U / (n1 n2). Ties count half.
        p: NaN if either side has fewer than `FEWEST` runs.
        corrected: `p` after Holm's correction (Holm 1979) for the number of tested pairs.
        least: the smallest corrected p that this number of runs can give.
        needed: the number of runs on each side with which the largest possible difference is significant.
        difference: the mean of `first` minus the mean of `second`.
        interval: Welch's 95 % interval of `difference` (`mean_difference`), not corrected; None if a side has one run.
    """

    first: str
    second: str
    sizes: tuple[int, int]
    wins: float
    p: float
    corrected: float
    least: float
    needed: int
    difference: float
    interval: Interval | None

    @property
    def possible(self) -> bool:
        """Whether there are enough runs for a test."""
        return not math.isnan(self.p)

    @property
    def significant(self) -> bool:
        """Whether the difference is significant at `LEVEL`, after the correction."""
        return self.possible and self.corrected < LEVEL

    @property
    def verdict(self) -> str:
        """The outcome in words."""
        if not self.possible:
            fewer = " and ".join(map(str, self.sizes))
            return f"no test of {fewer} runs: {self.needed} of each are needed"
        if self.significant:
            return f"{self.first} is better"
        if self.least >= LEVEL:
            return f"NOT significant: {self.needed} runs of each are needed"
        return "NOT significant: this difference may be chance"


def rank_tests(
    names: Sequence[str], values: Sequence[Sequence[float]], direction: Literal["max", "min"]
) -> list[RankTest]:
    """Test each pair of groups, with Holm's correction over the possible tests.

    Args:
        names: names of the groups.
        values: for each group, a value for each run.
        direction: whether larger (`max`) or smaller (`min`) values are better.
    """
    sign = 1.0 if direction == "max" else -1.0
    pairs = itertools.combinations([(name, sign * np.array(one)) for name, one in zip(names, values, strict=True)], 2)
    tests = [_test(*one, *other) for one, other in pairs]
    tests = [_with_means(test, dict(zip(names, values, strict=True)), fewest(len(tests))) for test in tests]
    possible = [test for test in tests if test.possible]
    corrected, least = holm([test.p for test in possible]), holm([test.least for test in possible])
    done = {id(one): replace(one, corrected=p, least=q) for one, p, q in zip(possible, corrected, least, strict=True)}
    return [done.get(id(test), test) for test in tests]


def _test(first: str, better: np.ndarray, second: str, worse: np.ndarray) -> RankTest:
    wins = float(np.mean(np.sign(better[:, None] - worse[None, :]) / 2 + 0.5))
    if wins < 0.5:
        return _test(second, worse, first, better)
    sizes = (len(better), len(worse))
    if min(sizes) < FEWEST:
        return RankTest(first, second, sizes, wins, math.nan, math.nan, math.nan, 0, math.nan, None)
    p = _two_sided(better, worse)
    return RankTest(first, second, sizes, wins, p, p, 2 / math.comb(sum(sizes), sizes[0]), 0, math.nan, None)


def _with_means(test: RankTest, values: Mapping[str, Sequence[float]], needed: int) -> RankTest:
    first, second = (Sample.of(values[name]) for name in (test.first, test.second))
    interval = mean_difference(first, second)
    return replace(test, needed=needed, difference=first.mean - second.mean, interval=interval)


def fewest(pairs: int) -> int:
    """The fewest runs on each side that can be significant after Holm's correction for this many `pairs`."""
    return next(n for n in itertools.count(FEWEST) if pairs * 2 / math.comb(2 * n, n) < LEVEL)


def _two_sided(one: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import PermutationMethod, mannwhitneyu  # here, since they take a second to import

    every = np.concatenate([one, other])
    if np.ptp(every) == 0:
        return 1.0
    ties = len(np.unique(every)) < len(every)
    # The normal approximation is too small for a few runs with ties: 0.047 instead of 0.1 for (1, 1, 1) and (2, 2, 2).
    few = math.comb(len(every), len(one)) <= MOST_ORDERS
    method = PermutationMethod(n_resamples=MOST_ORDERS) if ties and few else "auto"
    return float(mannwhitneyu(one, other, alternative="two-sided", method=method).pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """The p-values after Holm's step-down correction, in the given order."""
    order = np.argsort(p, kind="stable")
    stepped = np.array(p)[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return [float(value) for value in corrected]
