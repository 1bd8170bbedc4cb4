"""The thirteen operations and the eight known cells of TS-ENAS, under the codes of its Tables I and II.

A cell is a tuple of quadruples (x_i, x_j, o_i, o_j), one for each intermediate node: the node is the sum of operation
o_i on state x_i and operation o_j on state x_j. States 0 and 1 are the cell's inputs, the first node is state 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

SPACE = "tsenas"
INPUTS = 2
Quadruple = tuple[int, int, int, int]
Cell = tuple[Quadruple, ...]

OPERATIONS: Mapping[int, str] = MappingProxyType(
    {
        1: "skip_connect",
        2: "conv_3x1_1x3",
        3: "conv_7x1_1x7",
        4: "dil_conv_3x3",
        5: "avg_pool_3x3",
        6: "max_pool_3x3",
        7: "max_pool_5x5",
        8: "max_pool_7x7",
        9: "nor_conv_1x1",
        10: "nor_conv_3x3",
        11: "sep_conv_3x3",
        12: "sep_conv_5x5",
        13: "sep_conv_7x7",
        14: "dil_conv_5x5",
    }
)
"""Table I, and a code of our own, 14: CARS-H has a dilated 5x5 convolution, which the table lacks."""
DRAWN = tuple(range(1, 14))
"""The codes that mutation draws: those of the table."""
DIL_CONV_3X3, DIL_CONV_5X5 = 4, 14

NAMES: Mapping[int, str] = MappingProxyType(
    {
        1: "AmoebaNet-A normal",
        2: "NASNet-A normal",
        3: "DARTS normal",
        4: "CARS-H normal",
        5: "AmoebaNet-A reduction",
        6: "NASNet-A reduction",
        7: "DARTS reduction",
        8: "CARS-H reduction",
    }
)
"""Table II. Code c + 4 is the reduction cell of the paper that normal cell c comes from."""
NORMAL = (1, 2, 3, 4)
REDUCTION = (5, 6, 7, 8)

DARTSCells = Literal["V1", "V2"]
AmoebaNetCells = Literal["transcription", "google"]

# As the DARTS paper's code writes them. It swaps AmoebaNet's inputs; "google" is the cell as its authors published it.
_AMOEBANET: Mapping[str, Mapping[int, Cell]] = {
    "transcription": {
        1: ((0, 1, 5, 6), (0, 2, 11, 12), (0, 3, 11, 5), (1, 1, 11, 1), (0, 1, 1, 5)),
        5: ((0, 1, 5, 11), (0, 2, 6, 13), (0, 1, 13, 5), (0, 1, 6, 6), (0, 5, 3, 11)),
    },
    "google": {
        1: ((1, 1, 5, 6), (0, 0, 11, 1), (1, 0, 1, 5), (1, 2, 11, 12), (5, 1, 5, 11)),
        5: ((0, 1, 11, 5), (1, 2, 6, 13), (0, 1, 6, 6), (4, 1, 11, 3), (0, 1, 5, 13)),
    },
}
_DARTS: Mapping[str, Mapping[int, Cell]] = {
    "V1": {
        3: ((1, 0, 11, 11), (0, 1, 1, 11), (0, 1, 1, 11), (0, 2, 11, 1)),
        7: ((0, 1, 6, 6), (2, 0, 1, 6), (0, 2, 6, 1), (2, 0, 1, 5)),
    },
    "V2": {
        3: ((0, 1, 11, 11), (0, 1, 11, 11), (1, 0, 11, 1), (0, 2, 1, 4)),
        7: ((0, 1, 6, 6), (2, 1, 1, 6), (0, 2, 6, 1), (2, 1, 1, 6)),
    },
}
_OTHERS: Mapping[int, Cell] = {
    2: ((1, 0, 12, 11), (0, 0, 12, 11), (1, 0, 5, 1), (0, 0, 5, 5), (1, 1, 11, 1)),
    4: ((0, 1, 12, 11), (0, 2, 11, 14), (0, 1, 5, 1), (2, 0, 12, 6)),
    6: ((1, 0, 12, 13), (1, 0, 6, 13), (1, 0, 5, 12), (3, 2, 1, 5), (2, 1, 11, 6)),
    8: ((0, 1, 12, 6), (0, 1, 11, 1), (2, 0, 4, 6), (0, 3, 12, 5)),
}


def known_cells(darts: DARTSCells, amoebanet: AmoebaNetCells, dil_conv_5x5: bool) -> Mapping[int, Cell]:
    """The eight cells by code.

    Args:
        darts, amoebanet: which of two published cells.
        dil_conv_5x5: whether CARS-H keeps the operation that the table lacks; otherwise a 3x3 one takes its place.
    """
    cells = {**_AMOEBANET[amoebanet], **_DARTS[darts], **_OTHERS}
    if not dil_conv_5x5:
        cells = {code: tuple(_without_5x5(node) for node in cell) for code, cell in cells.items()}
    return dict(sorted(cells.items()))


def _without_5x5(node: Quadruple) -> Quadruple:
    first, second, one, other = node
    smaller = {DIL_CONV_5X5: DIL_CONV_3X3}
    return first, second, smaller.get(one, one), smaller.get(other, other)


def alike(code: int) -> tuple[int, ...]:
    """The codes of all cells of the same kind."""
    return REDUCTION if code in REDUCTION else NORMAL
