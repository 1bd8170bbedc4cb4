"""What a search follows and what candidates must keep: chosen by name among what the estimators give."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from nasforge.architecture import Constraint, Evaluation, Objective
from nasforge.errors import OptionError, unknown
from nasforge.estimator import Estimator

TRAINING_TIME = "train_seconds"
"""The metric that says how long the training behind an answer took."""
ACCOUNTS = (TRAINING_TIME, "train_epochs", "inherited")
"""Metrics that say what a search costs, not what it looks for: followed only where they are named."""


@dataclass(frozen=True)
class Goals:
    """What counts in a run.

    Attributes:
        given: every objective of its estimators, report-only ones included.
        followed: what a strategy sees, the first one foremost.
        constraints: what makes a candidate infeasible.
    """

    given: tuple[Objective, ...] = ()
    followed: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()

    @classmethod
    def of(cls, estimators: Sequence[Estimator], objectives: Sequence[str] | None, constraints: Sequence[str]) -> Goals:
        """The goals that names and bounds stand for; without names, every objective that is neither report-only nor
        one of the `ACCOUNTS`.

        Raises:
            OptionError: two estimators give a metric of the same name, a constraint cannot be read, or a report-only
                metric would steer the search.
            UnknownNameError: no estimator gives a metric.
        """
        given = composed(estimators)
        visible = {objective.metric: objective for objective in given if not objective.report_only}
        if objectives is not None and not objectives:
            raise OptionError(f"objectives=[] leaves nothing to follow; choose among {', '.join(visible)}")
        for name in objectives or ():
            _check(name, given)
        if twice := [name for name in objectives or () if list(objectives or ()).count(name) > 1]:
            raise OptionError(f"objectives names '{twice[0]}' twice, and each counts once")
        bounds = tuple(Constraint.read(text) for text in constraints)
        for bound in bounds:
            _check(bound.metric, given)
            _check_possible(bound)
        _check_compatible(bounds)
        names = [name for name in visible if name not in ACCOUNTS] if objectives is None else objectives
        return cls(given, tuple(visible[name] for name in names), bounds)

    def broken(self, evaluation: Evaluation) -> Constraint | None:
        """The first constraint that a successful evaluation breaks."""
        return next((bound for bound in self.constraints if bound.violation(evaluation.metrics) > 0), None)


def composed(estimators: Sequence[Estimator]) -> tuple[Objective, ...]:
    """The objectives of all estimators together; an `OptionError` if two give a metric of the same name."""
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
        raise unknown("objective of these estimators", name, visible)
    if by_name[name].report_only:
        raise OptionError(f"'{name}' is only reported: a metric that is measured on test data must not steer a search")


def _check_possible(bound: Constraint) -> None:
    """Metrics' names say what values they can have."""
    if bound.metric.endswith("accuracy"):
        least, most, what = 0.0, 1.0, "a fraction from 0 to 1"
    elif bound.metric.endswith(("_ms", "_seconds", "_m", "_mb")):
        least, most, what = 0.0, math.inf, "never below 0"
    else:
        return
    if bound.limit < least if bound.upper else bound.limit > most:
        raise OptionError(f"constraint '{bound}' leaves no candidate: {bound.metric} is {what}")


def _check_compatible(bounds: Sequence[Constraint]) -> None:
    """Raise an `OptionError` for two bounds of one metric that no value keeps."""
    for lower, upper in itertools.product(bounds, bounds):
        if lower.metric == upper.metric and upper.upper and not lower.upper and lower.limit > upper.limit:
            raise OptionError(f"constraints '{lower}' and '{upper}' leave no candidate: no value keeps both")
