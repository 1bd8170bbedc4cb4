"""The base class of estimators that look architectures up in a table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from nasforge import (
    Architecture,
    Column,
    Context,
    DataError,
    Estimate,
    Estimator,
    Objective,
    SearchSpace,
    Table,
    VectorEncoded,
    words,
)

LABELS = {"train_seconds": "simulated training"}
"""What people call metrics whose names do not tell."""


class Lookup(Estimator):
    """Estimates from columns of a table, in microseconds and without images.

    Args:
        columns: the column for each metric, in the order of the objectives.

    Raises:
        DataError: a column is broken, or has no numbers.
    """

    needs: ClassVar[tuple[type[SearchSpace], ...]] = (VectorEncoded,)
    builds: ClassVar[bool] = False
    draws: ClassVar[bool] = False
    needs_data: ClassVar[bool] = False

    def __init__(self, table: Table, columns: Mapping[str, Column]) -> None:
        self.table, self.path = table, table.path
        self.fingerprint = table.fingerprint
        self.dataset = ", ".join(dict.fromkeys(column.dataset for column in columns.values()))
        self.objectives = tuple(
            Objective(metric, column.direction, column.report_only, LABELS.get(metric) or _label(metric, column))
            for metric, column in columns.items()
        )
        self._metrics = tuple(columns)
        self._values = table.matrix(list(columns.values()))  # (rows, metrics)
        self._fits: SearchSpace | None = None
        self._check_coverage(columns)
        self.about = {metric: column.description for metric, column in columns.items() if column.description}
        self.optima = {
            objective.metric: objective.best(self._values[:, index]) for index, objective in enumerate(self.objectives)
        }

    def check(self, space: SearchSpace) -> None:
        """Raise a `DataError` if the table is for another space."""
        check_of_space(self.table, space)
        if self.table.vectors is not None and getattr(space, "among", None) != self.table.name:
            warnings.warn(
                f"{self.table} has a sample of {self.table.rows:,} architectures of '{space.name}', and estimates of "
                f"others fail; space.among={self.table.name}, in spaces that have it, searches among these alone",
                stacklevel=4,
            )
        self._fits = space

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """The architecture's row of the table; a `DataError` if it was not measured."""
        return self.estimate_many([architecture], context)[0]

    def estimate_many(self, architectures: Sequence[Architecture], context: Context) -> Sequence[Estimate]:
        """The architectures' rows of the table; a `DataError` names the first one that was not measured."""
        if context.space is not self._fits:
            self.check(context.space)
        space = context.space
        assert isinstance(space, VectorEncoded)  # check() raises otherwise
        matrix, row = self._matrix(context.epochs), self.table.row
        return [self._estimate(matrix[row(space.encode(candidate))], candidate) for candidate in architectures]

    def _matrix(self, epochs: int | None) -> np.ndarray:
        """The metrics (rows, metrics) after so many epochs; None: after all."""
        return self._values

    def _estimate(self, row: np.ndarray, architecture: Architecture) -> Estimate:
        values = row.tolist()
        if any(value != value for value in values):  # NaN
            missing = [metric for metric, value in zip(self._metrics, values, strict=True) if value != value]
            raise DataError(f"{self.table} has no {', '.join(missing)} for {architecture}")
        return Estimate(dict(zip(self._metrics, values, strict=True)))

    def _check_coverage(self, columns: Mapping[str, Column]) -> None:
        absent = np.isnan(self._values)
        for index, column in enumerate(columns.values()):
            if absent[:, index].all():
                raise DataError(f"{self.table}: the column '{column.key}' holds no numbers")
        if count := int(absent.any(axis=1).sum()):
            warnings.warn(
                f"{self.table} has no numbers for {count} of {self.table.rows} architectures: their estimates fail",
                stacklevel=4,
            )


def check_of_space(table: Table, space: SearchSpace) -> None:
    """Raise a `DataError` if the table is for another space."""
    sizes = space.cardinalities if isinstance(space, VectorEncoded) else ()
    if space.name != table.space or sizes != table.cardinalities:
        raise DataError(
            f"{table} is of space '{table.space}' with {table.rows} architectures, but the run's "
            f"space is '{space.name}': choose space={table.space}, or a table of '{space.name}' "
            "(nasforge list tables)"
        )


def _label(metric: str, column: Column) -> str:
    """What people call a metric, with whether it was measured or predicted; empty for what its name says in full."""
    return f"{column.basis} {words(metric).partition(',')[0]}" if column.basis in ("measured", "predicted") else ""
