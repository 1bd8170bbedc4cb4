"""Who goes on to the next stage: non-dominated sorting and crowding, pymoo's, of accuracy and size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pymoo.operators.survival.rank_and_crowding.metrics import get_crowding_function
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from nasforge_plugins.strategy.medarts.members import Member

Dominance = Literal["weak", "strict"]
Size = Literal["max", "min"]


def select(members: Sequence[Member], n: int, dominance: Dominance, size: Size) -> list[Member]:
    """The `n` best: front by front; of a front that is too large, the least crowded and then the most accurate.

    Of members with equal objectives all but one come last, since a copy spreads nothing.
    """
    costs = normalized_costs(members, size)
    chosen: list[int] = []
    for front in fronts(costs, dominance):
        crowding = get_crowding_function("cd").do(costs[front])
        rows = costs[front].tolist()
        copies = [row in rows[:place] for place, row in enumerate(rows)]
        order = sorted(range(len(front)), key=lambda i: (copies[i], -crowding[i], -members[front[i]].accuracy))
        chosen += [front[i] for i in order]
    return [members[place] for place in chosen[:n]]


def most_accurate(members: Sequence[Member], dominance: Dominance, size: Size) -> Member:
    """The final choice: of the first front, the one with the highest accuracy."""
    first = fronts(normalized_costs(members, size), dominance)[0]
    return max((members[place] for place in first), key=lambda member: member.accuracy)


def normalized_costs(members: Sequence[Member], size: Size) -> np.ndarray:
    """(members, 2), minimised: accuracy and size divided by their range (eq. 6); as they are if all are equal."""
    values = np.array([[one.accuracy, one.params_m] for one in members])
    width = np.ptp(values, axis=0)
    signs = np.array([-1, -1 if size == "max" else 1])
    costs: np.ndarray = signs * values / np.where(width > 0, width, 1.0)
    return costs


def fronts(costs: np.ndarray, dominance: Dominance) -> list[list[int]]:
    """Rows of costs (n, objectives) front by front; equal rows never dominate each other."""
    dominator = _Strict() if dominance == "strict" else None
    sorting = NonDominatedSorting(method="fast_non_dominated_sort", dominator=dominator)
    return [[int(place) for place in front] for front in sorting.do(costs)]


class _Strict:
    """Dominance as the paper prints it: better in every objective."""

    def calc_domination_matrix(self, F: np.ndarray, *_: Any) -> np.ndarray:
        """1 where the row's dominates the column's, -1 the other way round."""
        better = (F[:, None] < F[None]).all(axis=2)
        matrix: np.ndarray = better.astype(int) - better.T.astype(int)
        return matrix
