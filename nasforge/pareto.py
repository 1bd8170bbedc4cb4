"""What the candidates of several objectives amount to: those that none dominates, and how much they cover."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


def undominated(costs: np.ndarray) -> np.ndarray:
    """(n,) whether no other row of costs (n, objectives), all minimised, is as small everywhere and smaller somewhere.

    Equal rows do not eliminate each other.
    """
    kept = np.ones(len(costs), dtype=bool)
    columns = [np.ascontiguousarray(column) for column in costs.T] if len(costs) else []
    for index in range(len(costs)):
        if kept[index]:  # whom a dominated row dominates, its dominator does too
            no_better = np.logical_and.reduce([column >= column[index] for column in columns])
            worse = np.logical_or.reduce([column > column[index] for column in columns])
            kept &= ~(no_better & worse)
    return kept


def rank_sums(costs: np.ndarray) -> np.ndarray:
    """(n,) the sum of a row's ranks in each column of costs (n, objectives), minimised; equal ones share their mean.

    One number for several objectives whose scales say nothing of each other, as zero-cost proxies' do not.
    """
    sums: np.ndarray = rankdata(costs, axis=0).sum(axis=1)
    return sums


def normalized_hypervolume(costs: np.ndarray, ideal: np.ndarray, nadir: np.ndarray) -> float:
    """The hypervolume of costs (n, objectives), all minimised, in the box from `ideal` to `nadir`, as its share.

    The reference point is the nadir: who is worse than it in some objective adds nothing. Who is better than the ideal
    counts as if on the box's border. An objective in which the two are equal has no width and is left out.
    """
    from pymoo.indicators.hv import Hypervolume  # here, since pymoo is slow to import

    costs = np.reshape(costs, (-1, len(ideal)))
    inside = costs[(costs <= nadir).all(axis=1)]
    varies = nadir > ideal
    if not len(inside) or not varies.any():
        return float(len(inside) > 0)
    scaled = (inside[:, varies] - ideal[varies]) / (nadir - ideal)[varies]
    distinct = np.unique(np.maximum(scaled, 0), axis=0)
    return float(Hypervolume(ref_point=np.ones(distinct.shape[1]))(distinct))
