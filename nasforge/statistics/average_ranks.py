"""Average ranks of several methods over several tasks, and which of them differ (Demsar, JMLR 2006)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nasforge.statistics.rank_tests import LEVEL, holm


@dataclass(frozen=True, eq=False)
class AverageRanks:
    """What a critical-difference diagram shows.

    Attributes:
        ranks: (methods,) mean rank over tasks; 1 is the best, and ties share their mean.
        friedman: p of Friedman's test that all methods are alike; NaN for fewer than three methods or two tasks.
        p: (methods, methods) Holm-corrected p of the Wilcoxon signed-rank test of each pair over tasks; 1 on the
            diagonal.
        cliques: indices of methods, best first, of each largest group in which no pair differs significantly.
    """

    ranks: np.ndarray
    friedman: float
    p: np.ndarray
    cliques: tuple[tuple[int, ...], ...]


def average_ranks(costs: np.ndarray) -> AverageRanks:
    """Rank methods by their costs (tasks, methods), the lower the better.

    The Wilcoxon tests compare sizes of differences too, so costs of different tasks must have a common scale.
    """
    from scipy.stats import friedmanchisquare, rankdata  # here, since they take a second to import

    tasks, methods = costs.shape
    ranks = rankdata(costs, axis=1).mean(axis=0)
    friedman = float("nan")
    if methods > 2 and tasks > 1:
        differ = (np.ptp(costs, axis=1) > 0).any()  # otherwise Friedman's statistic is 0 / 0
        friedman = float(friedmanchisquare(*costs.T).pvalue) if differ else 1.0
    pairs = list(itertools.combinations(range(methods), 2))
    p = np.ones((methods, methods))
    for (one, other), value in zip(pairs, holm([paired(costs[:, i], costs[:, j]) for i, j in pairs]), strict=True):
        p[one, other] = p[other, one] = value
    return AverageRanks(ranks, friedman, p, _cliques(ranks, p))


def paired(one: np.ndarray, other: np.ndarray) -> float:
    """The p of a two-sided Wilcoxon signed-rank test of values (n,) in pairs; equal pairs count half for each side."""
    from scipy.stats import wilcoxon

    if (one == other).all():
        return 1.0
    return float(wilcoxon(one, other, zero_method="zsplit").pvalue)


def _cliques(ranks: np.ndarray, p: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Runs of neighbors by rank, two or more, in which no pair differs, without those within a longer one."""
    order: Sequence[int] = np.argsort(ranks, kind="stable").tolist()
    runs: list[tuple[int, ...]] = []
    for first in range(len(order)):
        last = first
        while last + 1 < len(order) and all(p[order[last + 1], each] >= LEVEL for each in order[first : last + 1]):
            last += 1
        run = tuple(order[first : last + 1])
        if len(run) > 1 and not any(set(run) <= set(longer) for longer in runs):
            runs.append(run)
    return tuple(runs)
