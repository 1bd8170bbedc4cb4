"""The most probable architecture of a mix that keeps the run's constraints."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import islice

import numpy as np

from nasforge.architecture import Architecture, Constraint, Metrics
from nasforge.bounds.discretization import Discretization, Selection, by_score, score_of
from nasforge.bounds.feasibility import MOST_LOOKED_UP, feasible
from nasforge.bounds.measures import Measures
from nasforge.bounds.model import Model
from nasforge.randomness import rng_of
from nasforge.result import Derivation
from nasforge.space import Mix, WeightSharing
from nasforge.wording import quantity, ratio

MOST_BUILT = 200
"""How many architectures are measured in the order of their probability, if networks must be built for it."""


class Bounds:
    """Derives architectures within constraints.

    The probability of an architecture is the product of the weights of the operations that it keeps. If the metrics are
    sums of each operation's share, the best choice is a knapsack, which is solved exactly. Otherwise architectures are
    measured in the order of their probability, which is exact as well. After a number of them, shares around the best
    known architecture lead to a better one, until none does.

    Args:
        space: derives architectures.
        constraints: the bounds.
        measures: measures their metrics.
    """

    def __init__(self, space: WeightSharing, constraints: Sequence[Constraint], measures: Measures) -> None:
        self._space, self._constraints, self._measures = space, tuple(constraints), measures

    def check(self) -> None:
        """Raise an `OptionError` that says what is possible if no architecture keeps the bounds."""
        _ = self._feasible

    def derive(self, mix: Mix) -> tuple[Architecture, Derivation]:
        """Return the most probable architecture within the bounds, and what the bounds cost."""
        free = self._space.derive(mix)
        if (self._measures.excess(free) <= 0).all():
            return free, self._derivation(free, free, 0.0, 0.0)
        scores = self._model.discretization.scores(mix)
        selection, ceiling = self._best(scores)
        architecture = self._model.discretization.architecture(selection)
        best, score = float(sum(each.max() for each in scores)), score_of(scores, selection)
        return architecture, self._derivation(architecture, free, best - score, ceiling - score)

    def _best(self, scores: Sequence[np.ndarray]) -> tuple[Selection, float]:
        """Return the best selection within the bounds, and a score that none within the bounds exceeds."""
        model, selection = self._model, self._feasible
        if model.exact is not None:
            selection = model.best(scores, model.exact) or selection
            return selection, score_of(scores, selection)
        for selection in islice(by_score(scores), MOST_LOOKED_UP if self._measures.by_table else MOST_BUILT):
            if model.keeps(selection):
                return selection, score_of(scores, selection)
        ceiling, selection = score_of(scores, selection), self._feasible
        while (better := model.best(scores, model.around(selection), score_of(scores, selection))) is not None:
            selection = better
        return selection, ceiling

    @cached_property
    def _model(self) -> Model:
        some = self._space.mix_of(self._space.sample(rng_of("bounds")))
        return Model(Discretization(self._space, some), self._measures)

    @cached_property
    def _feasible(self) -> Selection:
        return feasible(self._model, self._constraints, self._space.name)

    def _derivation(self, architecture: Architecture, free: Architecture, cost: float, gap: float) -> Derivation:
        bounded, unbounded = (self._measures.metrics(each) for each in (architecture, free))
        bounds = " and ".join(map(str, self._constraints))
        return Derivation(
            most_probable=str(free),
            unbounded=unbounded,
            bounded=bounded,
            cost=round(cost, 6),
            gap=round(gap, 6),
            sentence=_kept(bounds, bounded)
            if architecture == free
            else _changed(bounds, bounded, unbounded, cost, gap),
        )


def _kept(bounds: str, bounded: Metrics) -> str:
    return f"The most probable architecture keeps {bounds} ({_sizes(bounded)})."


def _changed(bounds: str, bounded: Metrics, unbounded: Metrics, cost: float, gap: float) -> str:
    found = "is the most probable one with" if gap == 0 else "keeps"
    others = f" Others within the bounds are at most {ratio(gap)} times as probable as the derived one."
    return (
        f"The derived architecture {found} {bounds} ({_sizes(bounded)}). The one that would have been derived without "
        f"constraints is {ratio(cost)} times as probable ({_sizes(unbounded)}).{others if gap else ''}"
    )


def _sizes(metrics: Metrics) -> str:
    return " and ".join(quantity(name, value) for name, value in metrics.items())
