"""Scores many candidates cheaply and passes only the promising ones to a more expensive estimator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field

from nasforge import (
    Architecture,
    Context,
    Estimate,
    Estimator,
    Infeasible,
    Objective,
    OptionError,
    PlannedNetwork,
    Population,
    SearchData,
    SearchSpace,
    build,
    isolated,
    rng_of,
    seed_of,
    unknown,
)

FIRST = {"name": "zero_cost"}
THEN = {"name": "training"}


class Cascade(Estimator):
    """A cheap first estimator as a filter before a second one: candidates with low scores are not estimated further.

    The threshold is the score of the best `keep` of `reference` random architectures of the space, so an estimate
    depends only on its architecture, not on other candidates: it can be replayed, resumed and computed anywhere. A
    candidate below the threshold is `infeasible`, with its score and the threshold as the reason; one that passes has
    the second estimator's metrics. `budget.evaluations` counts both.

    Args:
        first, then: estimators, each with its `name` and options.
        keep: fraction in (0, 1] of random architectures that would pass.
        reference: number of random architectures that set the threshold; each process scores them once.
        by: the first estimator's metric that is the score; None for its first metric.

    Raises:
        OptionError: an option of either estimator is wrong.
        UnknownNameError: there is no such estimator, or the first one does not have the metric `by`.
    """

    name: ClassVar[str] = "cascade"

    def __init__(
        self,
        *,
        first: Mapping[str, Any] = FIRST,
        then: Mapping[str, Any] = THEN,
        keep: Annotated[float, Field(gt=0, le=1)] = 0.25,
        reference: Population = 32,
        by: str | None = None,
    ) -> None:
        self.first: Estimator = build("estimator", first, where="estimator.cascade.first")
        self.then: Estimator = build("estimator", then, where="estimator.cascade.then")
        for option, estimator in (("first", self.first), ("then", self.then)):
            if estimator.needs_weights:
                raise OptionError(
                    f"estimator.cascade.{option}: '{estimator.name}' scores with shared weights, which a cascade "
                    "lacks; choose another estimator"
                )
        self.keep, self.reference = keep, reference
        self.score = _objective(self.first, by)
        both = (self.first, self.then)
        self.objectives = self.then.objectives
        self.needs = tuple(ability for estimator in both for ability in estimator.needs)  # type: ignore[misc]
        self.builds = all(estimator.builds for estimator in both)  # type: ignore[misc]
        self.needs_data = any(estimator.needs_data for estimator in both)  # type: ignore[misc]
        self.fingerprint = repr([(part.name, dict(part.options), part.fingerprint) for part in both])
        self.dataset = self.then.dataset
        self.epochs, self.channels, self.held_out = self.then.epochs, self.then.channels, self.then.held_out

    def check(self, space: SearchSpace) -> None:
        """Check that both can estimate architectures of `space`."""
        self.first.check(space)
        self.then.check(space)

    def check_data(self, data: SearchData) -> None:
        """Check that both can use these images, if they read any."""
        for estimator in (self.first, self.then):
            if estimator.needs_data:
                estimator.check_data(data)

    def networks(self, space: SearchSpace, data: SearchData) -> Sequence[PlannedNetwork]:
        """The networks of both estimators."""
        readers = [estimator for estimator in (self.first, self.then) if estimator.needs_data]
        return [network for estimator in readers for network in estimator.networks(space, data)]

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """The second estimate, if the first score reaches the threshold.

        Raises:
            Infeasible: it does not.
        """
        bar, estimate = self.bar(context), self.first.estimate(architecture, context)
        if estimate.flag or self.score.cost(estimate.metrics) > bar:
            value = estimate.metrics[self.score.metric]
            why = estimate.flag or f"the threshold is {-bar if self.score.direction == 'max' else bar:.6g}"
            raise Infeasible(f"not estimated further: {self.score.metric} is {value:.6g}; {why}")
        with isolated(context.seed):  # as if the first one had drawn nothing
            return self.then.estimate(architecture, context)

    def bar(self, context: Context) -> float:
        """The highest cost among the best `keep` of the random architectures."""
        key = (id(context.space), context.data.fingerprint if self.needs_data else "", context.threads)
        if key not in self._bars:
            costs = [self._reference_cost(number, context) for number in range(self.reference)]
            rank = max(1, round(self.keep * self.reference)) - 1
            self._bars[key] = sorted(costs)[rank]
        return self._bars[key]

    @cached_property
    def _bars(self) -> dict[tuple[int, str, int], float]:
        return {}

    def _reference_cost(self, number: int, context: Context) -> float:
        """The cost of a random architecture; infinite if it has no score, so that it does not fail other candidates."""
        seed = seed_of("cascade", number)
        architecture = context.space.sample(rng_of("cascade", number))
        reference = replace(context, seed=seed, weights=None)
        try:
            with isolated(seed):
                estimate = self.first.estimate(architecture, reference)
        except (MemoryError, torch.OutOfMemoryError):  # the machine's failure, not the architecture's
            raise
        except (Exception, SystemExit):
            return float(np.inf)
        return float(np.inf) if estimate.flag else self.score.cost(estimate.metrics)


def _objective(estimator: Estimator, metric: str | None) -> Objective:
    objectives = {objective.metric: objective for objective in estimator.objectives}
    if metric is None:
        return estimator.objectives[0]
    if metric not in objectives:
        raise unknown(f"metric of estimator '{estimator.name}' (estimator.cascade.by)", metric, objectives)
    return objectives[metric]
