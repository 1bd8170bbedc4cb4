"""The result of a simulation: what each search asked for, and the best it had after each evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np

from nasforge.architecture import Architecture, Evaluation, Objective
from nasforge.experiment.parts import Parts
from nasforge.run.goals import TRAINING_TIME, training_seconds
from nasforge.standalone.simulation_files import write
from nasforge.wording import amount, counted, words

POINTS = (10, 30, 100, 300, 1000, 3000, 10_000)
"""The numbers of evaluations after which the text of a simulation shows the best so far."""


@dataclass(frozen=True, eq=False)
class Simulation:
    """Searches of one strategy with several seeds on one table.

    Arrays are (searches, evaluations) unless they say otherwise. An architecture is named by its index in
    `architectures`; -1 means none, as after the end of a search that stopped early.

    Attributes:
        strategy, space, data: names of the strategy, the space, and the data set of the table's numbers.
        objectives: the objectives followed, the main one first, and then those that are only reported.
        seeds: (searches,) the seed of each search.
        architectures: every architecture that any search asked for, in the order of the first request; once for each
            number of epochs, if the strategy chose them.
        metrics: by name, the values (architectures,) of each metric; NaN where an estimate failed.
        feasible: (architectures,) whether the estimate succeeded and satisfies the constraints.
        epochs: (architectures,) after how many epochs it was estimated; 0 if the strategy did not choose.
        asked: the architecture of each evaluation.
        finished: when simulated workers finished each evaluation, in seconds, if the strategy streams its requests.
        found: (searches,) the architecture that each search returned.
        notes: what people should know about these searches.
    """

    strategy: str
    space: str
    data: str
    objectives: tuple[Objective, ...]
    seeds: np.ndarray
    architectures: tuple[Architecture, ...]
    metrics: Mapping[str, np.ndarray]
    feasible: np.ndarray
    epochs: np.ndarray
    asked: np.ndarray
    found: np.ndarray
    notes: tuple[str, ...] = ()
    finished: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        parts: Parts,
        evaluations: Sequence[Evaluation],
        seeds: np.ndarray,
        asked: np.ndarray,
        found: np.ndarray,
        notes: tuple[str, ...],
        finished: np.ndarray | None,
    ) -> Simulation:
        """Make the result of the searches of a configuration.

        Args:
            evaluations: (architectures,) all that were looked up, with report-only metrics.
        """
        reported = tuple(objective for objective in parts.goals.given if objective.report_only)
        metrics = {
            objective.metric: np.array([each.metrics.get(objective.metric, np.nan) for each in evaluations])
            for objective in parts.goals.given
        }
        return cls(
            strategy=parts.strategy.name,
            space=parts.space.name,
            data=parts.dataset,
            objectives=(*parts.goals.followed, *reported),
            seeds=seeds,
            architectures=tuple(evaluation.architecture for evaluation in evaluations),
            metrics=metrics,
            feasible=np.array([evaluation.ok for evaluation in evaluations]),
            epochs=np.array([evaluation.epochs or 0 for evaluation in evaluations]),
            asked=asked,
            found=found,
            notes=notes,
            finished=finished,
        )

    @cached_property
    def incumbents(self) -> np.ndarray:
        """The feasible architecture that was best so far by the main objective, the earliest of equals; only those
        after the most epochs count."""
        main = self.objectives[0]
        whole = self.feasible & (self.epochs == self.epochs[self.feasible].max(initial=0))
        costs = np.where(whole, main.sign * self.metrics[main.metric], np.inf)
        costs = self._at(self.asked, np.where(np.isnan(costs), np.inf, costs), np.inf)
        before = np.minimum.accumulate(np.pad(costs[:, :-1], ((0, 0), (1, 0)), constant_values=np.inf), axis=1)
        when = np.maximum.accumulate(np.where(costs < before, np.arange(costs.shape[1]), -1), axis=1)
        return np.where(when >= 0, np.take_along_axis(self.asked, np.maximum(when, 0), axis=1), -1)

    @property
    def best(self) -> np.ndarray:
        """The main objective's value of the incumbent; NaN before there is one."""
        return self.of_incumbents(self.objectives[0].metric)

    def of_incumbents(self, metric: str) -> np.ndarray:
        """Return a metric of the incumbent after each evaluation, also one that is only reported, such as a test
        accuracy; NaN before there is one."""
        return self._at(self.incumbents, self.metrics[metric], np.nan)

    @cached_property
    def seconds(self) -> np.ndarray | None:
        """The simulated training time up to and including each evaluation, as `training_seconds` counts it. None if the
        table has no training times."""
        if (times := self.metrics.get(TRAINING_TIME)) is None:
            return None
        if self.finished is not None:
            return self.finished
        seconds = np.nan_to_num(self._at(self.asked, times, 0.0))
        return np.cumsum(self._further(seconds) if self.epochs.any() else seconds, axis=1)

    def _further(self, seconds: np.ndarray) -> np.ndarray:
        """Return what each evaluation adds to the training that its candidate has had in the same search."""
        added = np.zeros_like(seconds)
        for search, asked in enumerate(self.asked):
            rows = [
                (self.architectures[index], int(self.epochs[index]), {TRAINING_TIME: second})
                for index, second in zip(asked[asked >= 0].tolist(), seconds[search].tolist(), strict=False)
            ]
            added[search, : len(rows)] = training_seconds(rows)
        return added

    def save(self, path: str | PathLike[str]) -> None:
        """Write an `.npz` of all arrays, or a `.csv` with a row for each evaluation; equal searches give equal bytes.

        Raises:
            OptionError: the path ends with neither.
        """
        write(self, Path(path))

    def __str__(self) -> str:
        """Return the mean and deviation of the best so far after some numbers of evaluations, and the notes."""
        main, length = self.objectives[0], self.best.shape[1]
        where = f"{self.space}, {self.data}" if self.data else self.space
        lines = [f"{self.strategy} on {where}: {counted(len(self.seeds), 'seed')}, {words(main)} of the best so far"]
        for count in sorted({*(point for point in POINTS if point < length), length}):
            values = self.best[:, count - 1][self.incumbents[:, count - 1] >= 0]
            if len(values):
                mean, deviation = amount(main, values.mean()), amount(main, values.std())
                lines.append(f"{count:>9,} evaluations  {mean} ± {deviation}")
        return "\n".join([*lines, *self.notes])

    def columns(self) -> dict[str, np.ndarray]:
        """Return what files hold about each evaluation, by name: `asked`, `incumbent`, `best_METRIC` for the main
        objective and those only reported, and `simulated_seconds` if the table has training times."""
        shown = [objective for objective in self.objectives[1:] if objective.report_only]
        columns = {"asked": self.asked, "incumbent": self.incumbents}
        for objective in (self.objectives[0], *shown):
            columns[f"best_{objective.metric}"] = self.of_incumbents(objective.metric)
        return columns if self.seconds is None else {**columns, "simulated_seconds": self.seconds}

    @staticmethod
    def _at(indices: np.ndarray, values: np.ndarray, nothing: float) -> np.ndarray:
        """Return `values` (architectures,) at indices of any shape, and `nothing` at -1."""
        return np.where(indices >= 0, values[indices], nothing)
