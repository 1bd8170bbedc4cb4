"""Drawings of an architecture: the chain and each distinct cell."""

from __future__ import annotations

from collections.abc import Mapping

from nasforge import CellGraph

from . import inside
from .chain import Chain
from .known import INPUTS, NAMES, OPERATIONS, Cell


def chain_graph(chain: Chain, known: Mapping[int, Cell]) -> CellGraph:
    """The layers of the chain and their inputs; reduction cells are marked."""
    nodes, edges = ["input"], []
    for position, ((first, second, code), cell) in enumerate(zip(chain.links, chain.cells, strict=True), 1):
        edited = "" if cell == known[code] else ", edited"
        nodes.append(f"{position} · {NAMES[code]}{edited}")
        edges += [(first, position, ""), (second, position, "")]
    edges.append((len(chain.links), len(nodes), ""))
    return CellGraph("chain", (*nodes, "output"), tuple(edges), chain=True, marked=chain.reductions)


def cell_graphs(chain: Chain, known: Mapping[int, Cell]) -> list[CellGraph]:
    """Each distinct cell once: known cells by name, edited cells by the first position where they stand."""
    distinct: dict[tuple[int, Cell], CellGraph] = {}
    for position, ((_, _, code), cell) in enumerate(zip(chain.links, chain.cells, strict=True), 1):
        title = NAMES[code] if cell == known[code] else f"{NAMES[code]} as edited in cell {position}"
        distinct.setdefault((code, cell), _graph(title, cell))
    return list(distinct.values())


def _graph(title: str, cell: Cell) -> CellGraph:
    used = inside.sources(cell)
    states = [state for state in (*range(INPUTS), *inside.kept(cell)) if state >= INPUTS or state in used]
    place = {state: number for number, state in enumerate(states)}
    names = ("earlier", "previous", *map(str, range(INPUTS, INPUTS + len(cell))))
    edges = [(place[source], place[state], OPERATIONS[code]) for state, _, source, code in inside.edges(cell)]
    edges += [(place[state], len(states), "") for state in inside.loose_ends(cell)]
    return CellGraph(title, (*(names[state] for state in states), "sum"), tuple(edges))
