"""Looks candidates up in a benchmark's published results."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from nasforge import DataError, find_table
from nasforge_plugins.estimator.lookup import Lookup


class Tabular(Lookup):
    """What a benchmark published of each architecture on one data set: nothing is trained, a search takes seconds.

    Its metrics are the table's columns; those measured on test data are only reported.

    Raises:
        DataError: no such table was found, it is broken, or it has nothing to follow on that data set.
        UnknownNameError: the table is about other data sets.
    """

    name: ClassVar[str] = "tabular"

    def __init__(self, *, table: str = "nasbench201", path: Path | None = None, dataset: str = "cifar10") -> None:
        found = find_table(table, path)
        columns = {column.metric: column for column in found.of_dataset(dataset)}
        if all(column.report_only for column in columns.values()):
            raise DataError(f"{found} has nothing on {dataset} that a search may follow: only {', '.join(columns)}")
        super().__init__(found, columns)
