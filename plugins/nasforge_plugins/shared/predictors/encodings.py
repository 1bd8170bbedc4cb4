"""Architectures as rows of zeros and ones: by the paths through their cells, or by their decisions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from nasforge import Architecture, CellGraph, VectorEncoded

Path = tuple[int | str, ...]


def encoded(space: VectorEncoded, architectures: Sequence[Architecture]) -> np.ndarray:
    """The path encoding if the space's drawings are cells, otherwise the one-hot encoding of its vectors.

    Returns:
        Zeros and ones (architectures, features). Rows of two calls cannot be compared.
    """
    drawings = [space.draw(architecture) for architecture in architectures]
    if _are_cells(drawings):
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
    inputs = _inputs(drawings)
    paths = [_paths(cells, inputs) for cells in drawings]
    columns = {path: column for column, path in enumerate(sorted(set().union(*paths)))}
    rows = np.zeros((len(paths), len(columns)), dtype=np.float32)
    for row, own in zip(rows, paths, strict=True):
        row[[columns[path] for path in own]] = 1
    return rows


class Encoder(ABC):
    """Encodes architectures by fixed columns, which depend on the architectures that it was made from.

    Args:
        architectures: at least one.
    """

    @abstractmethod
    def __init__(self, space: VectorEncoded, architectures: Sequence[Architecture]) -> None: ...

    @abstractmethod
    def __call__(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return float64 (architectures, features); a row depends on its own architecture alone."""


class DecisionEncoder(Encoder):
    """`one_hot_encoding`."""

    def __init__(self, space: VectorEncoded, architectures: Sequence[Architecture]) -> None:
        self.space = space

    def __call__(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """See `Encoder`."""
        return one_hot_encoding(self.space, architectures).astype(np.float64)


class PathEncoder(Encoder):
    """`path_encoding`, with one more column that counts the paths that none of the first architectures has.

    So distances to these architectures are the Hamming distances between sets of paths.
    """

    def __init__(self, space: VectorEncoded, architectures: Sequence[Architecture]) -> None:
        self.space = space
        drawings = [space.draw(architecture) for architecture in architectures]
        self._inputs = _inputs(drawings)
        known = set().union(*(_paths(cells, self._inputs) for cells in drawings))
        self._columns = {path: column for column, path in enumerate(sorted(known))}

    def __call__(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """See `Encoder`."""
        rows = np.zeros((len(architectures), len(self._columns) + 1))
        for row, architecture in zip(rows, architectures, strict=True):
            for path in _paths(self.space.draw(architecture), self._inputs):
                row[self._columns.get(path, -1)] += 1
        return rows


def encoders(space: VectorEncoded, architectures: Sequence[Architecture]) -> list[Encoder]:
    """Return an encoder of the decisions and, if the space's drawings are cells, one of the paths before it.

    Which of them suits a metric depends on the metric: paths tell what a cell computes, decisions how large it is.
    """
    by_decisions = DecisionEncoder(space, architectures)
    if not _are_cells([space.draw(architectures[0])]):
        return [by_decisions]
    return [PathEncoder(space, architectures), by_decisions]


def _are_cells(drawings: Sequence[Sequence[CellGraph]]) -> bool:
    return all(cells and not any(cell.chain for cell in cells) for cells in drawings)


def _inputs(drawings: Sequence[Sequence[CellGraph]]) -> list[set[int]]:
    """For each cell the nodes that no edge enters in any drawing; in a single one, an inner node may have lost its
    edges."""
    return [
        set(range(max(len(cell.nodes) for cell in cells))) - {target for cell in cells for _, target, _ in cell.edges}
        for cells in zip(*drawings, strict=True)
    ]


def _paths(cells: Sequence[CellGraph], inputs: Sequence[set[int]]) -> set[Path]:
    """The paths through all cells: the number of the cell, the input's label and the operations on the way."""
    return {
        (number, *path)
        for number, (cell, sources) in enumerate(zip(cells, inputs, strict=True))
        for path in _paths_of_cell(cell, sources)
    }


def _paths_of_cell(cell: CellGraph, inputs: set[int]) -> set[tuple[str, ...]]:
    """The paths from an input to the last node: the input's label and the operations on the way."""
    reaching: dict[int, set[tuple[str, ...]]] = {
        node: {(label,)} if node in inputs else set() for node, label in enumerate(cell.nodes)
    }
    for target in range(len(cell.nodes)):
        for source, to, operation in cell.edges:
            if to == target:
                reaching[target] |= {(*path, operation) for path in reaching[source]}
    return reaching[len(cell.nodes) - 1]
