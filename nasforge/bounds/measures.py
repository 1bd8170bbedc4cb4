"""The bounded metrics of architectures: sizes, and what estimators read from tables."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np

from nasforge.architecture import Architecture, Constraint, Metrics
from nasforge.errors import ArchitectureError, DataError, OptionError
from nasforge.estimator import Context, Estimator, Infeasible
from nasforge.networks.sizes import SIZES, architecture_size
from nasforge.randomness import isolated


def measures(estimator: Estimator, metric: str) -> bool:
    """Return whether `estimator` gives `metric` without training, weights or random draws: a size, or from a table."""
    given = any(objective.metric == metric for objective in estimator.objectives)
    return given and not estimator.needs_weights and (metric in SIZES or not estimator.needs_data)


def check_measured(strategy: str, constraints: Sequence[Constraint], estimators: Sequence[Estimator]) -> None:
    """Raise an `OptionError` for a bound on what only training, weights or random draws can tell."""
    for bound in constraints:
        if bound.metric in SIZES or any(measures(estimator, bound.metric) for estimator in estimators):
            continue
        raise OptionError(
            f"constraint '{bound}': strategy '{strategy}' derives its architecture, so it can bound "
            f"{', '.join(SIZES)} and what estimators read from tables, such as estimator=[supernet,latency]; "
            f"{bound.metric} is none of these"
        )


MISSING = 1e12
"""What an architecture that a table lacks exceeds a bound by."""


class Measures:
    """The metrics that constraints bound, each measured once for each architecture.

    Args:
        constraints: the bounds.
        estimators: those of the run; sizes that none of them gives are of the space's network for evaluation.
        context: for the estimators.
    """

    def __init__(self, constraints: Sequence[Constraint], estimators: Sequence[Estimator], context: Context) -> None:
        self._signs = np.array([1.0 if bound.upper else -1.0 for bound in constraints])
        self._limits = np.array([bound.limit for bound in constraints])
        self._metrics = [bound.metric for bound in constraints]
        self._estimators = [
            estimator for estimator in estimators if any(measures(estimator, metric) for metric in self._metrics)
        ]
        given = {objective.metric for estimator in self._estimators for objective in estimator.objectives}
        self._count = bool({*SIZES} & {*self._metrics} - given)
        self.by_table = not self._count and not any(estimator.needs_data for estimator in self._estimators)
        self._context, self._known = context, dict[Architecture, Metrics]()

    def metrics(self, architecture: Architecture) -> Metrics:
        """Return the bounded metrics; those of an architecture that is not in the table are missing."""
        if architecture not in self._known:
            self._known[architecture] = self._measured(architecture)
        known = self._known[architecture]
        return {name: known[name] for name in self._metrics if name in known}

    def excess(self, architecture: Architecture) -> np.ndarray:
        """Return by how much each bound is exceeded (constraints,): at most 0 where it is kept."""
        metrics = self.metrics(architecture)
        if len(metrics) < len({*self._metrics}):
            return np.full(len(self._metrics), MISSING)
        values = np.array([metrics[name] for name in self._metrics])
        excess: np.ndarray = self._signs * values - self._signs * self._limits
        return excess

    def value(self, place: int, excess: float) -> float:
        """Return the metric of the constraint at `place` that exceeds it by `excess`."""
        return float(self._limits[place] + self._signs[place] * excess)

    def _measured(self, architecture: Architecture) -> Metrics:
        context, everything = self._context, dict[str, float]()
        with nullcontext() if self.by_table else isolated(0):
            if self._count:
                data = context.data
                everything |= architecture_size(context.space, architecture, data.input_shape, data.classes)
            for estimator in self._estimators:
                try:
                    everything |= estimator.estimate(architecture, context).metrics
                except (ArchitectureError, DataError, Infeasible):  # a table may lack it
                    continue
        return everything
