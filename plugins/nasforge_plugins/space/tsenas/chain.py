"""The first layer of the encoding: the cells of the chain and where their inputs come from. Also both layers as one
value: how it is read, written and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from nasforge import Architecture, ArchitectureError

from . import inside
from .known import NAMES, REDUCTION, SPACE, Cell

Link = tuple[int, int, int]
"""(earlier input, previous cell, cell code) of a cell. Layer 0 is the input layer; cell j is layer j."""
GENES = ("chain", "cells")


class Chain(NamedTuple):
    """Both layers: the links, and the inside of the cell for each link."""

    links: tuple[Link, ...]
    cells: tuple[Cell, ...]

    def reduces(self, position: int) -> bool:
        """Whether the cell at `position`, counted from 1, is a reduction cell."""
        return self.links[position - 1][2] in REDUCTION

    @property
    def positions(self) -> range:
        """The positions of its cells: 1 to N."""
        return range(1, len(self.links) + 1)

    @property
    def reductions(self) -> tuple[int, ...]:
        """The positions of the reduction cells."""
        return tuple(position for position in self.positions if self.reduces(position))

    @property
    def used(self) -> tuple[int, ...]:
        """The positions of the cells that the last cell depends on. An edited cell may ignore one of its inputs."""
        wanted = {len(self.links)}
        for position in reversed(self.positions):
            if position in wanted:
                wanted |= {
                    self.links[position - 1][state] for state in inside.sources(self.cells[position - 1]) & {0, 1}
                }
        return tuple(position for position in self.positions if position in wanted)

    def with_link(self, position: int, link: Link, cell: Cell) -> Chain:
        """The chain with another link and cell at `position`."""
        at = position - 1
        return Chain((*self.links[:at], link, *self.links[at + 1 :]), (*self.cells[:at], cell, *self.cells[at + 1 :]))

    def with_cell(self, position: int, cell: Cell) -> Chain:
        """The chain with another inside of the cell at `position`."""
        return self.with_link(position, self.links[position - 1], cell)


@dataclass(frozen=True)
class Limits:
    """Limits of a chain.

    Attributes:
        min_cells, max_cells: bounds of the depth.
        reductions: the most reduction cells at any depth.
    """

    min_cells: int
    max_cells: int
    reductions: int

    def reductions_of(self, depth: int) -> int:
        """The most reduction cells in a chain of that depth: no more than it has normal cells."""
        return min(depth // 2, self.reductions)


def architecture(chain: Chain, known: Mapping[int, Cell]) -> Architecture:
    """The chain as a value, with its notation."""
    return Architecture.of(SPACE, {"chain": chain.links, "cells": chain.cells}, written(chain, known))


def checked(genes: Mapping[str, Any], known: Mapping[int, Cell], limits: Limits) -> Chain:
    """The chain that the genes describe. Without the gene `cells`, every cell is the known cell of its code.

    Raises:
        ArchitectureError: the genes are not a chain within the limits; names the position and what was expected.
    """
    for name in genes:
        if name not in GENES:
            raise ArchitectureError(f"space '{SPACE}' has no field '{name}'; its fields are {', '.join(GENES)}")
    chain = parsed(genes, known)
    for position, link in enumerate(chain.links, 1):
        _check_wiring(link, position)
    _check_limits(chain, limits)
    return chain


def parsed(genes: Mapping[str, Any], known: Mapping[int, Cell]) -> Chain:
    """Like `checked`, but without limits on inputs, depth and reductions."""
    links = genes.get("chain")
    if not isinstance(links, (list, tuple)) or not links:
        raise ArchitectureError(
            f"field 'chain' of space '{SPACE}' must be a list of [earlier input, previous cell, cell code], "
            f"one for each cell"
        )
    clean = tuple(_link(link, position) for position, link in enumerate(links, 1))
    cells = genes.get("cells", [known[code] for _, _, code in clean])
    if not isinstance(cells, (list, tuple)) or len(cells) != len(clean):
        number = len(cells) if isinstance(cells, (list, tuple)) else 0
        raise ArchitectureError(f"field 'cells' holds {number} cells where the chain has {len(clean)}")
    return Chain(clean, tuple(inside.checked(cell, f"cell {position}") for position, cell in enumerate(cells, 1)))


def _link(link: Any, position: int) -> Link:
    if not isinstance(link, (list, tuple)) or not all(type(number) is int for number in link):
        raise ArchitectureError(f"cell {position} of the chain is {link!r}; expected three integers")
    if len(link) != 3:
        cut_short = "is cut short: it " if len(link) < 3 else ""
        raise ArchitectureError(
            f"cell {position} of the chain {cut_short}has {len(link)} number{'' if len(link) == 1 else 's'}; "
            f"expected 3: earlier input, previous cell, cell code"
        )
    first, second, code = link
    if code not in NAMES:
        listed = ", ".join(f"{number} {name}" for number, name in NAMES.items())
        raise ArchitectureError(f"cell {position} of the chain: there is no cell {code}; expected one of {listed}")
    return first, second, code


def _check_wiring(link: Link, position: int) -> None:
    first, second, _ = link
    if not 0 <= first < position:
        direction = "points forward" if first >= position else "is negative"
        allowed = "0, the input layer" if position == 1 else f"a layer from 0 (the input) to {position - 1}"
        raise ArchitectureError(
            f"cell {position} of the chain: its earlier input {first} {direction}; expected {allowed}"
        )
    if second != position - 1:
        before = "the input layer" if position == 1 else "the cell before it"
        raise ArchitectureError(
            f"cell {position} of the chain: its second input is {second}; expected {position - 1}, {before}"
        )


def _check_limits(chain: Chain, limits: Limits) -> None:
    depth, reductions = len(chain.links), chain.reductions
    if not limits.min_cells <= depth <= limits.max_cells:
        raise ArchitectureError(
            f"the chain has {depth} cells; space.min_cells={limits.min_cells} and space.max_cells={limits.max_cells} "
            f"allow {limits.min_cells} to {limits.max_cells}"
        )
    most = limits.reductions_of(depth)
    if len(reductions) > most:
        why = f"half of {depth} cells" if most == depth // 2 else f"space.reductions={limits.reductions}"
        raise ArchitectureError(
            f"cell {reductions[most]} of the chain is reduction number {most + 1}; expected at most {most}: {why}"
        )


def written(chain: Chain, known: Mapping[int, Cell]) -> str:
    """The chromosome, `0 | 0 0 2 | 0 1 6 | ...`; the inside of an edited cell follows in brackets."""
    words = ["0"]
    for link, cell in zip(chain.links, chain.cells, strict=True):
        edited = "" if cell == known[link[2]] else f" [{inside.written(cell)}]"
        words.append(" ".join(map(str, link)) + edited)
    return " | ".join(words)


def read(text: str, known: Mapping[int, Cell]) -> dict[str, Any]:
    """The genes of a chromosome, with bars between the cells or as bare integers. `checked` checks them.

    Raises:
        ArchitectureError: the chromosome is cut short, does not begin with 0, or contains a word that is not an
            integer; names the position.
    """
    head, *parts = text.split("|")
    begin = _numbers(head, "the chromosome's beginning")
    if not parts:
        begin, rest = begin[:1], [str(number) for number in begin[1:]]
        parts = [" ".join(rest[at : at + 3]) for at in range(0, len(rest), 3)]
    if begin != [0]:
        shown = " ".join(map(str, begin)) or "nothing"
        raise ArchitectureError(f"a chromosome begins with 0, the input layer; this one begins with {shown}")
    links, cells = [], []
    for position, part in enumerate(parts, 1):
        outer, bracket, inner = part.partition("[")
        link = _link(_numbers(outer, f"cell {position} of the chain"), position)
        links.append(link)
        cells.append(_inner(inner, f"cell {position}") if bracket else known[link[2]])
    return {"chain": links, "cells": cells}


def _numbers(text: str, where: str) -> list[int]:
    words = re.findall(r"[^\s,]+", text)
    for word in words:
        if not re.fullmatch(r"-?\d+", word):
            raise ArchitectureError(f"{where} holds '{word}' where an integer was expected")
    return [int(word) for word in words]


def _inner(text: str, where: str) -> Cell:
    inner, bracket, rest = text.partition("]")
    if not bracket or rest.strip():
        raise ArchitectureError(f"{where}: the inside of a cell is written in brackets; '[{text.strip()}' is cut short")
    return inside.read(inner, where)
