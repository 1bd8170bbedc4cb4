"""Known facts for comparison: how a metric was measured, its optimum, and the true accuracies of a found cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nasforge.architecture import Architecture
from nasforge.estimator import Estimator
from nasforge.result import KnownMetric, TableLookup, TableRow
from nasforge.space import SearchSpace, VectorEncoded
from nasforge.tables.columns import Column
from nasforge.tables.files import read_table, tables
from nasforge.tables.installed import open_installed
from nasforge.tables.table import Table

METRIC = "test_accuracy"
"""The column with reported results."""


def explained(estimators: Sequence[Estimator]) -> dict[str, KnownMetric]:
    """Return what the estimators know about each metric; the last estimator that knows it counts."""
    about = {metric: text for estimator in estimators for metric, text in estimator.about.items()}
    optima = {metric: optimum for estimator in estimators for metric, optimum in estimator.optima.items()}
    return {metric: KnownMetric(about=about.get(metric), optimum=optima.get(metric)) for metric in {**about, **optima}}


def true_accuracies(
    space: SearchSpace, rows: Mapping[str, Architecture], dataset: str, paper: Mapping[str, float]
) -> TableLookup | None:
    """Look up architectures in a table of `space`; None if there is no table with results on `dataset`.

    Args:
        rows: architectures by name of their row.
        dataset: the data of the search.
        paper: the accuracies that the strategy's paper reports, by data set.

    Raises:
        DataError: the table is broken.
    """
    table = _table_of(space)
    if table is None or dataset not in table.datasets or not isinstance(space, VectorEncoded):
        return None
    columns = [column for column in table.columns if column.metric == METRIC]
    values = table.matrix(columns)
    known = {name: values[table.row(space.encode(architecture))].tolist() for name, architecture in rows.items()}
    summary = {"mean of all": np.nanmean(values, axis=0).tolist(), "optimum": np.nanmax(values, axis=0).tolist()}
    numbers = {name: _by_dataset(columns, row) for name, row in {**known, **summary}.items()}
    return TableLookup(
        source=table.source,
        about=columns[0].description,
        datasets=[column.dataset for column in columns],
        rows=[TableRow(name=name, test_accuracy=accuracies) for name, accuracies in numbers.items()]
        + ([TableRow(name="paper", test_accuracy=dict(paper))] if paper else []),
    )


def why_not_looked_up(space: SearchSpace, dataset: str, paper: Mapping[str, float]) -> list[str]:
    """Return a note if `true_accuracies` lacks a number that the strategy's paper reports."""
    if dataset not in paper:
        return []
    return [
        f"no table of '{space.name}' with results on {dataset} was found, so the true accuracy of the found "
        "architecture was not looked up; `nasforge table import` makes one (docs/tables.md)"
    ]


def _table_of(space: SearchSpace) -> Table | None:
    in_places = next((read_table(path) for path in tables() if path.stem == space.name), None)
    return in_places or open_installed(space.name)


def _by_dataset(columns: list[Column], numbers: list[float]) -> dict[str, float | None]:
    return {
        column.dataset: None if np.isnan(number) else number for column, number in zip(columns, numbers, strict=True)
    }
