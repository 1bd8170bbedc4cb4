"""Looks up candidates in a benchmark's published results."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from nasforge import Column, Count, DataError, OptionError, find_table, numbers
from nasforge_plugins.estimator.lookup import Lookup


class Tabular(Lookup):
    """A benchmark's published results for each architecture on a data set, without training, in seconds per search.

    Its metrics are the table's columns; those measured on test data are only reported. Several data sets add up their
    metrics, such as the accuracies on one and the throughput on a device.

    With `epochs`, a metric that was measured after several numbers of epochs is the one after so many, under its plain
    name, and a strategy may ask for those after fewer. Metrics of test data stay those after the longest training.

    Args:
        epochs: the most epochs after which candidates are compared; None: each column is a metric of its own.

    Raises:
        DataError: the table is missing or broken, or has no metric for a search to follow on this data set.
        UnknownNameError: the table does not have a data set.
        OptionError: two data sets have a metric in common, or no metric was measured after `epochs`.
    """

    name: ClassVar[str] = "tabular"
    looks_up: ClassVar[bool] = True
    added = ("epochs",)

    def __init__(
        self,
        *,
        table: str = "nasbench201",
        path: Path | None = None,
        dataset: str | tuple[str, ...] = "cifar10",
        epochs: Count | None = None,
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
        followed = [column for column in columns.values() if not column.report_only]
        self._measured = sorted({column.epochs for column in followed if column.epochs})
        self._what = f"{results} has metrics of {' and '.join(names)} after"
        if epochs not in (None, *self._measured):
            stated = numbers(self._measured) or "an unstated number of"
            raise OptionError(f"estimator.tabular.epochs={epochs}: {self._what} {stated} epochs")
        super().__init__(results, columns if epochs is None else _after(columns, epochs))
        earlier = {fewer: _after(columns, fewer) for fewer in self._measured if fewer <= (epochs or 0)}
        self._after = {
            fewer: results.matrix([known[metric] for metric in self._metrics])
            for fewer, known in earlier.items()
            if known.keys() >= set(self._metrics)
        }

    def fidelities(self) -> tuple[int, ...]:
        """The numbers of epochs, up to the option `epochs`, after which all metrics were measured.

        Raises:
            OptionError: there are not several.
        """
        if len(self._after) > 1:
            return tuple(self._after)
        if len(self._measured) > 1:
            raise OptionError(
                f"{self._what} {numbers(self._measured)} epochs: set estimator.tabular.epochs to the most that a "
                f"candidate may be trained, such as {self._measured[-1]}"
            )
        raise OptionError(
            f"{self._what} {numbers(self._measured) or 'an unstated number of'} epochs only, and this strategy needs "
            "several numbers; a release of NATS-Bench, once imported (nasforge table import), has 12 and 200"
        )

    def _matrix(self, epochs: int | None) -> np.ndarray:
        return self._values if epochs is None else self._after[epochs]


def _after(columns: Mapping[str, Column], epochs: int) -> dict[str, Column]:
    """By plain metric: the column after so many epochs, or the one that does not depend on them; of those measured on
    test data, the one after the longest training."""
    chosen: dict[str, Column] = {}
    for column in sorted(columns.values(), key=lambda column: column.epochs):
        if column.report_only or column.epochs in (0, epochs):
            chosen[column.quantity] = column
    order = [column.quantity for column in columns.values()]
    return {metric: chosen[metric] for metric in dict.fromkeys(order) if metric in chosen}
