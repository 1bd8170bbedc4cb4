"""Each decision's share of the bounded metrics, from differences of whole architectures."""

from __future__ import annotations

import numpy as np

from nasforge.bounds.discretization import Discretization, Entry, Selection
from nasforge.bounds.measures import Measures


class Shares:
    """What bounds are exceeded by, as a sum of shares of the chosen operations.

    The share of an operation is measured by exchanging it into one architecture, the anchor. Where sizes add up, as in
    `darts` and `nasbench201`, the sum is exact for every architecture; elsewhere it is exact for the anchor and its
    neighbors.

    Args:
        anchor: the architecture to measure around.
    """

    def __init__(self, discretization: Discretization, measures: Measures, anchor: Selection) -> None:
        self._discretization, self._measures, self._anchor = discretization, measures, anchor
        self.anchor_excess = measures.excess(discretization.architecture(anchor))
        self.shares = [self._of_group(group) for group in range(len(anchor))]
        """For each group, the share of each option (options, constraints)."""

    def predicted(self, selection: Selection) -> np.ndarray:
        """Return the sum for a selection (constraints,)."""
        total: np.ndarray = self.anchor_excess + sum(
            share[place] for share, place in zip(self.shares, selection, strict=True)
        )
        return total

    def _of_group(self, group: int) -> np.ndarray:
        """Return the share of each option of a group (options, constraints); that of the anchor's option is 0."""
        discretization = self._discretization
        options, rows = discretization.options[group], discretization.groups[group].rows
        held = options[self._anchor[group]]
        columns = 1 + max(column for option in options for _, column in option)

        def exchanged(old: Entry, new: Entry) -> np.ndarray:
            entries = sorted([*(entry for entry in held if entry != old), new])
            place = discretization.places[group][tuple(entries)]
            selection = (*self._anchor[:group], place, *self._anchor[group + 1 :])
            change: np.ndarray = self._measures.excess(discretization.architecture(selection)) - self.anchor_excess
            return change

        own = {entry[0]: entry for entry in held}
        level = {entry: np.zeros_like(self.anchor_excess) for entry in held}  # relative to the last one
        if spare := [(row, 0) for row in rows if row not in own]:
            level = {entry: exchanged(held[-1], spare[0]) - exchanged(entry, spare[0]) for entry in held}
        shares = {
            (row, column): level[own.get(row, held[-1])] + exchanged(own.get(row, held[-1]), (row, column))
            for row in rows
            for column in range(columns)
        }
        return np.array([sum(shares[entry] for entry in option) for option in options]) - sum(level.values())
