"""Genotypes of DARTS: their canonical form, the published notation, and published genotypes by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from nasforge import OPERATIONS, Architecture, ArchitectureError

SPACE = "darts"
CELL_TYPES = ("normal", "reduce")
INPUTS = 2
"""State 0 is the output of the second-to-last cell, state 1 that of the last cell; later states are the nodes."""
NODES = 4
"""Intermediate nodes of the searched cells; cells from other papers may have more."""
EXAMPLES = ("Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=..., reduce_concat=...)",)
FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
MOST_STATES = 64
"""The most states read from a genotype; no published cell has a quarter as many."""
EDGES = sum(INPUTS + node for node in range(NODES))
"""14, ordered by node and then by source state."""
KNOWN = tuple(name for name in OPERATIONS if name != "none")

Pair = tuple[str, int]
Node = tuple[Pair, Pair]
Cell = tuple[Node, ...]


def first_edge(node: int) -> int:
    """Index of the edge from state 0 to the intermediate node `node`, counted from 0."""
    return node * INPUTS + node * (node - 1) // 2


def canonical(genes: Mapping[str, Any]) -> Architecture:
    """The architecture with these four genes; an `ArchitectureError` names a broken field and what was expected.

    In canonical form, the two pairs of a node are sorted by state, then by operation, and concatenated states ascend.
    Published lists put the stronger edge first, which does not affect the function computed.
    """
    for name in FIELDS:
        if name not in genes:
            raise ArchitectureError(f"an architecture of space '{SPACE}' needs the field '{name}'")
    for name in genes:
        if name not in FIELDS:
            raise ArchitectureError(f"space '{SPACE}' has no field '{name}'; its fields are {', '.join(FIELDS)}")
    clean: dict[str, Any] = {}
    for cell in CELL_TYPES:
        clean[cell] = _cell(cell, genes[cell])
        clean[f"{cell}_concat"] = _concat(cell, genes[f"{cell}_concat"], len(clean[cell]))
    return Architecture.of(SPACE, clean, _notation(clean))


def _cell(field: str, nodes: Any) -> Cell:
    if not isinstance(nodes, (list, tuple)) or not nodes:
        raise ArchitectureError(f"field '{field}' must be a list of nodes, each two [operation, state] pairs")
    return tuple(_node(f"field '{field}', node {index}", node, index + INPUTS) for index, node in enumerate(nodes))


def _node(where: str, node: Any, states: int) -> Node:
    if not isinstance(node, (list, tuple)) or len(node) != 2:
        raise ArchitectureError(f"{where} must be two [operation, state] pairs, not {node!r}")
    pairs = [_pair(where, pair, states) for pair in node]
    first, second = sorted(pairs, key=lambda pair: (pair[1], KNOWN.index(pair[0])))
    return first, second


def _pair(where: str, pair: Any, states: int) -> Pair:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise ArchitectureError(f"{where} holds {pair!r} where an [operation, state] pair was expected")
    name, state = pair
    if name not in KNOWN:
        raise ArchitectureError(f"{where} has the operation {name!r}; expected one of {', '.join(KNOWN)}")
    if not _is_state(state, 0, states):
        raise ArchitectureError(f"{where} takes state {state!r}; expected an integer from 0 to {states - 1}")
    return name, state


def _concat(cell: str, states: Any, nodes: int) -> tuple[int, ...]:
    # a reduction cell's inputs are twice as large as its nodes, so they cannot be concatenated with them
    first, end = (INPUTS if cell == "reduce" else 0), INPUTS + nodes
    well_formed = isinstance(states, (list, tuple)) and len(states) > 0
    if not well_formed or not all(_is_state(s, first, end) for s in states) or len(set(states)) != len(states):
        raise ArchitectureError(
            f"field '{cell}_concat' is {states!r}; expected distinct states from {first} to {end - 1}"
        )
    return tuple(sorted(states))


def _is_state(value: Any, first: int, end: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and first <= value < end


def _notation(genes: Mapping[str, Any]) -> str:
    parts = []
    for cell in CELL_TYPES:
        pairs = [pair for node in genes[cell] for pair in node]
        parts += [f"{cell}={pairs}", f"{cell}_concat={list(genes[f'{cell}_concat'])}"]
    return f"Genotype({', '.join(parts)})"


def from_notation(text: str) -> Architecture | None:
    """The genotype in `text`, as published by DARTS: `Genotype(normal=[('sep_conv_3x3', 1), ...], ...)`.

    It may have text around it, line breaks, `range(2, 6)`, a separate list of pairs for each node (as in pt.darts) or
    fields without names, or be a dictionary of the four fields.

    Returns:
        None if there is no genotype.

    Raises:
        ArchitectureError: it is broken, or there are several different ones.
    """
    if text.startswith("{") and "normal" in text:
        return _genotype(f"Genotype(**{text})")
    calls = [_call(text[match.start() :]) for match in re.finditer(r"\bGenotype\s*\(", text)]
    genotypes = {_genotype(call) for call in [call for call in calls if "normal" in call] or calls}
    if len(genotypes) > 1:
        raise ArchitectureError(f"the text holds {len(genotypes)} different genotypes; give one of them")
    return next(iter(genotypes), None)


def _call(text: str) -> str:
    """The text up to the bracket that closes the first one."""
    depth = 0
    for index, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == ")" and not depth:
            return text[: index + 1]
    return text


def _genotype(text: str) -> Architecture:
    genes: dict[str, Any] = {}
    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call) or len(call.args) not in (0, len(FIELDS)):
            raise ValueError("it is not a call with named fields")
        genes |= {name: _literal(value) for name, value in zip(FIELDS, call.args, strict=False)}
        for keyword in call.keywords:
            genes |= {keyword.arg: _literal(keyword.value)} if keyword.arg else _literal(keyword.value)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ArchitectureError(f"the genotype cannot be read as Genotype(normal=[...], ...): {error}") from None
    for cell in CELL_TYPES:
        if isinstance(genes.get(cell), (list, tuple)):
            genes[cell] = _paired(cell, genes[cell])
    return canonical(genes)


def _literal(value: ast.expr) -> Any:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "range":
        return list(range(*(ast.literal_eval(argument) for argument in value.args))[:MOST_STATES])
    return ast.literal_eval(value)


def _paired(cell: str, pairs: Sequence[Any]) -> Sequence[Any]:
    """The nodes of a cell, each of two pairs, from a list of pairs or of nodes."""
    if pairs and all(isinstance(node, (list, tuple)) and node and isinstance(node[0], (list, tuple)) for node in pairs):
        return pairs
    if len(pairs) % 2:
        raise ArchitectureError(f"field '{cell}' has an odd number of pairs, {len(pairs)}; expected two for each node")
    return [pairs[index : index + 2] for index in range(0, len(pairs), 2)]


# op@state, `|` between nodes, `;` before a concat other than 2, 3, 4, 5. NASNet_A and AmoebaNet_A are the
# transcriptions that DARTS compared itself with. NASNet_A omits two states of the original's concats. AmoebaNet_A
# swaps the two inputs; AmoebaNet_A_google is the cell as its authors released it.
_SHORT = {
    "s3": "sep_conv_3x3",
    "s5": "sep_conv_5x5",
    "s7": "sep_conv_7x7",
    "d3": "dil_conv_3x3",
    "d5": "dil_conv_5x5",
    "mx": "max_pool_3x3",
    "av": "avg_pool_3x3",
    "sk": "skip_connect",
    "c7": "conv_7x1_1x7",
}
_PUBLISHED = """
DARTS_V1            s3@1 s3@0 | sk@0 s3@1 | sk@0 s3@1 | s3@0 sk@2
                    mx@0 mx@1 | sk@2 mx@0 | mx@0 sk@2 | sk@2 av@0
