"""The values that spaces, strategies and estimators exchange: frozen, hashable, readable from and writable to JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from nasforge.errors import ArchitectureError, OptionError
from nasforge.pareto import undominated

SCHEMA = 1
Gene = str | int | float | bool | tuple["Gene", ...]


@dataclass(frozen=True)
class Architecture:
    """A network's structure without weights: the name of a space and a canonical encoding.

    Two architectures are equal if their `space` and `genes` are equal, even if others are isomorphic to them
    (`SearchSpace.function_key` says which compute the same function). Make one with `Architecture.of`.

    Attributes:
        space: the registry name of the space that can build it.
        genes: the encoding as sorted (name, value) pairs; values are nested tuples of JSON scalars.
        notation: the field's usual notation; for people only, ignored by equality.
    """

    space: str
    genes: tuple[tuple[str, Gene], ...]
    notation: str = field(default="", compare=False)

    @classmethod
    def of(cls, space: str, genes: Mapping[str, Any], notation: str = "") -> Architecture:
        """Make an architecture from genes by name; lists become tuples."""
        return cls(space, tuple(sorted((name, _frozen(value, name)) for name, value in genes.items())), notation)

    def __getitem__(self, name: str) -> Any:
        """Return the gene `name`; an `ArchitectureError` names it if it is missing."""
        for key, value in self.genes:
            if key == name:
                return value
        raise ArchitectureError(f"an architecture of space '{self.space}' needs the field '{name}'")

    def __str__(self) -> str:
        return self.notation or json.dumps(dict(self.genes))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON: schema version, space, genes and notation."""
        genes = {name: _thawed(value) for name, value in self.genes}
        return {"schema": SCHEMA, "space": self.space, "genes": genes, "notation": self.notation}

    @classmethod
    def from_json(cls, data: Any) -> Architecture:
        """Read the output of `to_json`; an `ArchitectureError` names the invalid field and what it should be."""
        if not isinstance(data, dict):
            raise ArchitectureError(f"an architecture must be a JSON object, not {type(data).__name__}")
        expected: dict[str, type] = {"schema": int, "space": str, "genes": dict}
        for name, kind in expected.items():
            if not isinstance(data.get(name), kind):
                raise ArchitectureError(f"field '{name}' of the architecture must be a JSON {_JSON_NAMES[kind]}")
        if data["schema"] != SCHEMA:
            raise ArchitectureError(f"field 'schema' is {data['schema']}; this version reads {SCHEMA}")
        return cls.of(data["space"], data["genes"], str(data.get("notation", "")))


_JSON_NAMES = {int: "integer", str: "string", dict: "object"}


def _frozen(value: Any, name: str) -> Gene:
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item, name) for item in value)
    if isinstance(value, (str, bool, int, float)):
        return value
    raise ArchitectureError(f"field '{name}' holds {value!r}; only strings, numbers, booleans and lists of them fit")


def _thawed(value: Gene) -> Any:
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value


Metrics = Mapping[str, float]


@dataclass(frozen=True)
class Objective:
    """One metric that a search optimizes.

    Attributes:
        metric: the metric's name, including its unit if it has one (`accuracy`, `params_m`, `latency_ms`).
        direction: `max` or `min`.
        report_only: shown to people, never given to a strategy (test accuracies, for example).
        label: what people call the metric ("NTK condition number"); by default the words of its name.
        unit: its unit for people, by default the one in its name; "%" for a fraction to show in percent.

    Raises:
        OptionError: the direction is any other word, which would silently steer a search the wrong way, or the label
            or the unit is no text.
    """

    metric: str
    direction: Literal["max", "min"]
    report_only: bool = False
    label: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        if self.direction not in ("max", "min"):
            raise OptionError(f"Objective('{self.metric}') has direction '{self.direction}'; use 'max' or 'min'")
        if not (isinstance(self.label, str) and isinstance(self.unit, str)):
            raise OptionError(
                f"Objective('{self.metric}') needs texts as label and unit, not {self.label!r} and {self.unit!r}"
            )

    @property
    def sign(self) -> int:
        """-1 for `max`, 1 for `min`: the factor between values and costs, defined here alone."""
        return -1 if self.direction == "max" else 1

    def cost(self, metrics: Metrics) -> float:
        """Return the metric as a cost to minimize; infinite if the metric is NaN or missing."""
        value = metrics.get(self.metric, math.nan)
        return math.inf if math.isnan(value) else self.sign * value

    def best(self, values: np.ndarray) -> float:
        """Return the best of `values` (n,), ignoring NaN; NaN if all are NaN."""
        return float(self.sign * np.nanmin(self.sign * values))


