"""Which paths through the supernet one step trains, as one-hot mixing weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from nasforge import Elastic, Mix, WeightSharing

Sampling = Callable[[WeightSharing, np.random.Generator], list[Mix]]


def uniform(space: WeightSharing, rng: np.random.Generator) -> list[Mix]:
    """One architecture, as the space draws it: uniformly in a `VectorEncoded` one (Guo et al. 2020, section 3.3)."""
    return [space.mix_of(space.sample(rng))]


def fair(space: WeightSharing, rng: np.random.Generator) -> list[Mix]:
    """K paths that together take every column of each row once (Chu et al. 2021, Algorithm 1, lines 6 to 13).

    K is the largest number of columns. A row with fewer takes all of them once before it takes any again, so that their
    counts differ by one at most. Every row is taken: a column of `none` has its turn like any other, and in a space
    whose architectures leave edges out, such as `darts`, all edges are present.
    """
    shapes = {cell: rows.shape for cell, rows in space.mix_of(space.sample(rng)).items()}
    paths = max(columns for _, columns in shapes.values())
    turns = {cell: torch.stack([_turns(columns, paths, rng) for _ in range(rows)])
             for cell, (rows, columns) in shapes.items()}  # fmt: skip
    return [
        {cell: one_hot(turns[cell][:, path], columns).float() for cell, (_, columns) in shapes.items()}
        for path in range(paths)
    ]


def _turns(columns: int, paths: int, rng: np.random.Generator) -> Tensor:
    """A row's column on each path (paths,): permutations of its columns, one after the other."""
    rounds = [rng.permutation(columns) for _ in range(-(-paths // columns))]
    return torch.from_numpy(np.concatenate(rounds)[:paths])


def sandwich(space: WeightSharing, rng: np.random.Generator) -> list[Mix]:
    """The largest architecture, which teaches the others, the smallest, and two others (Yu et al. 2020)."""
    assert isinstance(space, Elastic)  # the strategy needs it for this sampling
    return [space.mix_of(each) for each in (space.largest, space.smallest, space.sample(rng), space.sample(rng))]


SAMPLINGS: Mapping[str, Sampling] = {"uniform": uniform, "fair": fair, "sandwich": sandwich}