DARTS_V2            s3@0 s3@1 | s3@0 s3@1 | s3@1 sk@0 | sk@0 d3@2
                    mx@0 mx@1 | sk@2 mx@1 | mx@0 sk@2 | sk@2 mx@1
PC_DARTS_cifar      s3@1 sk@0 | s3@0 d3@1 | s5@0 s3@1 | av@0 d3@1
                    s5@1 mx@0 | s5@1 s5@2 | s3@0 s3@3 | s3@1 s3@2
PC_DARTS_image      sk@1 s3@0 | s3@0 sk@1 | s3@1 s3@3 | s3@1 d5@4
                    s3@0 sk@1 | d5@2 mx@1 | s3@2 s3@1 | s5@0 s3@3
PDARTS              sk@0 d3@1 | sk@0 s3@1 | s3@1 s3@3 | s3@0 d5@4
                    av@0 s5@1 | s3@0 d5@2 | mx@0 d3@1 | d3@1 d5@3
NASNet_A            s5@1 s3@0 | s5@0 s3@0 | av@1 sk@0 | av@0 av@0 | s3@1 sk@1 ; 2 3 4 5 6
                    s5@1 s7@0 | mx@1 s7@0 | av@1 s5@0 | sk@3 av@2 | s3@2 mx@1 ; 4 5 6
