"""Choose a run's objectives and constraints by name from the metrics of its estimators."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from nasforge.architecture import Constraint, Evaluation, Metrics, Objective
from nasforge.errors import OptionError, unknown
from nasforge.estimator import Estimator
from nasforge.registry.entry_points import registry

TRAINING_TIME = "train_seconds"
"""The metric of how long a candidate was trained, in seconds."""
ACCOUNTS = (TRAINING_TIME, "train_epochs", "inherited")
"""How metrics of a search's cost begin, which a search follows only if `objectives` names them."""


def training_seconds(rows: Iterable[tuple[Hashable, int | None, Metrics]]) -> list[float] | None:
    """Return how long the training for each evaluation takes; None if no table knows.

    A repeated request counts again, as in the benchmarks. If the strategy chooses epochs, a candidate is trained on
    from where an earlier evaluation left it, and only that counts.

    Args:
        rows: (candidate, epochs, metrics) of each evaluation.
    """
    known = False
    seconds, trained = [], dict[Hashable, float]()
    for candidate, epochs, metrics in rows:
        known = known or TRAINING_TIME in metrics
        seconds.append(further(candidate, epochs, metrics, trained))
    return seconds if known else None


def further(candidate: Hashable, epochs: int | None, metrics: Metrics, trained: dict[Hashable, float]) -> float:
    """Return the seconds that training for an evaluation takes, given the seconds that each candidate has `trained`."""
    whole = metrics.get(TRAINING_TIME, 0.0)
    if epochs is None:
        return whole
    before = trained.get(candidate, 0.0)
    trained[candidate] = max(before, whole)
    return max(0.0, whole - before)


@dataclass(frozen=True)
class Goals:
    """The objectives and constraints of a run.

    Attributes:
        given: all objectives of its estimators, including report-only ones.
        followed: the objectives that a strategy sees, the main one first.
        constraints: bounds that a feasible candidate satisfies.
    """

    given: tuple[Objective, ...] = ()
    followed: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()

    @classmethod
    def of(
        cls,
        estimators: Sequence[Estimator],
        objectives: Sequence[str] | None,
        constraints: Sequence[str],
        sizes: Sequence[str] = (),
    ) -> Goals:
        """Find the goals of these names and bounds; without names, follow all but report-only ones and `ACCOUNTS`.

        Args:
            sizes: metrics that constraints may bound although no estimator gives them.

        Raises:
            OptionError: two estimators give a metric of the same name, a constraint is invalid, or a report-only
                metric would steer the search.
            UnknownNameError: no estimator gives a metric of that name.
        """
        given = composed(estimators)
        visible = {objective.metric: objective for objective in given if not objective.report_only}
        if objectives is not None and not objectives:
            raise OptionError(f"objectives=[] leaves nothing to follow; choose from {', '.join(visible)}")
        for name in objectives or ():
            _check(name, given)
        if twice := [name for name in objectives or () if list(objectives or ()).count(name) > 1]:
            raise OptionError(f"objectives lists '{twice[0]}' twice; list it once")
        bounds = tuple(Constraint.read(text) for text in constraints)
        for bound in bounds:
            if bound.metric not in sizes:
                _check(bound.metric, given)
            _check_possible(bound)
        _check_compatible(bounds)
        names = [name for name in visible if not name.startswith(ACCOUNTS)] if objectives is None else objectives
        return cls(given, tuple(visible[name] for name in names), bounds)

    def broken(self, evaluation: Evaluation) -> Constraint | None:
        """Return the first constraint that a successful evaluation violates."""
        return next((bound for bound in self.constraints if bound.violation(evaluation.metrics) > 0), None)

    def judged(self, evaluation: Evaluation) -> Evaluation:
        """Return the evaluation; if it was successful and violates a constraint, as infeasible with the reason."""
        broken = self.broken(evaluation) if evaluation.ok else None
        if broken is None:
            return evaluation
        return replace(evaluation, status="infeasible", reason=f"{evaluation.metrics[broken.metric]:g} breaks {broken}")

    def visible(self, evaluation: Evaluation) -> Evaluation:
        """Return the evaluation as a strategy may see it, without report-only metrics."""
        visible = {name: value for name, value in evaluation.metrics.items() if name not in self._hidden}
        return replace(evaluation, metrics=visible) if len(visible) < len(evaluation.metrics) else evaluation

    @cached_property
    def _hidden(self) -> frozenset[str]:
        return frozenset(objective.metric for objective in self.given if objective.report_only)


def composed(estimators: Sequence[Estimator]) -> tuple[Objective, ...]:
    """Return the objectives of all estimators; `OptionError` if two give a metric of the same name."""
    given: dict[str, str] = {}
    for estimator in estimators:
        for objective in estimator.objectives:
            if first := given.get(objective.metric):
                raise OptionError(
                    f"estimators '{first}' and '{estimator.name}' both give '{objective.metric}'; choose one of them"
                )
            given[objective.metric] = estimator.name
    return tuple(objective for estimator in estimators for objective in estimator.objectives)


def _check(name: str, given: Sequence[Objective]) -> None:
    by_name = {objective.metric: objective for objective in given}
    if name not in by_name:
        visible = [objective.metric for objective in given if not objective.report_only]
        others = [other for other, part in registry("estimator").working.items() if _lists(part, name)]
        remedy = f"it is a metric of estimator={others[0]}, which may stand in a list with others" if others else ""
        raise unknown("objective of these estimators", name, visible, or_else=remedy)
    if by_name[name].report_only:
        raise OptionError(f"'{name}' is only reported: a metric measured on test data must not steer a search")


def _lists(estimator: type[Estimator], metric: str) -> bool:
    """Return whether the class itself, before any options, says that it gives a metric."""
    listed = getattr(estimator, "objectives", None)
    return isinstance(listed, tuple) and any(objective.metric == metric for objective in listed)


def _check_possible(bound: Constraint) -> None:
    """Raise an `OptionError` for a bound that no value satisfies, given the range that the metric's name implies."""
    if bound.metric.endswith("accuracy"):
        most, what = 1.0, "a fraction from 0 to 1"
    elif bound.metric.endswith(("_ms", "_seconds", "_m", "_mb")):
        most, what = math.inf, "never below 0"
    else:
        return
    if bound.limit < 0 if bound.upper else bound.limit > most:
        raise OptionError(f"constraint '{bound}' excludes all candidates: {bound.metric} is {what}")


def _check_compatible(bounds: Sequence[Constraint]) -> None:
    """Raise an `OptionError` for two bounds of one metric that no value satisfies."""
    for lower, upper in itertools.product(bounds, bounds):
        if lower.metric == upper.metric and upper.upper and not lower.upper and lower.limit > upper.limit:
            raise OptionError(f"constraints '{lower}' and '{upper}' exclude all candidates: no value satisfies both")
