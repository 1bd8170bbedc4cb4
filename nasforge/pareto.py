"""Compare candidates in several objectives: the Pareto front, rank sums and the hypervolume."""

from __future__ import annotations

import numpy as np


def undominated(costs: np.ndarray) -> np.ndarray:
    """Return for each row of `costs` (n, objectives), all minimized, whether no other row dominates it, (n,).

    A row dominates another if it is nowhere larger and somewhere smaller, so equal rows do not eliminate each other.
    """
    kept = np.ones(len(costs), dtype=bool)
    columns = [np.ascontiguousarray(column) for column in costs.T] if len(costs) else []
    for index in range(len(costs)):
        if kept[index]:  # a dominated row may be skipped: its dominator also dominates every row that it dominates
            no_better = np.logical_and.reduce([column >= column[index] for column in columns])
            worse = np.logical_or.reduce([column > column[index] for column in columns])
            kept &= ~(no_better & worse)
    return kept


def rank_sums(costs: np.ndarray) -> np.ndarray:
    """Return the sum of each row's ranks over the columns of `costs` (n, objectives), minimized; ties share their mean.

    This combines objectives whose scales are not comparable, such as zero-cost proxies.
    """
    from scipy.stats import rankdata  # imported here because every process of a run imports this module

    sums: np.ndarray = rankdata(costs, axis=0).sum(axis=1)
    return sums


def normalized_hypervolume(costs: np.ndarray, ideal: np.ndarray, nadir: np.ndarray) -> float:
    """Return the hypervolume of `costs` (n, objectives), all minimized, as a fraction of the box `ideal` to `nadir`.

    The reference point is the nadir: a row that is worse in some objective adds nothing. A row better than the ideal is
    moved to the border of the box. An objective in which ideal and nadir are equal is ignored.
    """
    from moocore import hypervolume  # imported here because every process of a run imports this module

    costs = np.reshape(costs, (-1, len(ideal)))
    inside = costs[(costs <= nadir).all(axis=1)]
    varies = nadir > ideal
    if not len(inside) or not varies.any():
        return float(len(inside) > 0)
    scaled = (inside[:, varies] - ideal[varies]) / (nadir - ideal)[varies]
    distinct = np.unique(np.maximum(scaled, 0), axis=0)
    return float(hypervolume(distinct, ref=np.ones(distinct.shape[1])))
