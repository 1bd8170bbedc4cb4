"""Architectures as rows of zeros and ones: by the paths through their cells, or by their decisions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nasforge import Architecture, CellGraph, VectorEncoded


def encoded(space: VectorEncoded, architectures: Sequence[Architecture]) -> np.ndarray:
    """The path encoding if the space's drawings are cells, otherwise the one-hot encoding of its vectors.

    Returns:
        Zeros and ones (architectures, features). Rows of two calls cannot be compared.
    """
    drawings = [space.draw(architecture) for architecture in architectures]
    if all(cells and not any(cell.chain for cell in cells) for cells in drawings):
        return path_encoding(drawings)
    return one_hot_encoding(space, architectures)


def one_hot_encoding(space: VectorEncoded, architectures: Sequence[Architecture]) -> np.ndarray:
    """A one for the choice of each decision (architectures, sum of the cardinalities)."""
    ends = np.cumsum(space.cardinalities)
    vectors = np.array([space.encode(architecture) for architecture in architectures])
    rows = np.zeros((len(vectors), ends[-1]), dtype=np.float32)
    np.put_along_axis(rows, vectors + ends - np.array(space.cardinalities), 1, axis=1)
    return rows


def path_encoding(drawings: Sequence[Sequence[CellGraph]]) -> np.ndarray:
    """A one for each path through a cell, as the sequence of its operations (section 3 of the paper).

    Paths that no drawing contains have no column: it would be zero in every row.

    Args:
        drawings: the cells of each architecture, of which all architectures have the same number.

    Returns:
        Zeros and ones (architectures, paths).
    """
    inputs = [_inputs(cells) for cells in zip(*drawings, strict=True)]
    paths = [
        {
            (number, *path)
            for number, (cell, sources) in enumerate(zip(cells, inputs, strict=True))
            for path in _paths(cell, sources)
        }
        for cells in drawings
    ]
    columns = {path: column for column, path in enumerate(sorted(set().union(*paths)))}
    rows = np.zeros((len(paths), len(columns)), dtype=np.float32)
    for row, own in zip(rows, paths, strict=True):
        row[[columns[path] for path in own]] = 1
    return rows


def _inputs(cells: Sequence[CellGraph]) -> set[int]:
    """The nodes that no edge enters in any of the cells; in a single one, an inner node may have lost its edges."""
    nodes = set(range(max(len(cell.nodes) for cell in cells)))
    return nodes - {target for cell in cells for _, target, _ in cell.edges}


def _paths(cell: CellGraph, inputs: set[int]) -> set[tuple[str, ...]]:
    """The paths from an input to the last node: the input's label and the operations on the way."""
    reaching: dict[int, set[tuple[str, ...]]] = {
        node: {(label,)} if node in inputs else set() for node, label in enumerate(cell.nodes)
    }
    for target in range(len(cell.nodes)):
        for source, to, operation in cell.edges:
            if to == target:
                reaching[target] |= {(*path, operation) for path in reaching[source]}
    return reaching[len(cell.nodes) - 1]
