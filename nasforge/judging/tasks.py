"""The tasks that a strategy is judged on: data sets of tables with a quality that a search can follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nasforge.architecture import Objective
from nasforge.config.overrides import override
from nasforge.errors import DataError, OptionError
from nasforge.randomness import rng_of
from nasforge.standalone.simulation import Simulation
from nasforge.tables.columns import Column
from nasforge.tables.files import table_of
from nasforge.tables.installed import installed_tables
from nasforge.tables.table import Table

SIZE = "params_m"
"""The metric that a search by parameters alone follows."""
SPEED = "images_per_second"
"""What a data set that is a device has instead of a quality."""


QUALITY = "a quality, such as an accuracy,"
TasksOf = Callable[[Table], Iterator["Task"]]


@dataclass(frozen=True, eq=False)
class Task:
    """A data set of a table, and the quality to search for."""

    table: Table
    dataset: str
    columns: tuple[Column, ...]

    @cached_property
    def values(self) -> np.ndarray:
        """(rows,) the quality of all architectures; NaN where it was not measured."""
        return self.table.values(self.columns[0])

    @property
    def name(self) -> str:
        """The table and the data set."""
        return f"{self.table.name}, {self.dataset}"

    @property
    def objective(self) -> Objective:
        """What searches are compared by."""
        return self.columns[0].objective

    @property
    def best(self) -> float:
        """The best value of `objective` that a search of the table can reach."""
        return self.objective.best(self.values)

    def reached(self, simulation: Simulation) -> np.ndarray:
        """(searches, evaluations) the value of `objective` after each evaluation; NaN before there is one."""
        return simulation.best

    def fronts(self, simulation: Simulation) -> Sequence[np.ndarray]:
        """For each search, the Pareto front of its candidates (n, objectives) as costs; none for a single objective."""
        return ()

    @property
    def scale(self) -> str:
        """What regrets mean."""
        return "Regret is 0 for the best architecture of a table and 1 for its median one."

    def regrets(self, values: np.ndarray) -> np.ndarray:
        """Return costs of qualities of any shape: 0 for the table's best architecture, and 1 for its median one.

        NaN counts as the worst of the table.
        """
        costs = self.objective.sign * self.values
        best, median, worst = np.nanmin(costs), np.nanmedian(costs), np.nanmax(costs)
        own = np.nan_to_num(self.objective.sign * values, nan=worst)
        scaled: np.ndarray = (own - best) / (median - best or 1.0)
        return scaled

    def by_size(self, seeds: Sequence[int], evaluations: int) -> np.ndarray | None:
        """Return the best quality so far (seeds, evaluations) of a search that asks for the largest networks first.

        Seeds break ties. None if the table has no parameters.
        """
        columns = {column.metric: column for column in self.table.of_dataset(self.dataset)}
        if SIZE not in columns:
            return None
        sizes, curves = self.table.values(columns[SIZE]), []
        for seed in seeds:
            order = np.lexsort((rng_of(seed, SIZE).random(len(sizes)), -sizes))[:evaluations]
            costs = np.nan_to_num(self.objective.sign * self.values[order], nan=np.inf)
            best = self.objective.sign * np.minimum.accumulate(costs)
            curves.append(np.pad(best, (0, evaluations - len(best)), mode="edge"))
        return np.where(np.isinf(curves), np.nan, curves)

    def words(self, estimator: str) -> list[str]:
        """Return the words that choose this task for a search, whose candidates an estimator looks up."""
        source = ("path", self.table.path) if self.table.path else ("table", self.table.name)
        among = [override("space.among", self.table.name)] if self.table.vectors is not None else []
        return [
            f"estimator={estimator}",
            override(f"estimator.{estimator}.{source[0]}", source[1]),
            override(f"estimator.{estimator}.dataset", self.dataset),
            override("space", self.table.space),
            *among,
            override("objectives", [column.metric for column in self.columns]),
        ]


def tasks(
    tables: Sequence[str], datasets: Sequence[str] = (), of: TasksOf | None = None, what: str = QUALITY
) -> list[Task]:
    """Return the tasks of these tables, or of all installed ones; `datasets` chooses among them.

    Args:
        of: yields the tasks of a table; None: one for each data set with a quality.
        what: what the data sets of tasks have, for messages.

    Raises:
        DataError: there is no such table, or none is installed.
        OptionError: a table named has no task, or none has a data set.
        UnknownNameError: a table named lacks a data set, if only one table is named.
    """
    names = list(dict.fromkeys(tables)) or list(installed_tables())
    if not names:
        raise DataError("no table is installed: pip install 'nasforge[tables]', or name yours: tables=[mine]")
    opened = [table_of(name) for name in names]
    if len(tables) == 1:
        for dataset in datasets:
            opened[0].of_dataset(dataset)
    every = [task for table in opened for task in (of or by_quality)(table)]
    for table in opened if tables else ():
        if not any(task.table is table for task in every):
            raise OptionError(f"{table} does not fit: no data set has {what} to search for")
    if not every:
        raise OptionError(f"no installed table fits: no data set has {what} to search for")
    known = list(dict.fromkeys(task.dataset for task in every))
    if wrong := [dataset for dataset in datasets if dataset not in known]:
        raise OptionError(f"no table has a task '{wrong[0]}'; there are {', '.join(known)}")
    return [task for task in every if not datasets or task.dataset in datasets]


def by_quality(table: Table) -> Iterator[Task]:
    """Yield the tasks of a table: of each data set, the first metric to maximize but speeds and untrained scores."""
    for dataset in table.datasets:
        for column in table.of_dataset(dataset):
            of_quality = column.direction == "max" and column.basis != "computed" and column.metric != SPEED
            if of_quality and not column.report_only:
                yield Task(table, dataset, (column,))
                break
