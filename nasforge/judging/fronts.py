"""Tasks of several objectives: searches are compared by their hypervolume, and drawn as attainment surfaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from nasforge.architecture import Objective
from nasforge.errors import DataError
from nasforge.judging.tasks import Task
from nasforge.pareto import undominated
from nasforge.standalone.simulation import Simulation
from nasforge.statistics.hypervolumes import Box
from nasforge.tables.table import Table

HYPERVOLUME = Objective("hypervolume", "max", unit="%")


class FrontTask(Task):
    """A data set of a table, and two or more of its columns as objectives.

    Hypervolumes are shares of the box between the best and the worst value of each objective on the table's front.
    """

    @cached_property
    def values(self) -> np.ndarray:
        """(rows, objectives) the costs of all architectures; NaN where they were not measured."""
        return np.stack([column.objective.sign * self.table.values(column) for column in self.columns], axis=1)

    @property
    def objective(self) -> Objective:
        """The hypervolume."""
        return HYPERVOLUME

    @cached_property
    def best(self) -> float:
        """The hypervolume of the table's front."""
        return self.box.share(self.values[~np.isnan(self.values).any(axis=1)])

    @cached_property
    def box(self) -> Box:
        """What hypervolumes are shares of; a `DataError` if no architecture has all objectives."""
        box = Box.around(tuple(column.objective for column in self.columns), self.values)
        if box is None:
            raise DataError(f"{self.table}: no architecture has all of {', '.join(c.metric for c in self.columns)}")
        return box

    @property
    def scale(self) -> str:
        """What regrets mean."""
        return "Regret is 0 for the hypervolume of a table's front and 1 for none."

    def regrets(self, values: np.ndarray) -> np.ndarray:
        """Return costs of hypervolumes of any shape: 0 for that of the table's front, and 1 for none."""
        regrets: np.ndarray = 1 - values / self.best
        return regrets

    def by_size(self, seeds: Sequence[int], evaluations: int) -> None:
        """Return None: the largest networks are no rival in several objectives."""

    def reached(self, simulation: Simulation) -> np.ndarray:
        """(searches, evaluations) the hypervolume of the candidates so far."""
        return np.stack([self.box.share_so_far(costs) for costs in self._costs(simulation)])

    def fronts(self, simulation: Simulation) -> Sequence[np.ndarray]:
        """For each search, the Pareto front of its candidates (n, objectives) as costs."""
        distinct = [np.unique(costs[np.isfinite(costs).all(axis=1)], axis=0) for costs in self._costs(simulation)]
        return [costs[undominated(costs)] for costs in distinct]

    def _costs(self, simulation: Simulation) -> np.ndarray:
        """(searches, evaluations, objectives); infinite where there is no feasible candidate."""
        columns = [each.sign * simulation.metrics[each.metric] for each in self.box.objectives]
        usable = np.where(simulation.feasible[:, None], np.stack(columns, axis=1), np.inf)
        none = np.full((1, len(columns)), np.inf)  # what the index -1 stands for
        costs: np.ndarray = np.concatenate([usable, none])[simulation.asked]
        return costs


def having(metrics: Sequence[str]) -> Callable[[Table], Iterator[Task]]:
    """Return what yields the tasks of a table with these objectives: its data sets that have all of them."""

    def of(table: Table) -> Iterator[Task]:
        for dataset in table.datasets:
            known = {column.metric: column for column in table.of_dataset(dataset) if not column.report_only}
            if set(metrics) <= set(known):
                columns = tuple(known[metric] for metric in metrics)
                yield Task(table, dataset, columns) if len(columns) == 1 else FrontTask(table, dataset, columns)

    return of


def surfaces(fronts: Sequence[np.ndarray]) -> Mapping[str, np.ndarray]:
    """Return the best, median and worst empirical attainment surface of searches (Grunert da Fonseca et al. 2001).

    A surface bounds the costs that are reached by at least one search, by half of them, and by all.

    Args:
        fronts: for each search, costs (n, 2).

    Returns:
        For each surface, its corners (n, 2), from the smallest first cost to the largest.
    """
    from moocore import eaf

    found = [front for front in fronts if len(front)]
    if not found:
        return {}
    count = len(found)
    corners = eaf(np.concatenate(found), np.repeat(np.arange(count), [len(front) for front in found]))
    reached = np.rint(corners[:, 2] * count / 100)
    wanted = {"best": 1, "median": (count + 1) // 2, "worst": count}
    levels = {name: corners[reached == searches, :2] for name, searches in wanted.items()}
    return {name: level[np.argsort(level[:, 0])] for name, level in levels.items()}
