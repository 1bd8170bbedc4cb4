"""The cell of NAS-Bench-201: its canonical form, the published notation, and equivalent cells."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from nasforge import Architecture, ArchitectureError

SPACE = "nasbench201"
GENE = "cell"
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The candidates, in the benchmark's order, which is also that of the alphas' columns."""
_INDICES = dict(zip(OPERATIONS, range(len(OPERATIONS)), strict=True))
NODES = 4
"""Node 0 is the cell's input, node 3 its output; every later node is the sum of its incoming edges."""
EDGES = tuple((source, target) for target in range(1, NODES) for source in range(target))
"""(from, to), in the benchmark's order, which is also that of the alphas' rows: 1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2."""
SIZES = (len(OPERATIONS),) * len(EDGES)
"""The number of choices of each edge."""


def canonical(genes: Mapping[str, Any]) -> Architecture:
    """The architecture with this gene; an `ArchitectureError` names a broken edge and the valid operations."""
    if set(genes) != {GENE}:
        raise ArchitectureError(
            f"an architecture of space '{SPACE}' has the field '{GENE}' and no other; this one has "
            f"{', '.join(genes) or 'no field'}"
        )
    names = genes[GENE]
    if not isinstance(names, (list, tuple)) or len(names) != len(EDGES):
        raise ArchitectureError(
            f"field '{GENE}' must be a list of {len(EDGES)} operations, one for each of the edges "
            f"{', '.join(map(edge_name, EDGES))}"
        )
    for edge, name in zip(EDGES, names, strict=True):
        if name not in OPERATIONS:
            raise ArchitectureError(_no_operation(edge, name))
    return Architecture.of(SPACE, {GENE: names}, notation(names))


@cache  # of at most 15,625 cells, which a search on a table asks for again and again
def of_choices(choices: tuple[int, ...]) -> Architecture:
    """The architecture with these operations, as indices into `OPERATIONS`, one for each edge."""
    if len(choices) != len(EDGES) or not all(0 <= choice < len(OPERATIONS) for choice in choices):
        raise ArchitectureError(f"a vector of space '{SPACE}' has 6 integers from 0 to 4, not {list(choices)}")
    return canonical({GENE: [OPERATIONS[choice] for choice in choices]})


@cache
def choices(genes: tuple[tuple[str, Any], ...]) -> np.ndarray:
    """The indices (6,) into `OPERATIONS` of a cell's operations; an `ArchitectureError` if the genes are no cell."""
    names = dict(genes).get(GENE)
    if len(genes) != 1 or not isinstance(names, tuple) or len(names) != len(EDGES) or not set(names) <= set(_INDICES):
        return choices(canonical(dict(genes)).genes)  # which says what is wrong
    indices = np.array([_INDICES[name] for name in names])
    indices.setflags(write=False)  # everyone shares it
    return indices


def edge_name(edge: tuple[int, int]) -> str:
    """An edge as the benchmark writes it: `2<-1` leads from node 1 to node 2."""
    source, target = edge
    return f"{target}<-{source}"


def _no_operation(edge: tuple[int, int], name: Any) -> str:
    near = difflib.get_close_matches(str(name), OPERATIONS, n=1)
    hint = f". Did you mean {near[0]}?" if near else ""
    return f"edge {edge_name(edge)}: {name!r} is not one of {', '.join(OPERATIONS)}{hint}"


def notation(names: Sequence[str]) -> str:
    """The published string: `|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|`."""
    nodes = [
        "|".join(f"{name}~{source}" for name, (source, to) in zip(names, EDGES, strict=True) if to == target)
        for target in range(1, NODES)
    ]
    return "+".join(f"|{node}|" for node in nodes)


def from_string(text: str) -> Architecture:
    """The architecture in the string of `notation`; an `ArchitectureError` names the edge or node that is wrong."""
    parts = text.strip().split("+")
    if len(parts) != NODES - 1:
        raise ArchitectureError(
            f"a cell is {NODES - 1} parts joined by '+', one for each of the nodes 1, 2 and 3; this has {len(parts)}"
        )
    operations: dict[tuple[int, int], str] = {}
    for target, part in enumerate(parts, start=1):
        operations |= _incoming(target, part.strip())
    return canonical({GENE: [operations[edge] for edge in EDGES]})


def _incoming(target: int, part: str) -> dict[tuple[int, int], str]:
    """The operations of the edges into one node, by edge."""
    expected = f"|{'|'.join(f'OPERATION~{source}' for source in range(target))}|"
    if len(part) < 2 or not part.startswith("|") or not part.endswith("|"):
        raise ArchitectureError(f"node {target} is written '{part}'; expected {expected}")
    operations: dict[tuple[int, int], str] = {}
    for word in part[1:-1].split("|"):
        name, _, source = word.partition("~")
        if not re.fullmatch(r"\d", source) or int(source) >= target:
            raise ArchitectureError(f"node {target} has the edge '{word}'; expected {expected}")
        edge = (int(source), target)
        if edge in operations:
            raise ArchitectureError(f"edge {edge_name(edge)} is given twice; expected {expected}")
        operations[edge] = name
    for edge in EDGES:
        if edge[1] == target and edge not in operations:
            raise ArchitectureError(f"edge {edge_name(edge)} is missing; expected {expected}")
    return operations


def function_key(names: Sequence[str]) -> str:
    """The benchmark's unique string of a cell: the same for isomorphic cells; there are 6,466 different ones.

    Each node is the sorted sum of its inputs: an operation of a node, the node itself through `skip_connect`, zero
    ('#') through `none` (Dong and Yang 2020, section 2.1, as in their code: a node keeps the zeros of its edges, so
    some cells that compute the same function have different strings).
    """
    nodes = ["0"]
    for target in range(1, NODES):
        terms = []
        for name, (source, to) in zip(names, EDGES, strict=True):
            if to != target:
                continue
            if name == "none" or nodes[source] == "#":
                terms.append("#")
            else:
                terms.append(nodes[source] if name == "skip_connect" else f"({nodes[source]})@{name}")
        nodes.append("+".join(sorted(terms)))
    return nodes[-1]


# The best cell of each data set by mean test accuracy after 200 epochs; the cell of a ResNet; the cell to which DARTS
# collapses on this benchmark; the largest.
_PUBLISHED = {
    "best_cifar10": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
    "best_cifar100": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    "best_imagenet16_120": (
        "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    ),
    "resnet": "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|",
    "all_skip": "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|",
    "all_conv_3x3": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
}


def published() -> dict[str, Architecture]:
    """Published cells by name."""
    return {name: from_string(text) for name, text in _PUBLISHED.items()}
