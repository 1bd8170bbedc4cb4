"""What a search returns, and the content of the files `result.json`, `evaluations.json` and `timing.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic_core import core_schema

from nasforge.architecture import Architecture, Evaluation, Metrics, Objective, Status

if TYPE_CHECKING:
    from nasforge.estimator import Weights  # imports Lightning, which a report does not need


@dataclass(frozen=True)
class Result:
    """The result of a search; make it with `Run.result`.

    Attributes:
        architecture: the architecture to retrain.
        metrics: the architecture's metrics in the search.
        weights: weights of the supernet, if there is one; the control then compares with random architectures.
        front: other good architectures (the Pareto front of several objectives).
        trace: argument for `Strategy.explain`; it stays in memory.
    """

    architecture: Architecture
    metrics: Metrics = field(default_factory=dict)
    weights: Weights | None = None
    front: Sequence[Evaluation] = ()
    trace: Any = field(default=None, repr=False, compare=False)


class Section:
    """A part of a result. `section["key"]` gives `section.key`, for code that reads results by key; use attributes."""

    def __getitem__(self, key: str) -> Any:
        return vars(self)[key]


@dataclass(frozen=True, kw_only=True)
class FrontMember(Section):
    """An architecture of the Pareto front as people write it, and all that is known of it."""

    notation: str
    metrics: Metrics


@dataclass(frozen=True, kw_only=True)
class Candidate(FrontMember):
    """A row of `evaluations.json`; status and reason are those of its `Evaluation`."""

    status: Status
    reason: str = ""

    @property
    def measured(self) -> bool:
        """Whether it is usable and each of its metrics was measured; a reason flags one that was not."""
        return self.status == "ok" and not self.reason


@dataclass(frozen=True, kw_only=True)
class EvaluationCounts(Section):
    """How many evaluations a search requested, and how many distinct architectures these were.

    Attributes:
        constant: metrics that are equal for all candidates.
        infeasible: evaluations that broke a constraint.
        simulated_seconds: how long training all candidates would have taken; None if no table knows.
    """

    requested: int
    distinct: int
    constant: Sequence[str] = field(default_factory=list)
    infeasible: int = 0
    simulated_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Control(Section):
    """Where the found architecture stands among random ones, all scored with the shared weights.

    Attributes:
        found: its accuracy.
        random: the accuracies of the random architectures.
        percentile: of `found` among `random`, ties count half.
        interval: the percentile's 95 % interval.
    """

    metric: str = "accuracy"
    found: float
    random: Sequence[float]
    percentile: float
    interval: tuple[float, float] | None = None
    better_than_random: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class TrainingVerdict(Section):
    """How an architecture compares with random ones that were trained from scratch alike.

    Attributes:
        better: None if it cannot be told.
        difference: of the mean test accuracies.
        interval: the difference's 95 % interval; None for too few trainings.
    """

    better: bool | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    sentence: str = ""


@dataclass(frozen=True, kw_only=True)
class Spread(Section):
    """Mean and sample standard deviation of accuracies."""

    mean: float
    std: float


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork(Spread):
    """An architecture trained from scratch, once with each of `seeds`, and its size in millions."""

    name: str
    notation: str
    seeds: Sequence[int]
    test_accuracy: Sequence[float]
    params_m: float
    macs_m: float


@dataclass(frozen=True, kw_only=True)
class Retrained(TrainingVerdict):
    """Networks trained from scratch and tested once.

    Attributes:
        images: how many test images there are.
        rows: the found architecture's first, then the random ones'.
        random: over all random ones.
    """

    epochs: int
    images: int | None = None
    rows: Sequence[TrainedNetwork]
    random: Spread | None = None


@dataclass(frozen=True, kw_only=True)
class TableRow(Section):
    """Test accuracies by data set, of an architecture or over all of a table."""

    name: str
    test_accuracy: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class TableLookup(Section):
    """What a published table knows of the found architecture: their source, and how they were measured."""

    source: str = ""
    about: str
    datasets: Sequence[str]
    rows: Sequence[TableRow]


@dataclass(frozen=True, kw_only=True)
class KnownMetric(Section):
    """How an estimator says that a metric is measured, and the best value there is."""

    about: str | None = None
    optimum: float | None = None


@dataclass(frozen=True, kw_only=True)
class Failure(Section):
    """A candidate that could not be estimated, and why."""

    architecture: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Step(Section):
    """A command to type next, why, and what it costs if that is known: epochs of training, or runs like this one."""

    command: str
    why: str
    epochs: int | None = None
    runs: int | None = None


class _AsWritten:
    """Tells pydantic to read an architecture by its own `from_json`."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(Architecture.from_json)


@dataclass(frozen=True, kw_only=True)
class SearchResult(Section):
    """The content of `result.json`. No clock and no path: equal runs give equal bytes.

    Attributes:
        strategy: its name; "retrain" for a retraining.
        status: "finished", or what stopped it.
        size: of the architecture at the space's own size, `params_m` and `macs_m`; None where no images are read.
        objectives: all that the estimators give for this search, the reported ones too.
        followed: the metrics that the search followed, the foremost first; None in files of older versions.
        metrics: what is known of the found architecture.
        known: how each metric is measured, and its best value.
        front: the Pareto front, where several objectives were followed.
    """

    strategy: str
    space: str
    data: str
    seed: int
    status: str
    architecture: Annotated[Architecture, _AsWritten]
    objectives: Sequence[Objective]
    evaluations: EvaluationCounts
    followed: Sequence[str] | None = None
    constraints: Sequence[str] = field(default_factory=list)
    size: Mapping[str, float] | None = None
    metrics: Metrics = field(default_factory=dict)
    known: Mapping[str, KnownMetric] = field(default_factory=dict)
    front: Sequence[FrontMember] = field(default_factory=list)
    control: Control | None = None
    table: TableLookup | None = None
    retrain: Retrained | None = None
    failures: Sequence[Failure] = field(default_factory=list)
    notes: Sequence[str] = field(default_factory=list)
    next: Sequence[Step] = field(default_factory=list)

    @property
    def goals(self) -> tuple[Objective, ...]:
        """The objectives that the search followed, the foremost first."""
        by_metric = {objective.metric: objective for objective in self.objectives}
        if self.followed is None:
            return tuple(objective for objective in self.objectives if not objective.report_only)
        return tuple(by_metric[metric] for metric in self.followed)

    def to_json(self) -> dict[str, Any]:
        """The result as JSON, as `result.json` holds it."""
        return {**asdict(self, dict_factory=_written), "architecture": self.architecture.to_json()}


_LEFT_OUT_IF_UNKNOWN = ("about", "optimum", "epochs", "runs")


def _written(fields: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in fields if value is not None or name not in _LEFT_OUT_IF_UNKNOWN}


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The content of `timing.json`: seconds over all starts of a run by what they went into, and in all."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    total: float = 0.0
