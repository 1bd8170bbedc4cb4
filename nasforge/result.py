"""What a search returns, and the content of the files `result.json`, `evaluations.json` and `timing.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic_core import core_schema

from nasforge.architecture import Architecture, Evaluation, Metrics, Objective, Status
from nasforge.wording import amount, counted, quantity

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
    """An architecture of the Pareto front in its notation, with its metrics."""

    notation: str
    metrics: Metrics


@dataclass(frozen=True, kw_only=True)
class Candidate(FrontMember):
    """A row of `evaluations.json`; status, reason and epochs are those of its `Evaluation`."""

    status: Status
    reason: str = ""
    epochs: int | None = None

    @property
    def measured(self) -> bool:
        """Whether the estimate succeeded and measured every metric; otherwise `reason` says what is wrong."""
        return self.status == "ok" and not self.reason

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON, without epochs that the strategy did not choose."""
        return asdict(self, dict_factory=_written)


@dataclass(frozen=True, kw_only=True)
class EvaluationCounts(Section):
    """How many evaluations a search requested, and how many distinct architectures these were.

    Attributes:
        constant: metrics that are equal for all candidates.
        infeasible: number of evaluations that violated a constraint.
        simulated_seconds: how long training all candidates would have taken; None if no table knows.
    """

    requested: int
    distinct: int
    constant: Sequence[str] = field(default_factory=list)
    infeasible: int = 0
    simulated_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Control(Section):
    """Comparison of the found architecture with random ones, all scored with the shared weights.

    Attributes:
        found: the accuracy of the found architecture.
        random: the accuracies of the random architectures.
        percentile: the percentile of `found` in `random`; ties count half.
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
    """Comparison of an architecture with random ones that were trained from scratch in the same way.

    Attributes:
        better: whether it is better; None if that cannot be decided.
        difference: the difference of the mean test accuracies.
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


