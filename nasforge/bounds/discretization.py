"""The discrete architectures of a mix: an option for each group of rows, with its logarithmic probability."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import torch

from nasforge.architecture import Architecture
from nasforge.space import Mix, RowGroup, WeightSharing

Selection = tuple[int, ...]
"""The index of an option for each group."""
Entry = tuple[int, int]
"""A row of a mix and its column."""
Option = tuple[Entry, ...]
"""The rows that a group keeps, each with its column."""
LEAST = 1e-300
"""What a weight of 0 counts as, so that its logarithm is finite."""


class Discretization:
    """All architectures that the space can derive from mixes of one shape.

    Attributes:
        groups: the space's groups of rows.
        options: for each group, what it can keep.
    """

    def __init__(self, space: WeightSharing, mix: Mix) -> None:
        self._space, self._derived = space, dict[Selection, Architecture]()
        self._shapes = {cell: tuple(rows.shape) for cell, rows in mix.items()}
        self.groups = tuple(space.row_groups(mix))
        self.options = tuple(tuple(_options(group, self._shapes[group.cell][1])) for group in self.groups)

    @property
    def size(self) -> int:
        """The number of selections."""
        return math.prod(map(len, self.options))

    @cached_property
    def places(self) -> list[dict[Option, int]]:
        """For each group, the index of each option."""
        return [{option: place for place, option in enumerate(options)} for options in self.options]

    def architecture(self, selection: Selection) -> Architecture:
        """Return the architecture of a selection: what the space derives from its one-hot mix."""
        if selection not in self._derived:
            self._derived[selection] = self._space.derive(self._one_hot(selection))
        return self._derived[selection]

    def _one_hot(self, selection: Selection) -> Mix:
        mix = {cell: torch.zeros(shape) for cell, shape in self._shapes.items()}
        for group, options, place in zip(self.groups, self.options, selection, strict=True):
            for row, column in options[place]:
                mix[group.cell][row, column] = 1.0
        return mix

    def scores(self, mix: Mix) -> list[np.ndarray]:
        """Return for each group the logarithm of each option's probability (options,): of its weights' product."""
        logarithms = {
            group.cell: np.log(np.maximum(mix[group.cell].detach().cpu().double().numpy(), LEAST))
            for group in self.groups
        }
        return [
            np.array([sum(logarithms[group.cell][entry] for entry in option) for option in options])
            for group, options in zip(self.groups, self.options, strict=True)
        ]

    def random(self, rng: np.random.Generator) -> Selection:
        """Return a selection drawn uniformly."""
        return tuple(int(rng.integers(len(options))) for options in self.options)


def _options(group: RowGroup, columns: int) -> Iterator[Option]:
    for rows in itertools.combinations(group.rows, group.kept):
        for chosen in itertools.product(range(columns), repeat=group.kept):
            yield tuple(zip(rows, chosen, strict=True))


def score_of(scores: Sequence[np.ndarray], selection: Sequence[int]) -> float:
    """Return the sum of the scores of a selection."""
    return float(sum(score[place] for score, place in zip(scores, selection, strict=True)))


def by_score(scores: Sequence[np.ndarray]) -> Iterator[Selection]:
    """Yield all selections, the one with the largest sum of scores first.

    The heap holds the successors of what was yielded. Each selection has one predecessor: the one in which the last
    group that is not at its best option has the next better one.
    """
    orders = [np.argsort(-score, kind="stable") for score in scores]
    losses = [(score[order] - score[order[0]]).tolist() for score, order in zip(scores, orders, strict=True)]
    heap: list[tuple[float, Selection, int]] = [(0.0, (0,) * len(scores), 0)]
    while heap:
        lost, ranks, last = heapq.heappop(heap)
        yield tuple(int(order[rank]) for order, rank in zip(orders, ranks, strict=True))
        for group in range(last, len(scores)):
            rank = ranks[group] + 1
            if rank < len(losses[group]):
                further = lost - losses[group][rank] + losses[group][rank - 1]
                heapq.heappush(heap, (further, (*ranks[:group], rank, *ranks[group + 1 :]), group))
