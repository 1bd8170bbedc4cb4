"""The largest and the smallest network of a module with choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nasforge.choices.decisions import Decision

Best = Callable[..., Any]
"""`max` or `min`."""


def extreme(decisions: Sequence[Decision], best: Best, parameters: Callable[[np.ndarray], int]) -> np.ndarray:
    """Return the index of each decision's option (decisions,) in the network with the most or the fewest parameters.

    Depths, widths and kernel sizes are the largest or the smallest; then each choice, in the order of declaration,
    takes the option with which the network has the most or the fewest parameters.

    Args:
        best: `max` or `min`.
        parameters: counts those of the network of a vector.
    """
    vector = np.array([0 if each.kind == "option" else each.options.index(best(each.options)) for each in decisions])
    for place, decision in enumerate(decisions):
        if decision.kind == "option":
            vectors = [_with(vector, place, index) for index in range(len(decision.options))]
            vector = best(vectors, key=parameters)
    return vector


def _with(vector: np.ndarray, place: int, index: int) -> np.ndarray:
    changed = vector.copy()
    changed[place] = index
    return changed
