"""Chains: random ones, repaired ones, longer and shorter ones, and the few that contain every known cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from .chain import Chain, Limits, Link
from .known import NORMAL, REDUCTION, Cell


def free_inputs(position: int, previous_too: bool) -> range:
    """The layers from which the earlier input of the cell at `position` is drawn.

    The paper's text excludes the previous layer; its Algorithm 3 does not.
    """
    return range(position if previous_too else max(position - 1, 1))


def drawn(depth: int, known: Mapping[int, Cell], limits: Limits, previous_too: bool, rng: np.random.Generator) -> Chain:
    """Algorithm 3, lines 4 to 19, for one network.

    The paper stops reductions at half the depth rounded up; here it is rounded down and capped.
    """
    links: list[Link] = []  # lines 4 and 5: the leading 0 is written with the notation
    reductions = 0  # line 6: k
    for position in range(1, depth + 1):  # line 7: j
        codes = NORMAL + REDUCTION if reductions < limits.reductions_of(depth) else NORMAL  # lines 10, 11 and 16
        code = codes[rng.integers(len(codes))]  # a3
        reductions += code in REDUCTION  # lines 12 to 14
        inputs = free_inputs(position, previous_too)
        first = inputs[rng.integers(len(inputs))]  # line 9, for the first input as in the text: a1
        links.append((first, position - 1, code))  # lines 8 and 18
    return Chain(tuple(links), tuple(known[code] for _, _, code in links))


def repaired(chain: Chain, known: Mapping[int, Cell], limits: Limits) -> Chain:
    """The nearest valid chain: inputs that lead forward lead backward again, and the last reduction cells, if there are
    too many for the depth, become the normal cells of the same papers."""
    for position in chain.positions:
        first, _, code = chain.links[position - 1]
        link = (min(first, free_inputs(position, False)[-1]) if first >= position else first, position - 1, code)
        chain = chain.with_link(position, link, chain.cells[position - 1])
    for position in chain.reductions[limits.reductions_of(len(chain.links)) :]:
        first, second, code = chain.links[position - 1]
        normal = code - len(NORMAL)
        chain = chain.with_link(position, (first, second, normal), known[normal])
    return chain


def longer(chain: Chain, position: int, code: int, earlier: int, cell: Cell) -> Chain:
    """The chain with one more cell at `position`; later cells keep their inputs."""
    at = position - 1
    moved = tuple((first + (first >= position), second + 1, one) for first, second, one in chain.links[at:])
    return Chain((*chain.links[:at], (earlier, at, code), *moved), (*chain.cells[:at], cell, *chain.cells[at:]))


def shorter(chain: Chain, position: int) -> Chain:
    """The chain without the cell at `position`; cells that used it use the layer before it."""
    at = position - 1
    moved = tuple((first - (first >= position), second - 1, code) for first, second, code in chain.links[position:])
    return Chain((*chain.links[:at], *moved), (*chain.cells[:at], *chain.cells[position:]))


def covering(known: Mapping[int, Cell], limits: Limits) -> Iterator[Chain]:
    """Chains that contain each normal cell after 0, 1, ..., R reductions and each reduction cell as number 1, ..., R.

    R is the most reductions that any chain may have. Earlier inputs come from the cell before the previous one.
    """
    most = limits.reductions_of(limits.max_cells)
    normal = [(level, code) for level in range(most + 1) for code in NORMAL]
    reduction = [(level, code) for code in REDUCTION for level in range(1, most + 1)]
    while normal or reduction:
        row, reduction = reduction[:most], reduction[most:]
        codes = dict(row) or dict.fromkeys(range(1, most + 1), REDUCTION[0])
        room = limits.max_cells - most
        chosen, normal = sorted(normal[:room]), normal[room:]
        least = max(most, limits.min_cells - most)
        chosen = [(0, NORMAL[0])] * (least - len(chosen)) + chosen
        order: list[int] = []
        for level in range(most + 1):
            order += [codes[level]] if level else []
            order += [code for at, code in chosen if at == level]
        links = tuple((max(at - 1, 0), at, code) for at, code in enumerate(order))
        yield Chain(links, tuple(known[code] for code in order))
