"""The exact choice of one option from each group with the largest score under limits on sums of sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nasforge.pareto import undominated

TOLERANCE = 1e-8
"""Sums of sizes are compared up to this; the caller measures the choice itself."""
STEPS = 200
"""Subgradient steps for the multipliers. Their quality affects the time, never the choice."""
FEW = 2000
"""The most partial choices that are compared pair by pair if there are several limits."""


def best_choice(scores: Sequence[np.ndarray], sizes: Sequence[np.ndarray], limits: np.ndarray) -> list[int] | None:
    """Return the option of each group with the largest sum of scores whose sums of sizes keep all limits.

    A multiple-choice knapsack, solved by dynamic programming over the groups. A partial choice is dropped only if
    nothing that completes it keeps the limits, if the Lagrangian bound shows that no completion is better than a known
    choice, or if another one is no larger and has no smaller score.

    Args:
        scores: for each group, (options,).
        sizes: for each group, (options, limits).
        limits: (limits,).

    Returns:
        The index of each group's option; None if no choice keeps the limits.
    """
    multipliers, known = _multipliers(scores, sizes, limits)
    penalized = [score - size @ multipliers for score, size in zip(scores, sizes, strict=True)]
    least = _after([size.min(axis=0) for size in sizes], limits)
    most = _after([each.max() for each in penalized], np.zeros(()))
    chosen, total, taken = np.zeros((1, 0), dtype=np.int32), np.zeros(1), np.zeros((1, len(limits)))
    for group, (score, size) in enumerate(zip(scores, sizes, strict=True)):
        total = (total[:, None] + score).ravel()
        taken = (taken[:, None, :] + size).reshape(-1, len(limits))
        fits = (taken + least[group + 1] <= limits + TOLERANCE).all(axis=1)
        ceiling = total - taken @ multipliers + most[group + 1] + multipliers @ limits
        kept = np.flatnonzero(fits & (ceiling >= known - TOLERANCE))
        kept = kept[_front(total[kept], taken[kept])]
        before, option = np.divmod(kept, len(score))
        chosen = np.column_stack([chosen[before], option])
        total, taken = total[kept], taken[kept]
    return chosen[total.argmax()].tolist() if len(total) else None


def _multipliers(
    scores: Sequence[np.ndarray], sizes: Sequence[np.ndarray], limits: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return Lagrange multipliers (limits,) with a low upper bound, by Polyak's steps, and the best score met.

    The score is that of a choice that keeps the limits, -inf if none was met.
    """
    spans = np.max([np.ptp(size, axis=0) for size in sizes], axis=0)
    scale = np.where(spans > TOLERANCE, spans, 1.0)
    worst = float(sum(score.min() for score in scores))
    multipliers, best, known, lowest = np.zeros(len(limits)), np.zeros(len(limits)), -np.inf, np.inf
    for _ in range(STEPS):
        places = [int((score - size @ multipliers).argmax()) for score, size in zip(scores, sizes, strict=True)]
        score = float(sum(each[place] for each, place in zip(scores, places, strict=True)))
        excess = np.sum([size[place] for size, place in zip(sizes, places, strict=True)], axis=0) - limits
        upper = score - float(multipliers @ excess)
        if upper < lowest:
            lowest, best = upper, multipliers
        if (excess <= 0).all():
            known = max(known, score)
        slope = excess / scale
        if not slope.any() or upper - known <= TOLERANCE:
            break
        target = known if np.isfinite(known) else worst
        multipliers = np.maximum(0.0, multipliers + (upper - target) / (slope @ slope) * slope / scale)
    return best, known


def _after(values: Sequence[np.ndarray], zero: np.ndarray) -> list[np.ndarray]:
    """Return for each place the sum of the values from it on, and zero for the end."""
    sums = [np.zeros_like(zero)]
    for value in reversed(values):
        sums.insert(0, sums[0] + value)
    return sums


def _front(score: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the places of partial choices that no other one dominates; of equal ones the first."""
    rounded = np.round(size / TOLERANCE)
    order = np.lexsort((-score, *rounded.T[::-1]))
    if size.shape[1] == 1:
        earlier = np.maximum.accumulate(np.concatenate([[-np.inf], score[order][:-1]]))
        return np.sort(order[score[order] > earlier])
    rows = rounded[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    order = order[first]
    if len(order) <= FEW:
        order = order[undominated(np.column_stack([-score[order], rounded[order]]))]
    return np.sort(order)
