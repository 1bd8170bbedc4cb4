"""Scores many candidates cheaply and hands the promising ones on to a costlier estimator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """A cheap first estimator as a filter before a second one: whoever scores too little is not estimated further.

    The bar is what the best `keep` of `reference` random architectures of the space score, so that an estimate depends
    on its architecture alone, not on who else was asked about: it can be replayed, resumed and computed anywhere. Who
    stays below is `infeasible`, with its score and the bar as the reason; who passes has the second one's metrics.
    `budget.evaluations` counts both.

    Args:
        first, then: estimators, each with its `name` and options.
        keep: fraction in (0, 1] of random architectures that would pass.
        reference: how many of these set the bar; they are scored once a process.
        by: which of the first one's metrics is the score; its first if None.

    Raises:
        OptionError: an option of either estimator is wrong.
        UnknownNameError: there is no such estimator, or the first one does not give `by`.
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
        for part, said in ((self.first, "first"), (self.then, "then")):
            if part.needs_weights:
                raise OptionError(
                    f"estimator.cascade.{said}: '{part.name}' scores with shared weights; it cannot be here"
                )
        self.keep, self.reference = keep, reference
        self.score = _objective(self.first, by)
        both = (self.first, self.then)
        self.objectives = self.then.objectives
        self.needs = tuple(ability for part in both for ability in part.needs)  # type: ignore[misc]
        self.builds = all(part.builds for part in both)  # type: ignore[misc]
        self.needs_data = any(part.needs_data for part in both)  # type: ignore[misc]
        self.fingerprint = repr([(part.name, dict(part.options), part.fingerprint) for part in both])
        self.dataset = self.then.dataset
        self.epochs, self.channels, self.held_out = self.then.epochs, self.then.channels, self.then.held_out

    def check(self, space: SearchSpace) -> None:
        """Both must be able to estimate architectures of `space`."""
        self.first.check(space)
        self.then.check(space)

    def check_data(self, data: SearchData) -> None:
        """Both must be able to do with these images, if they read any."""
        for part in (self.first, self.then):
            if part.needs_data:
                part.check_data(data)

    def networks(self, space: SearchSpace, data: SearchData) -> Sequence[PlannedNetwork]:
        """Those of both."""
        return [one for part in (self.first, self.then) if part.needs_data for one in part.networks(space, data)]

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """The second estimate, if the first one is good enough.

        Raises:
            Infeasible: it is not.
        """
        bar, scored = self.bar(context), self.first.estimate(architecture, context)
        if scored.flag or self.score.cost(scored.metrics) > bar:
            value = scored.metrics[self.score.metric]
            told = scored.flag or f"the bar is {-bar if self.score.direction == 'max' else bar:.6g}"
            raise Infeasible(f"not estimated further: {self.score.metric} is {value:.6g}; {told}")
        with isolated(context.seed):  # as if the first one had drawn nothing
            return self.then.estimate(architecture, context)

    def bar(self, context: Context) -> float:
        """The cost that the best `keep` of the random architectures do not exceed."""
        key = (id(context.space), context.data.fingerprint if self.needs_data else "", context.threads)
        if key not in self._bars:
            costs = [self._reference_cost(number, context) for number in range(self.reference)]
            place = max(1, round(self.keep * self.reference)) - 1
            self._bars[key] = sorted(costs)[place]
        return self._bars[key]

    @cached_property
    def _bars(self) -> dict[tuple[int, str, int], float]:
        return {}

    def _reference_cost(self, number: int, context: Context) -> float:
        """Of the random architecture of that number; infinite where it has no score, which is no fault of others."""
        seed = seed_of("cascade", number)
        one = context.space.sample(rng_of("cascade", number))
        alike = Context(context.space, context.data, context.device, context.threads, seed)
        try:
            with isolated(seed):
                scored = self.first.estimate(one, alike)
        except (MemoryError, torch.OutOfMemoryError):  # the machine's failure, not the architecture's
            raise
        except (Exception, SystemExit):
            return float(np.inf)
        return float(np.inf) if scored.flag else self.score.cost(scored.metrics)


def _objective(estimator: Estimator, metric: str | None) -> Objective:
    given = {one.metric: one for one in estimator.objectives}
    if metric is None:
        return estimator.objectives[0]
    if metric not in given:
        raise unknown(f"metric of estimator '{estimator.name}' (estimator.cascade.by)", metric, given)
    return given[metric]
