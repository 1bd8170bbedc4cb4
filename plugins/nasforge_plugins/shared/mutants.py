"""New mutants of good architectures, among which a predictor chooses."""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np

from nasforge import Architecture, SearchSpace

ATTEMPTS = 10
"""Mutations for each mutant wanted: most neighbors of the best architectures may have been evaluated already."""


def new_mutants(
    space: SearchSpace,
    parents: Sequence[Architecture],
    known: Container[Architecture],
    rng: np.random.Generator,
    *,
    count: int,
    edits: int,
) -> list[Architecture]:
    """Mutate the parents in turn, each time by 1 to `edits` mutations; each number is as likely.

    Returns:
        Up to `count` different mutants that are not in `known`; none if all neighbors are.
    """
    mutants: dict[Architecture, None] = {}
    for attempt in range(ATTEMPTS * count):
        mutant = parents[attempt % len(parents)]
        for _ in range(rng.integers(1, edits + 1)):
            mutant = space.mutate(mutant, rng)
        if mutant not in known:
            mutants[mutant] = None
        if len(mutants) == count:
            break
    return list(mutants)
