"""The second layer of the encoding: the inside of a cell and its edits.

A pruned node is written (0, 0, 0, 0) and keeps its place, so that states keep their numbers. The two edges of a node
keep their order, because the first input of a pruned node takes the node's place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from nasforge import ArchitectureError

from .known import INPUTS, OPERATIONS, Cell, Quadruple

PRUNED: Quadruple = (0, 0, 0, 0)
"""Recognized by its operation codes: 0 is a valid state but not a valid operation."""


def kept(cell: Cell) -> tuple[int, ...]:
    """The states of the nodes that are not pruned."""
    return tuple(state for state, node in enumerate(cell, INPUTS) if node != PRUNED)


def edges(cell: Cell) -> Iterator[tuple[int, int, int, int]]:
    """All edges: (the node's state, 0 or 1 for its first or second edge, source state, operation code)."""
    for state in kept(cell):
        one, other, first, second = cell[state - INPUTS]
        yield from ((state, 0, one, first), (state, 1, other, second))


def sources(cell: Cell) -> frozenset[int]:
    """The states that at least one node uses."""
    return frozenset(source for _, _, source, _ in edges(cell))


def loose_ends(cell: Cell) -> tuple[int, ...]:
    """The nodes that no other node uses; their sum is the cell's output. There is at least one."""
    taken = sources(cell)
    return tuple(state for state in kept(cell) if state not in taken)


def earlier(cell: Cell, state: int) -> tuple[int, ...]:
    """The states that the node `state` may use as inputs."""
    return (*range(INPUTS), *(other for other in kept(cell) if other < state))


def with_edge(cell: Cell, state: int, edge: int, *, source: int | None = None, code: int | None = None) -> Cell:
    """The cell with another source or another operation code on one edge."""
    node = list(cell[state - INPUTS])
    if source is not None:
        node[edge] = source
    if code is not None:
        node[INPUTS + edge] = code
    return _with_node(cell, state, tuple(node))


def without_node(cell: Cell, state: int) -> Cell:
    """The cell without the node `state`; nodes that used it use its first input instead.

    Raises:
        ArchitectureError: the cell has no other node.
    """
    if kept(cell) == (state,):
        raise ArchitectureError(f"node {state} is the only one of its cell; at least one must stay")
    place = cell[state - INPUTS][0]
    for consumer, edge, source, _ in list(edges(cell)):
        if source == state:
            cell = with_edge(cell, consumer, edge, source=place)
    return _with_node(cell, state, PRUNED)


def _with_node(cell: Cell, state: int, node: Any) -> Cell:
    return (*cell[: state - INPUTS], node, *cell[state - INPUTS + 1 :])


def function_key(cell: Cell) -> Cell:
    """The cell with pruned nodes gone, edges sorted and nodes renumbered.

    Cells with equal keys compute the same function. The reverse does not hold: the order of two nodes that are made
    alike is arbitrary.
    """
    number = {state: state for state in range(INPUTS)}
    left = {state: cell[state - INPUTS] for state in kept(cell)}
    ordered: list[Quadruple] = []
    while left:
        ready = {}
        for state, (one, other, first, second) in left.items():
            if one in number and other in number:
                low, high = sorted([(number[one], first), (number[other], second)])
                ready[state] = (low[0], high[0], low[1], high[1])
        chosen = min(ready, key=lambda state: (ready[state], state))
        number[chosen] = INPUTS + len(ordered)
        ordered.append(ready[chosen])
        del left[chosen]
    return tuple(ordered)


def checked(cell: Any, where: str) -> Cell:
    """The cell, if it is valid; an `ArchitectureError` names `where`, the node, and what was expected."""
    if not isinstance(cell, (list, tuple)) or not cell:
        raise ArchitectureError(f"{where}: a cell is a list of quadruples [x_i, x_j, o_i, o_j], not {cell!r}")
    clean: Cell = ()
    for state, node in enumerate(cell, INPUTS):
        clean = (*clean, _node(node, earlier(clean, state), f"{where}, node {state}"))
    if not kept(clean):
        raise ArchitectureError(f"{where}: all of its nodes are pruned; at least one must stay")
    return clean


def _node(node: Any, states: Sequence[int], where: str) -> Quadruple:
    if not isinstance(node, (list, tuple)) or len(node) != 4 or not all(type(number) is int for number in node):
        raise ArchitectureError(f"{where} is {node!r}; expected four integers x_i, x_j, o_i, o_j")
    one, other, first, second = node
    if first == second == 0:
        return PRUNED
    for source in (one, other):
        if source not in states:
            raise ArchitectureError(
                f"{where} takes state {source}; expected an earlier one that is not pruned: "
                f"{', '.join(map(str, states))}"
            )
    for code in (first, second):
        if code not in OPERATIONS:
            raise ArchitectureError(
                f"{where} has the operation code {code}; expected 1 to {len(OPERATIONS)}, or 0 twice for a pruned node"
            )
    return one, other, first, second


def written(cell: Cell) -> str:
    """As the paper writes it: the inputs (0,1), a quadruple for each node, 0 for the output."""
    nodes = " ".join(f"({','.join(map(str, node))})" for node in ((0, 1), *cell))
    return f"{nodes} 0"


def read(text: str, where: str) -> Cell:
    """What `written` wrote; an `ArchitectureError` says `where` and what is wrong."""
    expected = "expected (0,1), a quadruple (x_i,x_j,o_i,o_j) for each node, and 0"
    tokens = re.findall(r"\([^()]*\)|[^\s()]+", text)
    if len(tokens) < 2 or tokens[0].replace(" ", "") != "(0,1)" or tokens[-1] != "0":
        raise ArchitectureError(f"{where} is written '{text.strip()}'; {expected}")
    nodes = []
    for state, token in enumerate(tokens[1:-1], INPUTS):
        if not re.fullmatch(r"\(\s*\d+(\s*,\s*\d+){3}\s*\)", token):
            raise ArchitectureError(f"{where}, node {state} is written '{token}'; {expected}")
        nodes.append([int(number) for number in re.findall(r"\d+", token)])
    return checked(nodes, where)
