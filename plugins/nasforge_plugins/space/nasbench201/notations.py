"""Reads NAS-Bench-201's cells as other tools write them: a line of a log, an index, a list of nodes or a tuple."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from nasforge import Architecture, ArchitectureError

from .cell import EDGES, GENE, NODES, OPERATIONS, canonical, edge_name, from_string

EXAMPLES = (
    "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|",
    "[(('nor_conv_3x3', 0),), (('none', 0), ('nor_conv_3x3', 1)), ...]",
    "{'1<-0': 'nor_conv_3x3', ...}",
    "[4, 0, 3, 1, 4, 3]",
    "an index from 0 to 15624",
)
NASLIB_OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
NASLIB_EDGES = tuple(sorted(EDGES))
"""NASLib's order of a cell's six choices (`convert_str_to_op_indices`)."""
CELLS = len(OPERATIONS) ** len(EDGES)
SEED = 88
"""The seed with which the benchmark's authors shuffled all cells before they numbered them."""


def from_notation(text: str) -> Architecture | None:
    """The cell in `text`; a string may have text around it, as in `Structure(4 nodes with |...|)`.

    Returns:
        None if there is no cell.

    Raises:
        ArchitectureError: it is broken or ambiguous, or there are several different ones.
    """
    if re.fullmatch(r"-?\d{1,18}", text):
        return from_index(int(text))
    text = re.sub(r"\s*\+\s*", "+", text)
    strings = set(re.findall(r"\|[\w~|+]*~[\w~|+]*\|", text))
    if len(strings) > 1:
        raise ArchitectureError(f"the text holds {len(strings)} different cells; give one of them")
    if strings or text.startswith("|"):
        return from_string(re.split(r"[\s,;]", text)[0] if text.startswith("|") else strings.pop())
    structure = re.search(r"Structure\s*\((.*)\)", text, re.DOTALL)
    return _from_literal(structure[1] if structure else text)


def from_index(index: int) -> Architecture:
    """The cell with this index in the releases of NAS-Bench-201 and of NATS-Bench's topology space."""
    if not 0 <= index < CELLS:
        raise ArchitectureError(f"there is no cell {index}: the indices of NAS-Bench-201 go from 0 to {CELLS - 1}")
    row = _order()[index]
    digits = [row // len(OPERATIONS) ** place % len(OPERATIONS) for place in reversed(range(len(EDGES)))]
    return canonical({GENE: [OPERATIONS[digit] for digit in digits]})


@cache
def _order() -> Sequence[int]:
    """By index: the cell's rank with the first edge as the most significant digit, as in AutoDL-Projects."""
    order = list(range(CELLS))
    random.Random(SEED).shuffle(order)
    return order


def _from_literal(text: str) -> Architecture | None:
    try:
        value = ast.literal_eval(text.strip())
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None
    if isinstance(value, Mapping):
        return _from_edges(value)
    if not isinstance(value, (list, tuple)):
        return None
    if len(value) == NODES - 1 and all(isinstance(node, (list, tuple)) for node in value):
        return from_string("+".join(_node(node) for node in value))
    if len(value) == len(EDGES) and all(type(choice) in (int, str) for choice in value):
        return _from_six(value)
    return None


def _from_edges(by_edge: Mapping[Any, Any]) -> Architecture | None:
    """The cell in `{'1<-0': 'nor_conv_3x3', ...}`, the notation of AutoDL-Projects' searches."""
    names = [edge_name(edge) for edge in EDGES]
    return canonical({GENE: [by_edge[name] for name in names]}) if set(by_edge) == set(names) else None


def _node(pairs: Sequence[Any]) -> str:
    """One node's incoming edges in the string notation; `from_string` checks them."""
    words = ["~".join(map(str, pair)) if isinstance(pair, (list, tuple)) else str(pair) for pair in pairs]
    return f"|{'|'.join(words)}|"


def _from_six(choices: Sequence[int | str]) -> Architecture:
    """The cell with six operations or their numbers, which the benchmark's code and NASLib order differently."""
    by_edge = dict(zip(EDGES, (_named(choice, OPERATIONS) for choice in choices), strict=True))
    naslib_by_edge = dict(zip(NASLIB_EDGES, (_named(choice, NASLIB_OPERATIONS) for choice in choices), strict=True))
    official = canonical({GENE: [by_edge[edge] for edge in EDGES]})
    naslib = canonical({GENE: [naslib_by_edge[edge] for edge in EDGES]})
    if official != naslib:
        raise ArchitectureError(
            f"{list(choices)} means {official} in the order of NAS-Bench-201's own code, and {naslib} in NASLib's; "
            f"give the string that you mean"
        )
    return official


def _named(choice: int | str, operations: Sequence[str]) -> str:
    return operations[choice] if isinstance(choice, int) and 0 <= choice < len(operations) else str(choice)
