"""Mutation and crossover of growing cells (II, Mutation and Crossover), one function per step, from genome to genome.

The numbers are those of the published code; the paper does not give them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nasforge_plugins.shared.growing_cells import GrowthRates

from .genome import Block, Genome
from .operations import NAMES

NEW_NODE = 16
"""The channels of the single operation that a new node begins with."""


@dataclass(frozen=True)
class Mutated:
    """A child, and the operation that edge mutation set; None if edge mutation did not take place."""

    genome: Genome
    operation: str | None = None


def start() -> Genome:
    """The one-block genome of zeros from which a population starts. It has to be repaired to be a network."""
    return Genome(((0,) * len(NAMES),))


def mutated(genome: Genome, rates: GrowthRates, operations: Sequence[str], rng: np.random.Generator) -> Mutated:
    """A mutant: all steps in the order of the code, then the repair."""
    edited: str | None = None
    if rng.random() < rates.mutation:
        genome = with_smallest_dropped(genome, len(operations))
    if rng.random() < rates.mutation:
        edited = drawn_operation(operations, rates, rng)
        genome = with_edge_mutated(genome, edited, rng)  # II, Mutation: "adding some new channels"
    if rng.random() < rates.swap:
        genome = with_first_swapped(genome, rng)  # II, Mutation: "swapping blocks"
    genome = with_flags_mutated(genome, rng)
    if rng.random() < rates.mutation:
        genome = resized(genome, rates.resize, rates.mean_channels, operations, rng)  # II: "reduce ... channels"
    return Mutated(repaired(genome, operations, rng), edited)


def with_smallest_dropped(genome: Genome, operations: int) -> Genome:
    """Drop the smallest positive entry of the first block, if the block uses more than half of the operations."""
    first = genome.blocks[0]
    used = [column for column, entry in enumerate(first) if entry]
    if 2 * len(used) <= operations:
        return genome
    return with_entry(genome, 0, min(used, key=lambda column: first[column]), 0)


def drawn_operation(operations: Sequence[str], rates: GrowthRates, rng: np.random.Generator) -> str:
    """An operation, drawn by its weight."""
    weights = np.array([rates.weight(name) for name in operations])
    return operations[int(rng.choice(len(operations), p=weights / weights.sum()))]


def with_edge_mutated(genome: Genome, operation: str, rng: np.random.Generator) -> Genome:
    """Raise the operation to at least 2^k channels, k uniform in 0..5, on one connection.

    A fair coin decides between any connection and one of the backbone: the last connection of a node r (r = 0 is the
    last connection of all). Then each connection that has the operation already takes its place with probability 0.7.
    """
    column = NAMES.index(operation)
    if rng.random() < 0.5:
        place = int(rng.integers(len(genome.blocks)))
    else:
        node = int(rng.integers(genome.depth + 1))
        place = (node * (node + 1) // 2 - 1) % len(genome.blocks)
    for other, block in enumerate(genome.blocks):
        if block[column] and rng.random() < 0.7:
            place = other
    return with_entry(genome, place, column, max(genome.blocks[place][column], 2 ** int(6 * rng.random())))


def with_first_swapped(genome: Genome, rng: np.random.Generator) -> Genome:
    """Swap the first block with a random other block."""
    if len(genome.blocks) == 1:
        return genome
    other = int(rng.integers(1, len(genome.blocks)))
    blocks = list(genome.blocks)
    blocks[0], blocks[other] = blocks[other], blocks[0]
    return replace(genome, blocks=tuple(blocks))


def with_flags_mutated(genome: Genome, rng: np.random.Generator) -> Genome:
    """Flip SHARED with probability 4 %; move DATASET on by up to 49, modulo 10, with probability 24 %."""
    shared = 1 - genome.shared if rng.random() < 0.04 else genome.shared
    dataset = genome.dataset
    if rng.random() < 0.24:
        dataset = int(dataset + 50 * (rng.random() - 0.01)) % 10
    return replace(genome, shared=shared, dataset=dataset)


def resized(
    genome: Genome, probability: float, mean: float, operations: Sequence[str], rng: np.random.Generator
) -> Genome:
    """Remove a node, add a node, or neither.

    A genome with n channels in b blocks shrinks with probability (3/4) p n / (n + M) - 4^(b - 5); otherwise it grows
    with probability p M / (0.75 n + M).

    Args:
        probability: p.
        mean: M, the running mean of n.
    """
    n, blocks = genome.channels, len(genome.blocks)
    if rng.random() < 0.75 * probability * n / (n + mean) - 4.0 ** (blocks - 5):
        return shrunk(genome, rng)
    if rng.random() < probability * mean / (0.75 * n + mean):
        return grown(genome, operations, rng)
    return genome


def shrunk(genome: Genome, rng: np.random.Generator) -> Genome:
    """Remove the last node, unless it is the only one. Each block that stays becomes, with probability 0.3, its mean
    with a random removed block."""
    depth = genome.depth
    if depth == 1:
        return genome
    kept, dropped = genome.blocks[:-depth], genome.blocks[-depth:]
    blocks = [_mean(block, dropped[rng.integers(depth)]) if rng.random() < 0.3 else block for block in kept]
    return replace(genome, blocks=tuple(blocks))


def grown(genome: Genome, operations: Sequence[str], rng: np.random.Generator) -> Genome:
    """Add a node, with one random operation from the node before it."""
    column = NAMES.index(operations[int(rng.integers(len(operations)))])
    empty = (0,) * len(NAMES)
    longer = replace(genome, blocks=(*genome.blocks, *[empty] * (genome.depth + 1)))
    return with_entry(longer, len(longer.blocks) - 1, column, NEW_NODE)


def repaired(genome: Genome, operations: Sequence[str], rng: np.random.Generator) -> Genome:
    """Remove an empty last node, unless it is the first; give any other empty node one random operation of 1 to 7
    channels from the node before it."""
    while genome.depth > 1 and not genome.width(genome.depth):
        genome = replace(genome, blocks=genome.blocks[: -genome.depth])
    for node in range(1, genome.depth + 1):
        if not genome.width(node):
            column = NAMES.index(operations[int(rng.integers(len(operations)))])
            genome = with_entry(genome, node * (node + 1) // 2 - 1, column, int(rng.integers(1, 8)))
    return genome


def crossed_uniform(a: Genome, b: Genome, rng: np.random.Generator) -> Genome:
    """Each integer from either parent, and the depth from either; beyond the shorter parent, all from the longer one.

    II, Crossover: "the i-th character of the offspring will be randomly selected between the i-th character of the two
    parents". The "characters" are integers in the code.
    """
    blocks = [
        tuple(x if rng.random() < 0.5 else y for x, y in zip(of_a, of_b, strict=True))
        for of_a, of_b in zip(a.blocks, b.blocks, strict=False)
    ]
    longer, depth_giver = max(a, b, key=lambda parent: len(parent.blocks)), a if rng.random() < 0.5 else b
    blocks += longer.blocks[len(blocks) : len(depth_giver.blocks)]
    return _crossed(a, b, blocks, rng)


def crossed_minimum(a: Genome, b: Genome, rng: np.random.Generator) -> Genome:
    """The smaller of both parents' integers, and the smaller depth. Only the code has it, and calls it "max"."""
    blocks = [tuple(map(min, of_a, of_b)) for of_a, of_b in zip(a.blocks, b.blocks, strict=False)]
    return _crossed(a, b, blocks, rng)


def _crossed(a: Genome, b: Genome, blocks: Sequence[Block], rng: np.random.Generator) -> Genome:
    shared, dataset = (x if rng.random() < 0.5 else y for x, y in ((a.shared, b.shared), (a.dataset, b.dataset)))
    return Genome(tuple(blocks), shared, dataset)


def with_entry(genome: Genome, place: int, column: int, entry: int) -> Genome:
    """Replace one entry."""
    block = genome.blocks[place]
    changed = (*block[:column], entry, *block[column + 1 :])
    return replace(genome, blocks=(*genome.blocks[:place], changed, *genome.blocks[place + 1 :]))


def _mean(block: Block, other: Block) -> Block:
    return tuple((x + y) // 2 for x, y in zip(block, other, strict=True))
