"""TS-ENAS's operators: crossover and mutation (section IV.B.3), fine mutation and pruning (IV.C).

Each can be replaced or turned off, as in the paper's Fig. 6.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

import numpy as np

from nasforge import Architecture
from nasforge_plugins.shared.cell_chain import CellChain

Crossover = Literal["multi_point", "single_point"]
Mutation = Literal["cell", "connection", "edge", "node"]
MUTATIONS: tuple[Mutation, ...] = get_args(Mutation)
"""Cell and connection mutation belong to the rough search, edge and node mutation to the fine search."""


def crossover(
    p1: Architecture, p2: Architecture, space: CellChain, rng: np.random.Generator, kind: Crossover = "multi_point"
) -> tuple[Architecture, Architecture]:
    """Line 10, IV.B.3, Fig. 3(a). Both parents keep their depth and their connections.

    The n-th normal cells of both parents correspond, and so do the n-th reduction cells, until one parent has no more
    of the kind. Corresponding cells change places with probability 1/2 (multi-point), or all those after one random
    point of the first parent do (single-point, which Fig. 6(a) compares with).
    """
    kinds1, kinds2 = positions_by_kind(p1, space), positions_by_kind(p2, space)
    pairs = [pair for kind in sorted(kinds1.keys() & kinds2.keys())  # IV.B.3: "the cell category remains unchanged"
             for pair in zip(kinds1[kind], kinds2[kind], strict=False)]  # else "skip the current cell"  # fmt: skip
    if kind == "single_point":
        point = rng.integers(len(space.kinds(p1)))
        return space.swap_cells(p1, p2, [pair for pair in pairs if pair[0] > point])
    return space.swap_cells(p1, p2, [pair for pair in pairs if rng.random() < 0.5])  # line 10: q1 and q2


def positions_by_kind(architecture: Architecture, space: CellChain) -> dict[str, list[int]]:
    """The positions, counted from 1, of the cells of each kind."""
    positions: dict[str, list[int]] = {}
    for position, kind in enumerate(space.kinds(architecture), 1):
        positions.setdefault(kind, []).append(position)
    return positions


def mutation(
    p3: Architecture, space: CellChain, rng: np.random.Generator, mutations: Collection[Mutation] = MUTATIONS
) -> Architecture:
    """Lines 12 to 17, IV.B.3, Fig. 3(b): cell mutation or connection mutation, with equal probability."""
    chosen = _one_of(("cell", "connection"), mutations, rng)  # lines 12 and 13: c
    if chosen is None:
        return p3
    depth = len(space.kinds(p3))
    if chosen == "cell":
        for position in rng.choice(depth, size=rng.integers(1, max(1, depth // 2) + 1), replace=False):
            p3 = space.mutate_cell(p3, int(position) + 1, rng)  # line 14
        return p3
    for position in rng.permutation(depth):  # the first cells may have no other input to choose
        child = space.mutate_connection(p3, int(position) + 1, rng)  # line 16
        if child != p3:
            return child
    return p3


def fine_mutation(
    p: Architecture, space: CellChain, rng: np.random.Generator, mutations: Collection[Mutation] = MUTATIONS
) -> Architecture:
    """Algorithm 4, line 5, Fig. 3(c): every cell gets an edge mutation or a node mutation, with equal probability."""
    for position in range(1, len(space.kinds(p)) + 1):  # IV.C: "until all the cells complete the mutation"
        chosen = _one_of(("edge", "node"), mutations, rng)  # IV.C: "an equal probability"
        if chosen is not None:
            p = (space.mutate_operation if chosen == "edge" else space.mutate_input)(p, position, rng)
    return p


def _one_of(
    both: tuple[Mutation, Mutation], mutations: Collection[Mutation], rng: np.random.Generator
) -> Mutation | None:
    """One of both with equal probability; the other if one is turned off, None if both are."""
    on = [mutation for mutation in both if mutation in mutations]
    if len(on) == 2:
        return on[0] if rng.random() < 0.5 else on[1]
    return on[0] if on else None


def pruning(p: Architecture, space: CellChain, rng: np.random.Generator) -> Architecture:
    """Algorithm 4, line 6, Fig. 3(d): one random cell loses one random node. No cell loses its last one."""
    for position in rng.permutation(len(space.kinds(p))):
        child = space.prune_node(p, int(position) + 1, rng)  # IV.C: "randomly delete a certain node in the cell"
        if child != p:
            return child
    return p