AmoebaNet_A         av@0 mx@1 | s3@0 s5@2 | s3@0 av@3 | s3@1 sk@1 | sk@0 av@1 ; 4 5 6
                    av@0 s3@1 | mx@0 s7@2 | s7@0 av@1 | mx@0 mx@1 | c7@0 s3@5 ; 3 4 6
AmoebaNet_A_google  av@1 mx@1 | s3@0 sk@0 | sk@1 av@0 | s3@1 s5@2 | av@5 s3@1 ; 0 3 4 6
                    s3@0 av@1 | mx@1 s7@2 | mx@0 mx@1 | s3@4 c7@1 | av@0 s7@1 ; 2 3 4 5 6
CARS_H              s5@0 s3@1 | s3@0 d5@2 | av@0 sk@1 | s5@2 mx@0
                    s5@0 mx@1 | s3@0 sk@1 | d3@2 mx@0 | s5@0 av@3
EGNAS_c10_A         s3@0 s3@1 | s3@1 d3@0 | d3@2 sk@3 | s3@1 d5@3
                    s3@1 mx@0 | d5@2 s3@0 | s3@2 mx@0 | d3@3 sk@2
EGNAS_c10_B         s5@1 s3@0 | d3@2 s3@0 | s3@2 mx@0 | av@0 s5@4
                    sk@0 mx@1 | s3@1 s3@0 | s5@3 mx@1 | s3@4 mx@2
EGNAS_im_A          s3@1 s5@0 | d5@2 sk@1 | s3@2 s5@0 | s3@1 sk@2
                    s3@1 d3@0 | av@2 s5@1 | s3@3 sk@1 | s3@2 s3@4
EGNAS_im_B          d3@0 d5@1 | mx@0 d3@1 | s3@1 s5@0 | mx@4 d5@2
                    s3@0 mx@1 | mx@0 d5@2 | mx@1 av@0 | d3@1 d5@2
REPRO_c10           d5@1 sk@0 | av@2 d3@0 | d3@2 s3@0 | av@4 av@3
                    d3@0 d3@1 | s5@0 av@2 | s3@3 s3@1 | s3@0 av@4
REPRO_c100          s3@0 av@1 | av@2 av@0 | d3@2 sk@3 | av@4 d5@0
                    d3@0 d3@1 | d5@0 av@1 | s3@0 sk@1 | s3@0 mx@4
"""


def published() -> dict[str, Architecture]:
    """The published genotypes by name."""
    lines = [line for line in _PUBLISHED.splitlines() if line]
    genotypes = {}
    for normal, reduce in zip(lines[::2], lines[1::2], strict=True):
        name, cell = normal.split(maxsplit=1)
        genotypes[name] = canonical({**_from_short("normal", cell), **_from_short("reduce", reduce)})
    return genotypes


def _from_short(field: str, text: str) -> dict[str, Any]:
    cell, _, concat = text.partition(";")
    pairs = [[word.split("@") for word in node.split()] for node in cell.split("|")]
    nodes = [[(_SHORT[short], int(state)) for short, state in node] for node in pairs]
    return {field: nodes, f"{field}_concat": [int(state) for state in concat.split() or "2345"]}
