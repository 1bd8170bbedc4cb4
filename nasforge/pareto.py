"""How much of the objective space a set of candidates covers."""

from __future__ import annotations

import numpy as np
from pymoo.indicators.hv import Hypervolume


def normalized_hypervolume(costs: np.ndarray, ideal: np.ndarray, nadir: np.ndarray) -> float:
    """The hypervolume of costs (n, objectives), all minimised, in the box from `ideal` to `nadir`, as its share.

    The reference point is the nadir; who is worse than it in some objective adds nothing, who is better than the
    ideal counts as if on the box's border. An objective that does not vary between the two is left out.
    """
    varies = nadir > ideal
    scaled = (costs[:, varies] - ideal[varies]) / (nadir - ideal)[varies]
    inside = np.unique(np.clip(scaled[(scaled <= 1).all(axis=1)], 0, 1), axis=0)
    if not len(inside) or not varies.any():
        return 0.0
    return float(Hypervolume(ref_point=np.ones(int(varies.sum())))(inside))
