"""What the latency of an architecture is predicted from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nasforge import Architecture, DataError, Measurements, SearchSpace, Table, VectorEncoded

from .layers import LayerWork, work_matrices, work_of
from .published import latency_columns
from .regression import Features


class LatencyFeatures:
    """Features of the architectures of one space: what is decided about them, and what they cost elsewhere.

    The features are its latencies on the devices of a table, as in HELP (Lee et al. 2021), or without a table what the
    layers of its network do; and its decisions, if the space has any.

    Args:
        known: a table of the space. It helps if it has all measured architectures, and then must have all others.
    """

    def __init__(self, space: SearchSpace, measurements: Measurements, known: Table | None) -> None:
        self._space, self._conditions = space, measurements.conditions
        self._known = known if known is not None and _has_all(known, space, measurements.architectures) else None
        self._latencies = None if self._known is None else self._known.matrix(latency_columns(self._known))
        works = [] if self._known is not None else [self._work(each) for each in measurements.architectures]
        self._kinds = sorted({kind for work in works for kind in work.by_kind})

    def __call__(self, architectures: Sequence[Architecture]) -> list[Features]:
        """Return the groups, with a row for each architecture; the first is the one to rely on."""
        space = self._space
        if not isinstance(space, VectorEncoded):
            return self._works(architectures)
        vectors = np.array([space.encode(architecture) for architecture in architectures])
        decisions = Features(indicators(vectors, space.cardinalities), quantities=False)
        if self._known is None or self._latencies is None:
            return [*self._works(architectures), decisions]
        rows = [self._known.row(vector) for vector in vectors]
        return [Features(self._latencies[rows], quantities=True), decisions]

    def _works(self, architectures: Sequence[Architecture]) -> list[Features]:
        works = work_matrices([self._work(architecture) for architecture in architectures], self._kinds)
        return [Features(matrix, quantities=True) for matrix in works]

    def _work(self, architecture: Architecture) -> LayerWork:
        return work_of(self._space, architecture, self._conditions.input_shape, self._conditions.classes)


def _has_all(table: Table, space: SearchSpace, architectures: Sequence[Architecture]) -> bool:
    assert isinstance(space, VectorEncoded)  # the space of a table
    try:
        for architecture in architectures:
            table.row(space.encode(architecture))
    except DataError:  # it is a table of a sample
        return False
    return True


def indicators(vectors: np.ndarray, cardinalities: Sequence[int]) -> np.ndarray:
    """Return (architectures, all choices): 1 for each choice that the vectors (architectures, decisions) make."""
    columns = [vectors[:, [place]] == np.arange(choices) for place, choices in enumerate(cardinalities)]
    return np.concatenate(columns, axis=1).astype(np.float64)
