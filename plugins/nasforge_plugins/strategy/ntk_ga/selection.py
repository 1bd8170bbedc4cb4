"""Who survives: Pareto selection of all objectives, reduced by the sum of ranks.

Costs are rows (n, objectives), all minimised. A row with an infinite cost is that of a candidate that could not be
estimated or breaks a constraint.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.stats import rankdata

from nasforge import rank_sums

Dominance = Literal["strict", "weak"]


def select(costs: np.ndarray, n: int, dominance: Dominance = "strict") -> list[int]:
    """The `n` rows that survive, best first.

    Those that none beats; if they are too few, also those that lose the fewest pairwise comparisons; if they are too
    many, the smallest sums of ranks, among them the best row of each objective (the foremost ones, if `n` is smaller
    than their number). Rows of infinite cost survive only where there are no others.
    """
    usable = np.flatnonzero(np.isfinite(costs).all(axis=1))
    if not len(usable):
        return list(range(min(n, len(costs))))
    finite = costs[usable]
    pool = np.flatnonzero(~beaten(finite, dominance))
    if len(pool) < n:
        others = np.setdiff1d(np.arange(len(finite)), pool)
        fewest = others[np.argsort(comparisons_lost(finite)[others], kind="stable")]
        pool = np.sort(np.concatenate([pool, fewest[: n - len(pool)]]))
    sums = rank_sums(finite[pool])
    order = np.argsort(sums, kind="stable")
    champions = [min(order, key=lambda row: finite[pool][row, objective]) for objective in range(finite.shape[1])]
    chosen = list(dict.fromkeys([*champions, *order]))[:n]
    return [int(usable[pool[row]]) for row in sorted(chosen, key=lambda row: list(order).index(row))]


def beaten(costs: np.ndarray, dominance: Dominance = "strict") -> np.ndarray:
    """(n,) whether another row is smaller in every objective; with `weak`, as small in all and smaller in one."""
    other, own = costs[:, None], costs[None]
    if dominance == "strict":
        dominates = np.asarray((other < own).all(axis=2))
    else:
        dominates = np.asarray((other <= own).all(axis=2) & (other < own).any(axis=2))
    return np.asarray(dominates.any(axis=0))


def comparisons_lost(costs: np.ndarray) -> np.ndarray:
    """(n,) how often another row is smaller, over all rows and objectives."""
    lost: np.ndarray = (rankdata(costs, method="min", axis=0) - 1).sum(axis=1)
    return lost