@dataclass(frozen=True)
class Constraint:
    """A bound that candidates must satisfy, such as `params_m<=1.0`.

    Attributes:
        metric: the bounded metric.
        upper: whether `limit` is the largest allowed value, rather than the smallest.
    """

    metric: str
    upper: bool
    limit: float

    @classmethod
    def read(cls, text: str) -> Constraint:
        """Read `METRIC<=NUMBER` or `METRIC>=NUMBER`; raise an `OptionError` for any other text."""
        match = re.fullmatch(r"\s*(\w+)\s*([<>])=\s*(\S+)\s*", text)
        try:
            limit = float(match[3]) if match else math.nan
        except ValueError:
            limit = math.nan
        if match is None or not math.isfinite(limit):
            raise OptionError(f"constraint '{text}' is invalid; write it like params_m<=1.0 or accuracy>=0.9")
        return cls(match[1], match[2] == "<", limit)

    def violation(self, metrics: Metrics) -> float:
        """Return by how much `metrics` exceed the bound: 0 if they satisfy it, infinite if the metric is missing."""
        value = metrics.get(self.metric, math.nan)
        if math.isnan(value):
            return math.inf
        return max(0.0, value - self.limit if self.upper else self.limit - value)

    def nearest(self, several: Iterable[Metrics]) -> float:
        """Return the metric's value with the smallest violation."""
        return min(several, key=self.violation)[self.metric]

    def __str__(self) -> str:
        return f"{self.metric}{'<=' if self.upper else '>='}{self.limit:g}"


Status = Literal["ok", "failed", "infeasible"]


@dataclass(frozen=True)
class Evaluation:
    """The outcome of one estimate of one architecture.

    Attributes:
        architecture: the architecture that was estimated.
        metrics: values by metric name.
        status: `ok`, `failed` (see `reason`) or `infeasible` (it violates a constraint).
        reason: why the status is not `ok`. If it is `ok`: which metrics could not be measured and hold their worst
            value instead, and why; empty if all were measured.
        seed: the seed of its random draws.
        seconds: how long it took; ignored by equality, because times do not reproduce.
        weights: name of the file with its trained weights in the run's folder, if it left any.
        epochs: after how many epochs of training, if the strategy chose them (`run.estimate(..., epochs=)`).
    """

    architecture: Architecture
    metrics: Metrics
    status: Status = "ok"
    reason: str = ""
    seed: int = 0
    seconds: float = field(default=0.0, compare=False)
    weights: str | None = None
    epochs: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the metrics are valid."""
        return self.status == "ok"

    def cost(self, objective: Objective) -> float:
        """Return the objective's cost to minimize; infinite if the estimate failed."""
        return objective.cost(self.metrics) if self.status == "ok" else math.inf


class _Estimated(Protocol):
    """An `Evaluation`, or a row of `evaluations.json`."""

    @property
    def status(self) -> Status: ...
    @property
    def epochs(self) -> int | None: ...


EstimatedT = TypeVar("EstimatedT", bound=_Estimated)


def after_most_epochs(evaluations: Sequence[EstimatedT]) -> Sequence[EstimatedT]:
    """Return the evaluations after the most epochs that any successful one has; others cannot be compared with them.

    All of them, if the strategy chose no numbers of epochs.
    """
    most = max((each.epochs or 0 for each in evaluations if each.status == "ok"), default=0)
    return [each for each in evaluations if (each.epochs or 0) == most] if most else evaluations


class ParetoFront(Sequence[Evaluation]):
    """The evaluations that no other evaluation dominates (at least as good in every objective, better in one)."""

    def __init__(self, evaluations: Iterable[Evaluation], objectives: Sequence[Objective]) -> None:
        usable = [evaluation for evaluation in evaluations if evaluation.ok]
        costs = np.array([[evaluation.cost(objective) for objective in objectives] for evaluation in usable])
        self.objectives = tuple(objectives)
        self._members = tuple(usable[index] for index in np.flatnonzero(undominated(costs)))

    def __getitem__(self, index: Any) -> Any:
        return self._members[index]

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Evaluation]:
        return iter(self._members)


@dataclass(frozen=True)
class CellGraph:
    """A cell, or a chain of cells, to draw.

    Attributes:
        title: the heading of the picture.
        nodes: labels in topological order.
        edges: (from, to, operation) with indices into `nodes`; an empty operation is a plain wire.
        chain: whether to draw the nodes in one column, with skipping wires beside it; all wires are plain then.
        marked: indices of nodes to draw with a bold outline.
    """

    title: str
    nodes: tuple[str, ...]
    edges: tuple[tuple[int, int, str], ...]
    chain: bool = False
    marked: tuple[int, ...] = ()

    @classmethod
    def sequence(cls, title: str, nodes: Iterable[str]) -> CellGraph:
        """Return a chain in which each node reads the one before it."""
        labels = tuple(nodes)
        return cls(title, labels, tuple((place, place + 1, "") for place in range(len(labels) - 1)), chain=True)
