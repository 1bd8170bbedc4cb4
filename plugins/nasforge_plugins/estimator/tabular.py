"""Looks up candidates in a benchmark's published results."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from nasforge import DataError, find_table
from nasforge_plugins.estimator.lookup import Lookup


class Tabular(Lookup):
    """A benchmark's published results for each architecture on one data set, without training, in seconds per search.

    Its metrics are the table's columns; those measured on test data are only reported.

    Raises:
        DataError: the table is missing or broken, or has no metric for a search to follow on this data set.
        UnknownNameError: the table does not have this data set.
    """

    name: ClassVar[str] = "tabular"

    def __init__(self, *, table: str = "nasbench201", path: Path | None = None, dataset: str = "cifar10") -> None:
        results = find_table(table, path)
        columns = {column.metric: column for column in results.of_dataset(dataset)}
        if all(column.report_only for column in columns.values()):
            raise DataError(f"{results} has no metric of {dataset} that a search may follow: only {', '.join(columns)}")
        super().__init__(results, columns)
