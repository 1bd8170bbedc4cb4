"""How much better than what is known a candidate is expected to be."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm


def expected_improvement(
    mean: np.ndarray, deviation: np.ndarray, costs: np.ndarray, reference: np.ndarray
) -> np.ndarray:
    """Return by how much each candidate is expected to enlarge the hypervolume (Emmerich et al. 2006).

    A candidate's costs are independent and normal. With one objective this is the expected improvement (Jones et al.
    1998). It is the integral of P(candidate <= u) over all points u that no known architecture dominates, exact for any
    number of objectives: between two costs in the last objective, only the architectures below dominate.

    Args:
        mean, deviation: (candidates, objectives) of the predicted costs.
        costs: (architectures, objectives) of known architectures.
        reference: (objectives,) a point that is worse than all good architectures.

    Returns:
        (candidates,), at least 0.
    """
    return _integral(mean, deviation, costs[(costs < reference).all(axis=1)], reference)


def _integral(mean: np.ndarray, deviation: np.ndarray, costs: np.ndarray, reference: np.ndarray) -> np.ndarray:
    if mean.shape[1] == 1:
        return _shortfall(costs.min(initial=reference[0]), mean[:, 0], deviation[:, 0])
    ordered = costs[costs[:, -1].argsort(kind="stable")]
    total = before = np.zeros(len(mean))
    for count, bound in enumerate([*ordered[:, -1], reference[-1]]):
        up_to = _shortfall(bound, mean[:, -1], deviation[:, -1])
        rest = _integral(mean[:, :-1], deviation[:, :-1], ordered[:count, :-1], reference[:-1])
        total, before = total + (up_to - before) * rest, up_to
    return total


def _shortfall(bound: float, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """E[max(bound - cost, 0)] (candidates,), the integral of P(cost <= u) for u up to `bound`."""
    scale = np.maximum(deviation, np.finfo(float).tiny)
    z = (bound - mean) / scale
    shortfall: np.ndarray = scale * (z * norm.cdf(z) + norm.pdf(z))
    return shortfall


def reference_point(front: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """Return the nadir of the front, plus a tenth of its range (Ishibuchi et al. 2011).

    Args:
        front: (members, objectives).
        costs: (architectures, objectives); their deviation stands for a range that is 0.
    """
    nadir: np.ndarray = front.max(axis=0)
    extent = nadir - front.min(axis=0)
    point: np.ndarray = nadir + 0.1 * np.where(extent > 0, extent, costs.std(axis=0))
    return point
