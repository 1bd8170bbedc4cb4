"""Hyperband: successive halving with several trade-offs between candidates and epochs (Li et al., JMLR 2018)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from nasforge import Architecture, Evaluation, Result, Run
from nasforge_plugins.shared.rungs import SuccessiveHalving


class Stage(NamedTuple):
    """A step of a bracket: so many candidates, each trained for so many epochs in all."""

    candidates: int
    epochs: int
    fresh: bool


class Hyperband(SuccessiveHalving):
    """Algorithm 1 of the paper. It repeats its brackets until the budget is used up.

    A bracket draws candidates at random and halves them: of all that have been trained for some epochs, the best 1/eta
    are trained further. The first bracket begins with many candidates and few epochs, the last with all epochs.
    """

    name: ClassVar[str] = "hyperband"

    def search(self, run: Run) -> Result:
        """Go through brackets until the budget is used up."""
        levels = self.levels(run.fidelities)
        stages = itertools.chain.from_iterable(map(brackets, itertools.repeat(levels), itertools.repeat(self.eta)))
        evaluations: list[Evaluation] = []
        for _, stage in zip(run.generations(None, self.name), stages, strict=False):
            if stage.fresh:
                candidates = self.drawn(run, stage, levels)  # line 4
            else:
                ranked = sorted(evaluations, key=lambda evaluation: evaluation.cost(run.objectives[0]))
                candidates = [evaluation.architecture for evaluation in ranked[: stage.candidates]]  # line 9
            evaluations = run.estimate(candidates[: run.remaining], epochs=stage.epochs)  # line 8
        return run.result()

    def drawn(self, run: Run, stage: Stage, levels: list[int]) -> list[Architecture]:
        """The candidates that a bracket begins with.

        Args:
            stage: the bracket's first.
            levels: the rungs' numbers of epochs, ascending.
        """
        return [run.space.sample(run.rng) for _ in range(stage.candidates)]


def brackets(levels: list[int], eta: int) -> Iterator[Stage]:
    """The stages of all brackets, with the numbers of the paper's Table 1.

    Its brackets begin with floor((s_max + 1) / (s + 1)) * eta^s candidates; line 2 of Algorithm 1 rounds up after the
    multiplication, to less than twice as many.

    Args:
        levels: the rungs' numbers of epochs, ascending.
    """
    for s in reversed(range(len(levels))):  # line 1
        count = len(levels) // (s + 1) * eta**s
        for i, epochs in enumerate(levels[len(levels) - 1 - s :]):  # line 5
            yield Stage(count // eta**i, epochs, fresh=i == 0)  # lines 6 and 7
