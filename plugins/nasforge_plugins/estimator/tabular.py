"""Looks up candidates in a benchmark's published results."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import ClassVar

from nasforge import Column, DataError, OptionError, find_table
from nasforge_plugins.estimator.lookup import Lookup


class Tabular(Lookup):
    """A benchmark's published results for each architecture on a data set, without training, in seconds per search.

    Its metrics are the table's columns; those measured on test data are only reported. Several data sets add up their
    metrics, such as the accuracies on one and the throughput on a device.

    Raises:
        DataError: the table is missing or broken, or has no metric for a search to follow on this data set.
        UnknownNameError: the table does not have a data set.
        OptionError: two data sets have a metric in common.
    """

    name: ClassVar[str] = "tabular"
    looks_up: ClassVar[bool] = True

    def __init__(
        self,
        *,
        table: str = "nasbench201",
        path: Path | None = None,
        dataset: str | tuple[str, ...] = "cifar10",
    ) -> None:
        names = (dataset,) if isinstance(dataset, str) else dataset
        if not names:
            raise OptionError("estimator.tabular.dataset=[]: it must name a data set, or several")
        results = find_table(table, path)
        columns: dict[str, Column] = {}
        for column in itertools.chain.from_iterable(map(results.of_dataset, names)):
            if (first := columns.setdefault(column.metric, column)) is not column:
                raise OptionError(
                    f"estimator.tabular.dataset: {first.dataset} and {column.dataset} both have {column.metric}; a "
                    "metric must be of one data set"
                )
        if all(column.report_only for column in columns.values()):
            raise DataError(
                f"{results} has no metric of {' and '.join(names)} that a search may follow: only {', '.join(columns)}"
            )
        super().__init__(results, columns)
