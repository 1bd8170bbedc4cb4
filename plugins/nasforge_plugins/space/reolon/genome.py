"""The genome of a growing cell (II, Genotype; Fig. 1): the number of channels of each operation on each connection.

A cell of depth d has the input, node 0, and nodes 1 to d. Connection j -> i, for i = 1..d and j < i, is block number
i (i - 1) / 2 + j, and node i is the concatenation of all outputs that arrive there. In text, a block is its integers
joined by `|`, one for each operation; blocks are two spaces apart, and SHARED and DATASET follow `--`:
`0|0|2|0|0|2|0|0  1|0|0|1|1|0|0|0  0|1|0|0|0|0|2|1--1  7`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nasforge import ArchitectureError

from .operations import NAMES

Block = tuple[int, ...]
WIDEST = 1024
"""The most channels of one operation on one connection; mutations give at most 32."""
SUBSETS = 11
CELLS_APART = " + "


@dataclass(frozen=True)
class Genome:
    """One cell.

    Attributes:
        blocks: d (d + 1) / 2 blocks, each with the channels of every operation of `NAMES`; 0 where it is absent.
        shared: SHARED, 0 or 1. Neither the published code nor the network here reads it.
        dataset: DATASET, 0 to 10: the subset of images on which the published code scores this cell. Here all
            candidates are scored on the same images.
    """

    blocks: tuple[Block, ...]
    shared: int = 1
    dataset: int = 5

    @property
    def depth(self) -> int:
        """d, the number of nodes besides the input."""
        return depth_of(len(self.blocks))

    @property
    def channels(self) -> int:
        """The sum of all entries."""
        return sum(map(sum, self.blocks))

    def arriving(self, node: int) -> tuple[Block, ...]:
        """The blocks of the connections 0 -> node, 1 -> node, ..."""
        first = node * (node - 1) // 2
        return self.blocks[first : first + node]

    def width(self, node: int) -> int:
        """The number of channels of a node, counted from 1."""
        return sum(map(sum, self.arriving(node)))

    @property
    def connections(self) -> Iterator[tuple[int, int, str, int]]:
        """(from, to, operation, channels) of each operation that is present, node by node."""
        for node in range(1, self.depth + 1):
            for source, block in enumerate(self.arriving(node)):
                yield from ((source, node, name, n) for name, n in zip(NAMES, block, strict=True) if n)


def depth_of(blocks: int) -> int:
    """d for d (d + 1) / 2 blocks; rounded down for other numbers."""
    return (math.isqrt(8 * blocks + 1) - 1) // 2


def checked(genome: Genome, where: str, operations: Sequence[str] = NAMES) -> Genome:
    """The same genome; an `ArchitectureError` names a wrong block or entry.

    Args:
        where: the name of the genome in an error.
        operations: the ones that may have channels.
    """
    if not genome.blocks or depth_of(len(genome.blocks)) != depth_of(len(genome.blocks) - 1) + 1:
        raise ArchitectureError(
            f"{where} has {len(genome.blocks)} blocks; 1, 3, 6, 10, ... d (d + 1) / 2 would be right"
        )
    for number, block in enumerate(genome.blocks, 1):
        _check_block(block, f"block {number} of {where}", operations)
    for node in range(1, genome.depth + 1):
        if not genome.width(node):
            last = node * (node + 1) // 2
            blocks = f"block {last} holds" if node == 1 else f"blocks {last - node + 1} to {last} hold"
            raise ArchitectureError(f"node {node} of {where} has no operation: {blocks} only zeros")
    _check_integer(genome.shared, f"SHARED of {where}", 1)
    _check_integer(genome.dataset, f"DATASET of {where}", SUBSETS - 1)
    return genome


def _check_block(block: Any, where: str, operations: Sequence[str]) -> None:
    if not isinstance(block, tuple) or len(block) != len(NAMES):
        raise ArchitectureError(f"{where} must have {len(NAMES)} integers, one for each operation")
    for name, entry in zip(NAMES, block, strict=True):
        _check_integer(entry, f"entry {name} of {where}", WIDEST)
        if entry and name not in operations:
            raise ArchitectureError(f"entry {name} of {where} is {entry}, and space.operations leaves {name} out")


def _check_integer(value: Any, where: str, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ArchitectureError(f"{where} is {value!r}; an integer from 0 to {most} would be right")


def text_of(genome: Genome, operations: Sequence[str]) -> str:
    """The genome in the paper's notation, with an entry for each of `operations`, in their order."""
    columns = [NAMES.index(name) for name in operations]
    blocks = ("|".join(str(block[column]) for column in columns) for block in genome.blocks)
    return f"{'  '.join(blocks)}--{genome.shared}  {genome.dataset}"


def from_text(text: str, where: str, operations: Sequence[str]) -> Genome:
    """The genome that `text_of` wrote; an `ArchitectureError` names what cannot be read and its place."""
    blocks, dashes, tail = text.strip().partition("--")
    flags = [_integer(word, f"what follows `--` in {where}") for word in tail.split()]
    if not dashes or len(flags) != 2:
        raise ArchitectureError(f"{where} must end in `--SHARED  DATASET`, such as `--1  5`; it is '{text}'")
    read = tuple(
        _read_block(block, f"block {number} of {where}", operations) for number, block in enumerate(blocks.split(), 1)
    )
    return checked(Genome(read, *flags), where, operations)


def _read_block(text: str, where: str, operations: Sequence[str]) -> Block:
    entries = text.split("|")
    if len(entries) != len(operations):
        raise ArchitectureError(
            f"{where} has {len(entries)} entries; one for each of {len(operations)} operations would be right"
        )
    named = {name: _integer(entry, f"entry {name} of {where}") for name, entry in zip(operations, entries, strict=True)}
    return tuple(named.get(name, 0) for name in NAMES)


def _integer(text: str, where: str) -> int:
    if not re.fullmatch(r"-?\d+", text):
        raise ArchitectureError(f"{where} is '{text}'; an integer would be right")
    return int(text)