def median_seed(by_seed: Mapping[int, float]) -> int:
    """Return the seed with the median accuracy; of two in the middle, the one with the lower accuracy."""
    return sorted(by_seed, key=by_seed.__getitem__)[(len(by_seed) - 1) // 2]


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork(Spread):
    """An architecture trained from scratch, once with each of `seeds`, and its size in millions.

    Attributes:
        stopped_after: number of epochs of each training; None if none was stopped early.
    """

    name: str
    notation: str
    seeds: Sequence[int]
    test_accuracy: Sequence[float]
    params_m: float
    macs_m: float
    stopped_after: Sequence[int] | None = None


@dataclass(frozen=True, kw_only=True)
class Retrained(TrainingVerdict):
    """Networks trained from scratch and tested once.

    Attributes:
        epochs: number of epochs, unless a training stopped early.
        images: number of test images.
        rows: the found architecture, then the random ones.
        random: mean and deviation over all random architectures.
    """

    epochs: int
    images: int | None = None
    rows: Sequence[TrainedNetwork]
    random: Spread | None = None

    @property
    def duration(self) -> str:
        """How long the networks were trained, in words: "6 epochs", "up to 6 epochs" if some stopped early."""
        early = any(row.stopped_after for row in self.rows)
        return f"{'up to ' if early else ''}{counted(self.epochs, 'epoch')}"

    def epochs_of(self, seed: int) -> int:
        """Return the number of epochs for which the first architecture was trained with `seed`."""
        row = self.rows[0]
        return row.stopped_after[list(row.seeds).index(seed)] if row.stopped_after else self.epochs


@dataclass(frozen=True, kw_only=True)
class TableRow(Section):
    """Test and validation accuracies by data set, for one architecture or over a whole table."""

    name: str
    test_accuracy: Mapping[str, float | None]
    validation_accuracy: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TableLookup(Section):
    """Published numbers of the found architecture from a table, with their source and how they were measured.

    Attributes:
        about: how test accuracies were measured.
        validation: how validation accuracies were measured; empty if the table has none.
    """

    source: str = ""
    about: str
    validation: str = ""
    datasets: Sequence[str]
    rows: Sequence[TableRow]

    @property
    def how(self) -> str:
        """How the accuracies were measured, in words."""
        return "; ".join(filter(None, (self.validation, self.about)))

    @property
    def columns(self) -> Sequence[tuple[str, str]]:
        """The (data set, kind of accuracy) of each column to show; a kind is named like the fields of `TableRow`."""
        kinds = ("validation_accuracy", "test_accuracy") if self.validation else ("test_accuracy",)
        return [(dataset, kind) for dataset in self.datasets for kind in kinds]


@dataclass(frozen=True, kw_only=True)
class KnownMetric(Section):
    """How a metric is measured, according to its estimator, and its best value in the space."""

    about: str | None = None
    optimum: float | None = None


@dataclass(frozen=True, kw_only=True)
class Promise(Section):
    """A metric of the found architecture that was predicted in the search and measured at its end.

    Attributes:
        about: where and how it was measured.
        measured: the median; None if it could not be measured.
        middle_half: the first and the third quartile.
        slower: how many times as long as before the machine took for architectures that it had measured earlier.
        breaks: the constraint that the measured value violates.
        reason: why it could not be measured.
    """

    metric: str
    predicted: float
    about: str
    measured: float | None = None
    middle_half: tuple[float, float] | None = None
    slower: float | None = None
    breaks: str = ""
    reason: str = ""

    @property
    def sentence(self) -> str:
        """What was promised and what became of it, in one sentence."""
        promised = f"{quantity(self.metric, self.predicted)} was predicted"
        if self.measured is None or self.middle_half is None:
            return f"{promised} and not measured: {self.reason}"
        low, high = (amount(self.metric, value) for value in self.middle_half)
        drift = f"; known networks took {self.slower:.2f} times as long as before" if self.slower else ""
        broken = f"; this breaks {self.breaks}" if self.breaks else ""
        return (
            f"{promised}, {amount(self.metric, self.measured)} measured (middle half {low} to {high}) on {self.about}"
            f"{drift}{broken}"
        )


@dataclass(frozen=True, kw_only=True)
class Failure(Section):
    """A candidate that could not be estimated, and why."""

    architecture: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Step(Section):
    """A recommended next command, the reason, and its known cost: epochs of training, or runs like this one."""

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
class Derivation(Section):
    """How an architecture was derived from a mix under constraints.

    Probabilities are products of the mix's weights.

    Attributes:
        most_probable: the architecture that would have been derived without constraints.
        unbounded: its values of the bounded metrics.
        bounded: those of the derived architecture.
        cost: natural logarithm of how many times as probable `most_probable` is.
        gap: natural logarithm of how many times as probable another architecture within the bounds may be; 0 if the
            derived one is the most probable of them.
    """

    most_probable: str
    unbounded: Metrics
    bounded: Metrics
    cost: float
    gap: float = 0.0
    sentence: str


@dataclass(frozen=True, kw_only=True)
class SearchResult(Section):
    """The content of `result.json`, without times and paths, so that equal runs write equal bytes.

    Attributes:
        strategy: name of the strategy; "retrain" for a retraining.
        status: "finished", or what stopped the search.
        size: `params_m` and `macs_m` of the architecture at the space's default size; None if no images are read.
        objectives: all objectives of the estimators, including report-only ones.
        followed: the metrics that the search followed, the main one first; None in files of older versions.
        metrics: metrics of the found architecture.
        known: how each metric is measured, and its best value.
        front: the Pareto front, if the search followed several objectives.
        derivation: how constraints changed the architecture that a one-shot search derived; None without constraints.
        promises: predicted metrics of the found architecture that were measured at the end. They are the only times
            here: two runs measure differently.
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
    derivation: Derivation | None = None
    control: Control | None = None
    table: TableLookup | None = None
    promises: Sequence[Promise] = field(default_factory=list)
    retrain: Retrained | None = None
    failures: Sequence[Failure] = field(default_factory=list)
    notes: Sequence[str] = field(default_factory=list)
    next: Sequence[Step] = field(default_factory=list)

    @property
    def goals(self) -> tuple[Objective, ...]:
        """The objectives that the search followed, the main one first."""
        if self.followed is None:
            return tuple(objective for objective in self.objectives if not objective.report_only)
        return tuple(self.by_metric[metric] for metric in self.followed)

    @property
    def by_metric(self) -> dict[str, Objective]:
        """All objectives by the name of their metric."""
        return {objective.metric: objective for objective in self.objectives}

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON, in the form of `result.json`."""
        return {**asdict(self, dict_factory=_written), "architecture": self.architecture.to_json()}


_LEFT_OUT_IF_UNKNOWN = (
    "about",
    "optimum",
    "epochs",
    "runs",
    "label",
    "unit",
    "stopped_after",
    "derivation",
    "promises",
)


def _written(fields: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in fields if name not in _LEFT_OUT_IF_UNKNOWN or value not in (None, "", [])}


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The content of `timing.json`: seconds over all starts of a run, by label and in total."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    total: float = 0.0
