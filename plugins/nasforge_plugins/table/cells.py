"""Converts NAS-Bench-201's architecture strings to rows of a table."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from nasforge import DataError

SPACE = "nasbench201"
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(from, to), in the order of the strings."""
CARDINALITIES = (len(OPERATIONS),) * len(EDGES)
SEED = 88
"""The seed with which the benchmark's authors shuffled all cells before they numbered them."""

_CELL = re.compile(r"\|(\w+)~0\|\+\|(\w+)~0\|(\w+)~1\|\+\|(\w+)~0\|(\w+)~1\|(\w+)~2\|")
_DIGITS = {operation: digit for digit, operation in enumerate(OPERATIONS)}


def rows_of(strings: Iterable[str], where: str) -> np.ndarray:
    """Rows (N,), int64, of architecture strings such as `|none~0|+|none~0|none~1|+|none~0|none~1|none~2|`.

    Args:
        where: the name of the file in the message.

    Raises:
        DataError: a string is not such a cell, or occurs twice.
    """
    return distinct_rows(np.array([_vector(string, where) for string in strings]), where)


def is_cell(value: Any) -> bool:
    """Whether `value` is an architecture string."""
    return isinstance(value, str) and _CELL.fullmatch(value) is not None


def rows_of_indices(indices: np.ndarray, where: str) -> np.ndarray:
    """Rows (N,), int64, of the benchmark's own indices; a `DataError` if one is out of range or occurs twice."""
    count = np.prod(CARDINALITIES)
    if ((indices < 0) | (indices >= count)).any():
        wrong = indices[(indices < 0) | (indices >= count)][0]
        raise DataError(f"{where}: there is no cell {wrong}: the indices of NAS-Bench-201 go from 0 to {count - 1}")
    order = list(range(count))
    random.Random(SEED).shuffle(order)
    rows = np.array(order)[indices]
    return distinct_rows(np.stack(np.unravel_index(rows, CARDINALITIES), axis=1), where)


def distinct_rows(vectors: np.ndarray, where: str) -> np.ndarray:
    """Rows (N,), int64, of the cells' operations (N, 6) as indices; a `DataError` if a cell occurs twice."""
    rows: np.ndarray = np.ravel_multi_index(vectors.T, CARDINALITIES)
    values, counts = np.unique(rows, return_counts=True)
    if (counts > 1).any():
        twice = np.flatnonzero(rows == values[counts > 1][0])
        raise DataError(f"{where}: cells {twice[0]} and {twice[1]} (counted from 0) are the same")
    return rows


def _vector(string: str, where: str) -> tuple[int, ...]:
    match = _CELL.fullmatch(string)
    if match is None:
        raise DataError(
            f"{where}: {string[:120]!r} is not a cell of NAS-Bench-201, such as |none~0|+|none~0|none~1|+|..."
        )
    try:
        return tuple(_DIGITS[operation] for operation in match.groups())
    except KeyError as unknown:
        raise DataError(
            f"{where}: {string[:120]!r} names the operation {unknown}; the operations are {', '.join(OPERATIONS)}"
        ) from None
