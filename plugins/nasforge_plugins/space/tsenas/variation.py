"""How chains are drawn, mended, made longer and shorter, and which few of them hold every known cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from .chain import Chain, Limits, Link
from .known import NORMAL, REDUCTION, Cell


def free_inputs(position: int, previous_too: bool) -> range:
    """The layers from which the earlier input of the cell at `position` is drawn.

    The paper's text leaves out the previous layer, its Algorithm 3 does not.
    """
    return range(position if previous_too else max(position - 1, 1))


def drawn(depth: int, known: Mapping[int, Cell], limits: Limits, previous_too: bool, rng: np.random.Generator) -> Chain:
    """Algorithm 3: codes 1..8 while more reductions are allowed, then 1..4; the earlier input is uniform.

    The paper stops at half the depth rounded up; here it is rounded down, and capped.
    """
    links: list[Link] = []
    reductions = 0
    for position in range(1, depth + 1):
        codes = NORMAL + REDUCTION if reductions < limits.reductions_of(depth) else NORMAL
        code = codes[rng.integers(len(codes))]
        reductions += code in REDUCTION
        first = free_inputs(position, previous_too)[rng.integers(len(free_inputs(position, previous_too)))]
        links.append((first, position - 1, code))
    return Chain(tuple(links), tuple(known[code] for _, _, code in links))


def repaired(chain: Chain, known: Mapping[int, Cell], limits: Limits) -> Chain:
    """Its inputs lead backward again, and reductions beyond what its depth allows, the last ones, are the normal
    cells of the same papers."""
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
    """The chain with one more cell, which stands at `position`; later cells keep the inputs they had."""
    at = position - 1
    moved = tuple((first + (first >= position), second + 1, one) for first, second, one in chain.links[at:])
    return Chain((*chain.links[:at], (earlier, at, code), *moved), (*chain.cells[:at], cell, *chain.cells[at:]))


def shorter(chain: Chain, position: int) -> Chain:
    """The chain without the cell at `position`; whoever took it takes the layer before it."""
    at = position - 1
    moved = tuple((first - (first >= position), second - 1, code) for first, second, code in chain.links[position:])
    return Chain((*chain.links[:at], *moved), (*chain.cells[:at], *chain.cells[position:]))


def covering(known: Mapping[int, Cell], limits: Limits) -> Iterator[Chain]:
    """Chains that hold each normal cell after 0, 1, ..., R reductions and each reduction cell as number 1, ..., R.

    R is the most reductions that any chain may have. Earlier inputs come from the cell before last.
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
