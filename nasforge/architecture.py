"""The values that travel between spaces, strategies and estimators: frozen, hashable, JSON in and out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from nasforge.errors import ArchitectureError, OptionError
from nasforge.pareto import undominated

SCHEMA = 1
Gene = str | int | float | bool | tuple["Gene", ...]


@dataclass(frozen=True)
class Architecture:
    """What to build, without weights: a space's name and its canonical encoding.

    Two architectures are equal when space and `genes` are; isomorphism never counts
    (`SearchSpace.function_key` says which compute the same function). Make one with `Architecture.of`.

    Attributes:
        space: the registry name of the space that can build it.
        genes: the encoding as sorted (name, value) pairs; values are nested tuples of JSON scalars.
        notation: how the field writes it; for people only, no part of equality.
    """

    space: str
    genes: tuple[tuple[str, Gene], ...]
    notation: str = field(default="", compare=False)

    @classmethod
    def of(cls, space: str, genes: Mapping[str, Any], notation: str = "") -> Architecture:
        """An architecture whose genes are given by name; lists become tuples."""
        return cls(space, tuple(sorted((name, _frozen(value, name)) for name, value in genes.items())), notation)

    def __getitem__(self, name: str) -> Any:
        """The gene called `name`; an `ArchitectureError` names it if there is none."""
        for key, value in self.genes:
            if key == name:
                return value
        raise ArchitectureError(f"an architecture of space '{self.space}' needs the field '{name}'")

    def __str__(self) -> str:
        return self.notation or json.dumps(dict(self.genes))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: schema version, space, genes and notation."""
        genes = {name: _thawed(value) for name, value in self.genes}
        return {"schema": SCHEMA, "space": self.space, "genes": genes, "notation": self.notation}

    @classmethod
    def from_json(cls, data: Any) -> Architecture:
        """Read what `to_json` wrote; an `ArchitectureError` names the broken field and what it should be."""
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
    """One metric that a search optimises.

    Attributes:
        metric: its name, with the unit in it where there is one (`accuracy`, `params_m`, `latency_ms`).
        direction: `max` or `min`.
        report_only: shown to people, never given to a strategy (test columns).

    Raises:
        OptionError: the direction is another word, which would steer a search the wrong way unseen.
    """

    metric: str
    direction: Literal["max", "min"]
    report_only: bool = False

    def __post_init__(self) -> None:
        if self.direction not in ("max", "min"):
            raise OptionError(f"Objective('{self.metric}') says '{self.direction}': it must be 'max' or 'min'")

    @property
    def sign(self) -> int:
        """A value times this is a cost, and a cost times this is a value: the one place that turns signs."""
        return -1 if self.direction == "max" else 1

    def cost(self, metrics: Metrics) -> float:
        """The metric as a cost to be minimized; infinite where it is NaN or absent."""
        value = metrics.get(self.metric, math.nan)
        return math.inf if math.isnan(value) else self.sign * value

    def best(self, values: np.ndarray) -> float:
        """The best of these values (n,); NaN counts for nothing unless all are."""
        return float(self.sign * np.nanmin(self.sign * values))


@dataclass(frozen=True)
class Constraint:
    """A bound that candidates must keep, such as `params_m<=1.0`.

    Attributes:
        metric: which is bounded.
        upper: whether `limit` is the largest value allowed, else the smallest.
    """

    metric: str
    upper: bool
    limit: float

    @classmethod
    def read(cls, text: str) -> Constraint:
        """From `METRIC<=NUMBER` or `METRIC>=NUMBER`; an `OptionError` says so for anything else."""
        found = re.fullmatch(r"\s*(\w+)\s*([<>])=\s*(\S+)\s*", text)
        try:
            limit = float(found[3]) if found else math.nan
        except ValueError:
            limit = math.nan
        if found is None or not math.isfinite(limit):
            raise OptionError(f"constraint '{text}' cannot be read; params_m<=1.0 or accuracy>=0.9 would be right")
        return cls(found[1], found[2] == "<", limit)

    def violation(self, metrics: Metrics) -> float:
        """By how much `metrics` break it, 0 if they do not; infinite where the metric is missing."""
        value = metrics.get(self.metric, math.nan)
        if math.isnan(value):
            return math.inf
        return max(0.0, value - self.limit if self.upper else self.limit - value)

    def nearest(self, several: Iterable[Metrics]) -> float:
        """The metric's value where it is violated least."""
        return min(several, key=self.violation)[self.metric]

    def __str__(self) -> str:
        return f"{self.metric}{'<=' if self.upper else '>='}{self.limit:g}"


Status = Literal["ok", "failed", "infeasible"]


@dataclass(frozen=True)
class Evaluation:
    """What one estimate said of one architecture.

    Attributes:
        architecture: what was estimated.
        metrics: values by metric name.
        status: `ok`, `failed` (see `reason`) or `infeasible` (a constraint is broken).
        reason: why it is not `ok`; on one that is, which metrics could not be measured and hold their worst value
            instead, and why; empty where all is well.
        seed: the seed its random draws came from.
        seconds: what it took; no part of equality, since clocks do not reproduce.
        weights: the file name, inside the run's folder, of its trained weights, if it left any.
    """

    architecture: Architecture
    metrics: Metrics
    status: Status = "ok"
    reason: str = ""
    seed: int = 0
    seconds: float = field(default=0.0, compare=False)
    weights: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the metrics may be used."""
        return self.status == "ok"

    def cost(self, objective: Objective) -> float:
        """The objective's cost to be minimised; infinite when the estimate failed."""
        return objective.cost(self.metrics) if self.ok else math.inf


class ParetoFront(Sequence[Evaluation]):
    """The evaluations that no other one dominates (no worse in every objective, better in one)."""

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
    """A cell, or a chain of cells, as a picture needs it.

    Attributes:
        title: what stands above it.
        nodes: labels in topological order.
        edges: (from, to, operation) with indices into `nodes`; an empty operation is a plain wire.
        chain: whether the nodes stand in one column, with wires that skip some of them beside it; wires are plain then.
        marked: indices of nodes with a strong outline.
    """

    title: str
    nodes: tuple[str, ...]
    edges: tuple[tuple[int, int, str], ...]
    chain: bool = False
    marked: tuple[int, ...] = ()
