"""How large the architectures of a discretization are, measured or predicted from shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from nasforge.bounds.discretization import Discretization, Selection, score_of
from nasforge.bounds.knapsack import TOLERANCE, best_choice
from nasforge.bounds.measures import Measures
from nasforge.bounds.shares import Shares
from nasforge.randomness import rng_of

DRAWN = 16
"""How many random architectures show whether shares add up, and whether bounds are easy to keep."""
ROUNDS = 10
"""How often a choice by predicted sizes is corrected by its measured size."""


class Model:
    """Measured and predicted excesses of selections over the bounds.

    Attributes:
        discretization: the selections.
        measures: measures architectures.
    """

    def __init__(self, discretization: Discretization, measures: Measures) -> None:
        self.discretization, self.measures = discretization, measures
        self._around: dict[Selection, Shares] = {}

    def excess(self, selection: Selection) -> np.ndarray:
        """Return by how much the bounds are exceeded (constraints,), measured."""
        return self.measures.excess(self.discretization.architecture(selection))

    def keeps(self, selection: Selection) -> bool:
        """Return whether a selection keeps all bounds."""
        return bool((self.excess(selection) <= 0).all())

    def around(self, anchor: Selection) -> Shares:
        """Return the shares around a selection, measured once."""
        if anchor not in self._around:
            self._around[anchor] = Shares(self.discretization, self.measures, anchor)
        return self._around[anchor]

    @cached_property
    def drawn(self) -> list[Selection]:
        """Random selections, always the same."""
        rng = rng_of("bounds")
        return [self.discretization.random(rng) for _ in range(DRAWN)]

    @cached_property
    def exact(self) -> Shares | None:
        """Shares whose sums are exact for every architecture; None if the metrics are no sums of shares.

        Random architectures decide, whose excesses are measured and predicted.
        """
        shares = self.around((0,) * len(self.discretization.groups))
        pairs = ((shares.predicted(selection), self.excess(selection)) for selection in self.drawn)
        return shares if all(np.allclose(*pair, rtol=1e-9, atol=TOLERANCE) for pair in pairs) else None

    def best(self, scores: Sequence[np.ndarray], shares: Shares, above: float = -math.inf) -> Selection | None:
        """Return the selection with the largest score that keeps the bounds, as far as the shares are right.

        If a choice turns out to break a bound, the next one must leave as much room as its prediction was wrong by.

        Args:
            above: a selection must have a larger score than this.

        Returns:
            None if there is none.
        """
        room = np.zeros(len(shares.anchor_excess))
        for _ in range(ROUNDS):
            choice = best_choice(scores, shares.shares, -shares.anchor_excess - room)
            if choice is None or score_of(scores, choice) <= above:
                return None
            excess = self.excess(selection := tuple(choice))
            if (excess <= 0).all():
                return selection
            wrong = np.maximum(excess - shares.predicted(selection), room + 2 * TOLERANCE)
            room = np.where(excess > 0, wrong, room)
        return None
