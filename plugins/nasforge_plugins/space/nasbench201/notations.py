"""The cell of NAS-Bench-201 as other tools write it: in a line of a log, as an index, a list of nodes or a tuple."""

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
"""The orders in which NASLib lists a cell's six choices (`convert_str_to_op_indices`)."""
CELLS = len(OPERATIONS) ** len(EDGES)
SEED = 88
"""With which the benchmark's authors shuffled all cells before they numbered them."""


def from_notation(text: str) -> Architecture | None:
    """The cell that `text` holds; words around a string, as in `Structure(4 nodes with |...|)`, are fine.

    Returns:
        None if there is none.

    Raises:
        ArchitectureError: it is broken, there are several different ones, or it may mean two of them.
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
    """The cell with that number in the releases of NAS-Bench-201 and of NATS-Bench's topology space."""
    if not 0 <= index < CELLS:
        raise ArchitectureError(f"there is no cell {index}: the indices of NAS-Bench-201 go from 0 to {CELLS - 1}")
    row = _order()[index]
    digits = [row // len(OPERATIONS) ** place % len(OPERATIONS) for place in reversed(range(len(EDGES)))]
    return canonical({GENE: [OPERATIONS[digit] for digit in digits]})


@cache
def _order() -> Sequence[int]:
    """Of each index the rank of its cell where the first edge counts most: AutoDL-Projects generated them so."""
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
    if len(value) == len(EDGES) and all(type(one) in (int, str) for one in value):
        return _from_six(value)
    return None


def _from_edges(by_edge: Mapping[Any, Any]) -> Architecture | None:
    """Of `{'1<-0': 'nor_conv_3x3', ...}`, as the searches of AutoDL-Projects name their choices."""
    names = [edge_name(edge) for edge in EDGES]
    return canonical({GENE: [by_edge[name] for name in names]}) if set(by_edge) == set(names) else None


def _node(pairs: Sequence[Any]) -> str:
    """What comes into one node, as the string has it; `from_string` looks at whether that is right."""
    words = ["~".join(map(str, pair)) if isinstance(pair, (list, tuple)) else str(pair) for pair in pairs]
    return f"|{'|'.join(words)}|"


def _from_six(choices: Sequence[int | str]) -> Architecture:
    """Of six operations or their numbers, whose order the benchmark's code and NASLib understand in two ways."""
    official = dict(zip(EDGES, (_named(one, OPERATIONS) for one in choices), strict=True))
    naslib = dict(zip(NASLIB_EDGES, (_named(one, NASLIB_OPERATIONS) for one in choices), strict=True))
    one, other = (canonical({GENE: [by_edge[edge] for edge in EDGES]}) for by_edge in (official, naslib))
    if one != other:
        raise ArchitectureError(
            f"{list(choices)} means {one} in the order of NAS-Bench-201's own code, and {other} in NASLib's; "
            f"give the string that you mean"
        )
    return one


def _named(choice: int | str, operations: Sequence[str]) -> str:
    return operations[choice] if isinstance(choice, int) and 0 <= choice < len(operations) else str(choice)
