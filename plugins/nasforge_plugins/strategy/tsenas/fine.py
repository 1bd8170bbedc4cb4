"""The operators of the fine search (Algorithm 4): a cell's edges and nodes."""

from __future__ import annotations

import numpy as np

from nasforge import Architecture, CellChain


def edited(parent: Architecture, space: CellChain, rng: np.random.Generator) -> Architecture:
    """In every cell, by a fair coin, one edge carries another operation or one node takes another input."""
    for position in range(1, len(space.kinds(parent)) + 1):
        edit = space.mutate_operation if rng.random() < 0.5 else space.mutate_input
        parent = edit(parent, position, rng)
    return parent


def pruned(parent: Architecture, space: CellChain, rng: np.random.Generator) -> Architecture:
    """In one random cell, one random node is gone; nothing changes where every cell has but one node."""
    for position in rng.permutation(len(space.kinds(parent))):
        child = space.prune_node(parent, int(position) + 1, rng)
        if child != parent:
            return child
    return parent
