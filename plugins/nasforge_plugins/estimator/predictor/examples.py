"""What a predictor learns from: the candidates of a finished run, or a random sample of a table."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import nasforge
from nasforge import (
    Architecture,
    ArchitectureError,
    DataError,
    Objective,
    OptionError,
    RunError,
    SearchSpace,
    Table,
    VectorEncoded,
    rng_of,
    unknown,
    user_path,
)
from nasforge_plugins.estimator.lookup import check_of_space

LEAST = 10
"""Number of examples from which a model and its uncertainty can be learned."""
OPTION = "estimator.predictor"


@dataclass(frozen=True, eq=False, kw_only=True)
class Examples(ABC):
    """Measured architectures.

    Attributes:
        source: where they come from, for people.
        dataset: the data set of their metrics.
        objectives: the metrics to predict.
        values: (architectures, objectives).
        fingerprint: a hash of where the architectures and values come from.
    """

    source: str
    dataset: str
    objectives: tuple[Objective, ...]
    values: np.ndarray
    fingerprint: str

    @abstractmethod
    def architectures(self, space: SearchSpace) -> Sequence[Architecture]:
        """Return the architectures; a `DataError` or an `OptionError` if they are not of `space`."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TableSample(Examples):
    """Rows of a table."""

    table: Table
    rows: np.ndarray

    @classmethod
    def draw(cls, table: Table, dataset: str, samples: int, metrics: Sequence[str] | None, seed: int) -> TableSample:
        """Draw rows that have all metrics; without `metrics`, the first one of the data set that a search may follow.

        Raises:
            DataError: the table has too few rows with these metrics.
            OptionError: a metric was measured on test data.
            UnknownNameError: the table lacks the data set or a metric.
        """
        columns = {column.metric: column for column in table.of_dataset(dataset)}
        known = [column.objective for column in columns.values()]
        main = [objective.metric for objective in known if not objective.report_only][:1]
        objectives = _chosen(known, main if metrics is None else metrics, f"{dataset} in {table}")
        values = table.matrix([columns[objective.metric] for objective in objectives])
        measured = np.flatnonzero(~np.isnan(values).any(axis=1))
        if len(measured) < samples:
            raise DataError(
                f"{OPTION}.samples={samples}: {table} has only {len(measured):,} architectures that were measured on "
                f"{dataset}"
            )
        rows = rng_of("predictor", seed).permutation(measured)[:samples]
        return cls(
            source=str(table),
            dataset=dataset,
            objectives=objectives,
            values=values[rows],
            fingerprint=table.fingerprint,
            table=table,
            rows=rows,
        )

    def architectures(self, space: SearchSpace) -> Sequence[Architecture]:
        """Return the architectures of the rows; a `DataError` if the table is of another space."""
        check_of_space(self.table, space)
        assert isinstance(space, VectorEncoded)  # or it is not the table's
        if self.table.vectors is None:
            vectors = np.column_stack(np.unravel_index(self.rows, space.cardinalities))
        else:
            vectors = self.table.vectors[self.rows]
        return [space.decode(vector) for vector in vectors]


@dataclass(frozen=True, eq=False, kw_only=True)
class RunCandidates(Examples):
    """The measured candidates of a run.

    Attributes:
        evaluated: the architectures, each once.
        space: name of the space that was searched.
    """

    evaluated: tuple[Architecture, ...]
    space: str

    @classmethod
    def read(cls, run: Path, metrics: Sequence[str] | None) -> RunCandidates:
        """Read a finished run; without `metrics`, take the objectives that it followed.

        Raises:
            RunError: there is no such run, it has not ended, or it measured too few candidates.
            OptionError: a metric was measured on test data.
            UnknownNameError: the run has no such metric.
        """
        try:
            finished = nasforge.load(user_path(run).absolute())
            candidates = finished.candidates()
        except RunError as error:
            raise RunError(f"{OPTION}.run={run}: {error}") from error
        result = finished.result
        followed = [objective.metric for objective in result.goals]
        objectives = _chosen(result.objectives, followed if metrics is None else metrics, f"run {run}")
        names = [objective.metric for objective in objectives]
        measured = {
            candidate.architecture: [candidate.metrics[name] for name in names]
            for candidate in candidates
            if candidate.metrics.keys() >= set(names) and not (candidate.ok and candidate.reason)
        }
        if len(measured) < LEAST:
            raise RunError(
                f"{OPTION}.run={run}: a predictor learns from at least {LEAST} measured candidates, and this run has "
                f"{len(measured)}; choose another run, or a table ({OPTION}.table=NAME) instead"
            )
        content = [[architecture.to_json(), values] for architecture, values in measured.items()]
        return cls(
            source=f"run {run}",
            dataset=result.data,
            objectives=objectives,
            values=np.array(list(measured.values())),
            fingerprint=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
            evaluated=tuple(measured),
            space=result.space,
        )

    def architectures(self, space: SearchSpace) -> Sequence[Architecture]:
        """Return the candidates; an `OptionError` if the run searched another space, or this one with other options."""
        if space.name != self.space:
            raise OptionError(
                f"{OPTION}.run: {self.source} searched space '{self.space}', and this search is in space "
                f"'{space.name}'; choose space={self.space}, or another run"
            )
        assert isinstance(space, VectorEncoded)  # by `needs`
        try:
            for architecture in self.evaluated:
                space.encode(space.validate(architecture))
        except ArchitectureError as error:
            raise OptionError(
                f"{OPTION}.run: {self.source} searched space '{self.space}' with other options, and this space lacks "
                f"one of its candidates ({error}); choose the same options, or another run"
            ) from None
        return self.evaluated


def _chosen(known: Sequence[Objective], metrics: Sequence[str], where: str) -> tuple[Objective, ...]:
    by_name = {objective.metric: objective for objective in known}
    for name in metrics:
        if name not in by_name:
            raise unknown(f"metric of {where} ({OPTION}.metrics)", name, by_name)
        if by_name[name].report_only:
            raise OptionError(f"{OPTION}.metrics: '{name}' was measured on test data, so it must not steer a search")
    if not metrics:
        raise OptionError(f"{OPTION}.metrics=[] leaves nothing to predict; choose from {', '.join(by_name)}")
    return tuple(by_name[name] for name in dict.fromkeys(metrics))
