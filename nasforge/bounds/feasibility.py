"""Whether constraints can be kept, and the least that is possible or was found."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from nasforge.architecture import Constraint
from nasforge.bounds.discretization import Selection
from nasforge.bounds.model import Model
from nasforge.errors import OptionError

MOST_LOOKED_UP = 20_000
"""Up to so many architectures of a table are all looked up."""


def feasible(model: Model, constraints: Sequence[Constraint], space: str) -> Selection:
    """Return a selection that keeps the constraints.

    Raises:
        OptionError: none does, or none was found; the message says which, and the least that is possible or was found.
    """
    for selection in model.drawn:
        if model.keeps(selection):
            return selection
    if (shares := model.exact) is not None:
        equal = [np.zeros(len(share)) for share in shares.shares]
        found = model.best(equal, shares)
    else:
        found = least(model, range(len(constraints)))
    if found is None or not model.keeps(found):
        raise _impossible(model, constraints, space)
    return found


def least(model: Model, places: Sequence[int]) -> Selection:
    """Return the selection that exceeds the constraints at `places` least, or the best one that was found.

    It is exact for one constraint if the metrics are sums of shares or all architectures are in a table. Otherwise
    every decision takes its smallest share around the best architecture so far, until that is no longer smaller.
    """
    columns = list(places)

    def excess(selection: Selection) -> float:
        return float(model.excess(selection)[columns].max())

    if is_small_table(model):
        return min(itertools.product(*(range(len(each)) for each in model.discretization.options)), key=excess)
    best = min(model.drawn, key=excess)
    while True:
        shares = model.around(best).shares
        smaller = tuple(int(share[:, columns].max(axis=1).argmin()) for share in shares)
        if excess(smaller) >= excess(best):
            return best
        best = smaller


def is_small_table(model: Model) -> bool:
    """Return whether all architectures can be looked up."""
    return model.measures.by_table and model.discretization.size <= MOST_LOOKED_UP


def _impossible(model: Model, constraints: Sequence[Constraint], space: str) -> OptionError:
    proven, several = is_small_table(model) or model.exact is not None, len(constraints) > 1
    phrases = []
    for place, bound in enumerate(constraints):
        excess = float(model.excess(least(model, [place]))[place])
        value, side = model.measures.value(place, excess), "least" if bound.upper else "largest"
        what = f"{side} possible {bound.metric}" if proven else f"{side} {bound.metric} that was found"
        phrases.append(f"the {what} is {value:.6g}")
    listed = " and ".join(f"'{bound}'" for bound in constraints)
    exclude = ("exclude" if several else "excludes") if proven else f"seem{'' if several else 's'} to exclude"
    which = f"constraint{'s' if several else ''} {listed} {exclude}"
    alone = ", each by itself" if several else ""
    return OptionError(f"{which} every architecture of space '{space}': {' and '.join(phrases)}{alone}")
