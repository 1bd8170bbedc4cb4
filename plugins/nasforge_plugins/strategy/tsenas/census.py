"""Whom the search has met, and how the population fared from generation to generation."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from nasforge import Architecture, CellChain, Evaluation, Generation, Run

from .inheritance import Inheritance
from .rough import Individual


class Census:
    """Nobody is trained twice, however often the operators make it, and whatever has been inherited since.

    Attributes:
        generations: what the report shows of each.
    """

    def __init__(self, run: Run, space: CellChain, inheritance: Inheritance) -> None:
        self._run, self._space, self._inheritance = run, space, inheritance
        self._met: dict[Hashable, Individual] = {}
        self._new: list[Evaluation] = []
        self._asked = 0
        self.generations: list[Generation] = []

    def of(self, architectures: Sequence[Architecture]) -> list[Individual]:
        """These as individuals, estimated now where they are new; whom the budget leaves out is not among them."""
        keys = {self._space.function_key(one): one for one in reversed(architectures)}
        new = {key: one for key, one in reversed(keys.items()) if key not in self._met}
        chosen = list(new)[: self._run.remaining]
        if chosen:
            estimated = self._run.estimate([new[key] for key in chosen], self._inheritance.weights)
            self._met |= {key: self._individual(one) for key, one in zip(chosen, estimated, strict=True)}
            self._new += estimated
        self._asked += len(architectures) - (len(new) - len(chosen))
        return self.known(architectures)

    def known(self, architectures: Sequence[Architecture]) -> list[Individual]:
        """Those of them that have been met, without repetition."""
        keys = dict.fromkeys(self._space.function_key(one) for one in architectures)
        return [self._met[key] for key in keys if key in self._met]

    def _individual(self, evaluation: Evaluation) -> Individual:
        cost = evaluation.cost(self._run.objectives[0])
        return Individual(evaluation, cost, len(self._space.kinds(evaluation.architecture)))

    def count(self, stage: str, population: Sequence[Individual]) -> None:
        """End a generation of `stage`: record it, and let go the weights of those who are not in the population."""
        evaluations = [one.evaluation for one in population]
        made = Generation(stage, tuple(evaluations), tuple(self._new), self._asked - len(self._new))
        self.generations.append(made)
        if usable := [one.cost for one in population if one.evaluation.ok]:
            self._run.log(len(self.generations), best_cost=min(usable))
        self._inheritance.forget(self._met.values(), population)
        self._new, self._asked = [], 0
