"""ASHA: asynchronous successive halving, which never waits for a rung to be full (Li et al., MLSys 2020)."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from nasforge import Architecture, Result, Run
from nasforge_plugins.shared.rungs import SuccessiveHalving


@dataclass
class Rung:
    """The candidates that have been trained for so many epochs.

    Attributes:
        ranked: (cost, number, candidate), the best first.
        promoted: those that are trained for the epochs of the next rung.
    """

    epochs: int
    ranked: list[tuple[float, int, Architecture]] = field(default_factory=list)
    known: set[Architecture] = field(default_factory=set)
    promoted: set[Architecture] = field(default_factory=set)

    def add(self, architecture: Architecture, cost: float) -> None:
        """Rank a candidate, once."""
        if architecture not in self.known:
            bisect.insort(self.ranked, (cost, len(self.known), architecture))
            self.known.add(architecture)

    def promotable(self, eta: int) -> Architecture | None:
        """The best candidate among the best 1/eta that is not promoted; None if all are."""
        for cost, _, architecture in self.ranked[: len(self.ranked) // eta]:
            if architecture not in self.promoted and math.isfinite(cost):
                return architecture
        return None


class ASHA(SuccessiveHalving):
    """Algorithm 2 of the paper, without its early-stopping rate s, which is 0.

    Whenever a worker is free, the best candidate that belongs to the best 1/eta of its rung is trained further, from
    the highest rung down; if there is none, a random one is trained for the epochs of the lowest rung.
    """

    name: ClassVar[str] = "asha"

    def search(self, run: Run) -> Result:
        """Give each free worker a job, and learn from each evaluation as it arrives."""
        ladder = [Rung(epochs) for epochs in self.levels(run.fidelities)]
        by_epochs = {rung.epochs: rung for rung in ladder}
        for evaluation in run.stream(self.jobs(run, ladder), self.name):
            by_epochs[evaluation.epochs or 0].add(evaluation.architecture, evaluation.cost(run.objectives[0]))
        return run.result()

    def jobs(self, run: Run, ladder: Sequence[Rung]) -> Iterator[tuple[Architecture, int]]:
        """The next job for each worker that asks: `get_job` of the paper."""
        while True:
            for rung, higher in reversed(list(itertools.pairwise(ladder))):  # line 13
                if (candidate := rung.promotable(self.eta)) is not None:  # lines 14 to 17
                    rung.promoted.add(candidate)
                    yield candidate, higher.epochs
                    break
            else:
                yield run.space.sample(run.rng), ladder[0].epochs  # line 20
