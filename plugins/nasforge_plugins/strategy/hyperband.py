"""Hyperband: successive halving with several trade-offs between candidates and epochs (Li et al., JMLR 2018)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

from nasforge import (
    Constraint,
    Count,
    Estimator,
    Evaluation,
    Objective,
    Result,
    Run,
    Strategy,
    common_fidelities,
)
from nasforge_plugins.shared.rungs import Eta, rungs


class Stage(NamedTuple):
    """A step of a bracket: so many candidates, each trained for so many epochs in all."""

    candidates: int
    epochs: int
    fresh: bool


class Hyperband(Strategy):
    """Algorithm 1 of the paper. It follows the first objective, and repeats its brackets until the budget is used up.

    A bracket draws candidates at random and halves them: of all that have been trained for some epochs, the best 1/eta
    are trained further. The first bracket begins with many candidates and few epochs, the last with all epochs.

    Args:
        eta: the reduction factor.
        min_epochs: the fewest epochs of a candidate. The most, R, are the estimator's.
    """

    name: ClassVar[str] = "hyperband"
    needs_estimates = True
    needs_data = False
    needs_fidelities = True
    baseline = "random_search"

    def __init__(self, *, eta: Eta = 3, min_epochs: Count = 1) -> None:
        self.eta, self.min_epochs = eta, min_epochs

    def check_goals(
        self, estimators: Sequence[Estimator], objectives: Sequence[Objective], constraints: Sequence[Constraint]
    ) -> None:
        """Raise an `OptionError` if candidates would all be trained for all epochs."""
        rungs(common_fidelities(estimators), self.eta, self.min_epochs)

    def search(self, run: Run) -> Result:
        """Go through brackets until the budget is used up."""
        levels = rungs(run.fidelities, self.eta, self.min_epochs)
        stages = itertools.chain.from_iterable(map(brackets, itertools.repeat(levels), itertools.repeat(self.eta)))
        evaluations: list[Evaluation] = []
        for _, stage in zip(run.generations(None, self.name), stages, strict=False):
            if stage.fresh:
                candidates = [run.space.sample(run.rng) for _ in range(stage.candidates)]  # line 4
            else:
                ranked = sorted(evaluations, key=lambda evaluation: evaluation.cost(run.objectives[0]))
                candidates = [evaluation.architecture for evaluation in ranked[: stage.candidates]]  # line 9
            evaluations = run.estimate(candidates[: run.remaining], epochs=stage.epochs)  # line 8
        return run.result()


def brackets(levels: list[int], eta: int) -> Iterator[Stage]:
    """The stages of all brackets, with the numbers of the paper's Table 1.

    Its brackets begin with floor((s_max + 1) / (s + 1)) * eta^s candidates; line 2 of Algorithm 1 rounds up instead, to
    at most a quarter more.

    Args:
        levels: the rungs' numbers of epochs, ascending.
    """
    for s in reversed(range(len(levels))):  # line 1
        count = len(levels) // (s + 1) * eta**s
        for i, epochs in enumerate(levels[len(levels) - 1 - s :]):  # line 5
            yield Stage(count // eta**i, epochs, fresh=i == 0)  # lines 6 and 7
