"""Known facts for comparison: how a metric was measured, its optimum, and the true accuracies of a found cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nasforge.architecture import Architecture
from nasforge.estimator import Estimator
from nasforge.result import KnownMetric, TableLookup, TableRow
from nasforge.space import SearchSpace, VectorEncoded
from nasforge.tables.columns import Column
from nasforge.tables.files import read_table, tables
from nasforge.tables.installed import open_installed
from nasforge.tables.table import Table

TEST, VALIDATION = "test_accuracy", "accuracy"
"""The columns with reported results, and with those that a search may follow."""


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
    table = _table_of(space, dataset)
    if table is None or not isinstance(space, VectorEncoded):
        return None
    places = {name: table.row(space.encode(architecture)) for name, architecture in rows.items()}
    test, validation = (_accuracies(table, metric, places) for metric in (TEST, VALIDATION))
    return TableLookup(
        source=table.source,
        about=test.about,
        validation=validation.about,
        datasets=test.datasets,
        rows=[
            TableRow(name=name, test_accuracy=accuracies, validation_accuracy=validation.rows[name])
            for name, accuracies in test.rows.items()
        ]
        + ([TableRow(name="paper", test_accuracy=dict(paper))] if paper else []),
    )


def missing_table(space: SearchSpace, dataset: str, paper: Mapping[str, float]) -> list[str]:
    """Return a note if `true_accuracies` will lack a number that the strategy's paper reports.

    Raises:
        DataError: the table is broken.
    """
    if dataset not in paper or _table_of(space, dataset) is not None:
        return []
    return [
        f"there is no table of '{space.name}' with results on {dataset}, so the true accuracy of the architecture that "
        "the search finds cannot be looked up; `pip install nasforge-tables` brings tables, and `nasforge table "
        "import` makes one of a file that you have (docs/tables.md)"
    ]


def _table_of(space: SearchSpace, dataset: str) -> Table | None:
    in_places = next((read_table(path) for path in tables() if path.stem == space.name), None)
    table = in_places or open_installed(space.name)
    return table if table is not None and dataset in table.datasets else None


@dataclass(frozen=True)
class _Accuracies:
    """One kind of accuracy: how it was measured, and its values by data set in each row to show."""

    about: str
    datasets: list[str]
    rows: Mapping[str, Mapping[str, float | None]]


def _accuracies(table: Table, metric: str, places: Mapping[str, int]) -> _Accuracies:
    columns = [column for column in table.columns if column.metric == metric]
    values = table.matrix(columns) if columns else np.empty((table.rows, 0))
    known = {name: values[row].tolist() for name, row in places.items()}
    summary = {"mean of all": np.nanmean(values, axis=0).tolist(), "optimum": np.nanmax(values, axis=0).tolist()}
    return _Accuracies(
        columns[0].description if columns else "",
        [column.dataset for column in columns],
        {name: _by_dataset(columns, row) for name, row in {**known, **summary}.items()},
    )


def _by_dataset(columns: list[Column], numbers: list[float]) -> dict[str, float | None]:
    return {
        column.dataset: None if np.isnan(number) else number for column, number in zip(columns, numbers, strict=True)
    }
