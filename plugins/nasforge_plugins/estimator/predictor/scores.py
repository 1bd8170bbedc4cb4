"""Scores of untrained networks as further features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nasforge import Architecture, Table, VectorEncoded
from nasforge_plugins.estimator.lookup import check_of_space
from nasforge_plugins.shared.predictors import Encoder


class WithScores(Encoder):
    """The features of another encoder, and for each score of a table the share of examples that have a lower one.

    A score that the table lacks counts as the table's median.

    Args:
        encoder: the other encoder.
        table, dataset: where the scores are.
        examples: the architectures to compare with.

    Raises:
        DataError: the table is of another space, or lacks an example.
        UnknownNameError: it lacks the data set.
    """

    def __init__(
        self, encoder: Encoder, space: VectorEncoded, table: Table, dataset: str, examples: Sequence[Architecture]
    ) -> None:
        check_of_space(table, space)
        self._encoder, self._space, self._table = encoder, space, table
        values = table.matrix(table.of_dataset(dataset))
        self._values = np.where(np.isnan(values), np.nanmedian(values, axis=0), values)
        self._ordered = np.sort(self._scores(examples), axis=0)  # (examples, scores)

    def __call__(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """See `Encoder`; a `DataError` if the table lacks an architecture."""
        columns = zip(self._ordered.T, self._scores(architectures).T, strict=True)
        shares = [np.searchsorted(ordered, scores) / len(ordered) for ordered, scores in columns]
        return np.column_stack([self._encoder(architectures), *shares])

    def _scores(self, architectures: Sequence[Architecture]) -> np.ndarray:
        rows = [self._table.row(self._space.encode(architecture)) for architecture in architectures]
        scores: np.ndarray = self._values[rows]
        return scores
