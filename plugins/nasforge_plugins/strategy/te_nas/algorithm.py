"""TE-NAS: Chen, Gong and Wang, "Neural Architecture Search on ImageNet in Four GPU Hours", ICLR 2021.

The comments name the steps of its Algorithm 1 by their symbols: kappa is the condition of the neural tangent kernel, R
the number of linear regions, o_j an operation on an edge; `code` marks what its published code decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from scipy.stats import rankdata

from nasforge import (
    Constraint,
    Count,
    Estimator,
    Mix,
    Objective,
    OptionError,
    Result,
    Run,
    RunError,
    Strategy,
    WeightSharing,
    mix_over_time,
)

from .prunings import Kept, Prunings

Place = tuple[str, int, int | slice]
"""What can be removed: cell type, edge and operation; a slice of all operations removes the edge."""


class TENAS(Strategy[WeightSharing]):
    """TE-NAS: prune a supernet at its initial weights, round by round, by what each removal does to its scores.

    The scores are the run's objectives: the condition of the neural tangent kernel and the number of linear regions by
    default. Any estimator that scores a space's networks will do. `conf/strategy/te_nas.yaml` explains each
    option and gives the paper's value.

    Raises:
        RunError: the supernet cannot be scored, or `budget.seconds` is used up before the first round ends.
    """

    name: ClassVar[str] = "te_nas"
    needs_estimates: ClassVar[bool] = True
    needs_builder: ClassVar[bool] = True

    def __init__(
        self,
        *,
        repeats: Count = 1,
        per_round: Count = 1,
        precision: Annotated[int, Field(ge=1, le=15)] = 3,
    ) -> None:
        self.repeats, self.per_round, self.precision = repeats, per_round, precision

    def search(self, run: Run[WeightSharing]) -> Result:
        """Measure each removal and prune the least important operation of each edge, until one is left on each."""
        prunings = Prunings(run.space, run)
        scores = Scores(prunings, run, self.repeats)
        kept = prunings.whole()  # N_0
        importance = {cell: np.zeros(shape) for cell, shape in prunings.shapes.items()}
        trace = [prunings.mix(kept)]
        most = max(int(rows.sum(axis=1).max()) for rows in kept.values())
        rounds = -(-(most - 1) // self.per_round)
        for number in run.generations(rounds, "te_nas"):  # while N_t is not a single-path network
            places = [place for place in operations(kept) if kept[place[0]][place[1]].sum() > 1]  # for each o_j in N_t
            ranks = self.ranked(scores, kept, places, number)
            importance = _by_place(importance, places, ranks)
            kept = pruned(kept, places, ranks, self.per_round)  # N_(t+1)
            trace.append(prunings.mix(kept))
        if (done := len(trace) - 1) == 0:
            raise RunError("the search ended before its first round; resume it with a larger budget.seconds")
        if done < rounds:
            run.notes.append(
                f"the search ended after {done} of {rounds} rounds: each edge has the operation whose removal harmed "
                "the scores most in the last round"
            )
        architecture = run.space.derive(self._weighed(run, scores, kept, importance, rounds))
        run.notes += scores.notes()
        run.estimate([architecture])
        return run.result(architecture, trace=trace)

    def explain(self, run: Run[WeightSharing], trace: Sequence[Mix]) -> None:
        """A chart for each cell type: which operations were left after each round."""
        rows = {cell: torch.stack([mix[cell] for mix in trace]) for cell in trace[0]}
        for cell, svg in mix_over_time(rows, run.space.mix_labels, time="round").items():
            run.keep(f"mix_{cell}.svg", svg, f"Remaining operations after each round: {cell}")

    def check_goals(
        self, estimators: Sequence[Estimator], objectives: Sequence[Objective], constraints: Sequence[Constraint]
    ) -> None:
        """Raise an `OptionError` for what pruning would ignore: constraints, and draws of weights by the estimator."""
        if constraints:
            raise OptionError("strategy 'te_nas' prunes by its objectives alone; leave constraints= out")
        for estimator in estimators:
            if (seeds := estimator.options.get("seeds", 1)) > 1:
                raise OptionError(
                    f"estimator.{estimator.name}.seeds={seeds}: all prunings of a draw begin with the same weights, so "
                    f"more seeds would measure the same; strategy.repeats={seeds} draws new weights"
                )

    def ranked(self, scores: Scores, kept: Kept, places: Sequence[Place], number: int) -> np.ndarray:
        """(places,) the importance s(o_j) of each operation: the smaller, the better the scores are without it."""
        before = scores.costs([kept], number)  # kappa and R of N_t: (1, repeats, objectives)
        if not np.isfinite(before).all():
            raise RunError(f"the supernet cannot be scored: {scores.reason}")
        after = scores.costs([without(kept, place) for place in places], number)  # of N_t without o_j
        # Delta kappa and Delta R, negative where the removal improves the score; code: relative, mean of the repeats
        relative = (after - before) / np.maximum(np.abs(before), np.finfo(float).tiny)
        changes = relative.mean(axis=1).round(self.precision)
        ranks = rankdata(changes, method="dense", axis=0)  # s_kappa(o_j) and s_R(o_j); code: equal changes share a rank
        tie: np.ndarray = ranks[:, 0] / (len(places) + 1)  # below 1: the first objective decides between equal sums
        summed: np.ndarray = ranks.sum(axis=1) + tie  # s(o_j) = s_kappa(o_j) + s_R(o_j)
        return summed

    def _weighed(
        self, run: Run[WeightSharing], scores: Scores, kept: Kept, importance: Mapping[str, np.ndarray], rounds: int
    ) -> dict[str, torch.Tensor]:
        """The mix from which the space derives its architecture: the importance of each operation is its weight.

        Where the space keeps only some of the edges (on `darts`, two per node), the removal of whole edges is measured.
        """
        single = all((rows.sum(axis=1) == 1).all() for rows in kept.values())
        mix = scores.prunings.mix(kept)
        if single and any(
            (rows.sum(dim=1) == 0).any() for rows in run.space.mix_of(run.space.derive(mix)).values() if rows.ndim == 2
        ):
            edges: list[Place] = [(cell, edge, slice(None)) for cell, rows in kept.items() for edge in range(len(rows))]
            importance = _by_place(importance, edges, self.ranked(scores, kept, edges, rounds))
        return {cell: torch.from_numpy(kept[cell] * (1 + importance[cell])) for cell in kept}


class Scores:
    """The scores of prunings, each computed once in a run's life."""

    def __init__(self, prunings: Prunings, run: Run, repeats: int) -> None:
        self.prunings, self._run, self._repeats = prunings, run, repeats
        self._asked, self._flags = 0, Counter[str]()
        self.reason = ""

    def costs(self, prunings: Sequence[Kept], number: int) -> np.ndarray:
        """(prunings, repeats, objectives), minimized; infinite where an estimate failed.

        Args:
            number: of the round, which has its own draws of weights.
        """
        draws = range(number * self._repeats, (number + 1) * self._repeats)
        asked = [self.prunings.pruning(kept, draw) for kept in prunings for draw in draws]
        columns: dict[Objective, list[float]] = {}
        for estimator in self._run.estimators:
            evaluations = self._run.score(asked, estimator, space=self.prunings)
            self._count([evaluation.reason for evaluation in evaluations])
            metrics = {objective.metric for objective in estimator.objectives}
            for objective in self._run.objectives:
                if objective.metric in metrics:
                    columns[objective] = [evaluation.cost(objective) for evaluation in evaluations]
        costs = np.array([columns[objective] for objective in self._run.objectives])
        return costs.T.reshape(len(prunings), self._repeats, -1)

    def _count(self, reasons: Sequence[str]) -> None:
        self._asked += len(reasons)
        self._flags.update(filter(None, reasons))
        self.reason = next(filter(None, reasons), self.reason)

    def notes(self) -> list[str]:
        """How many prunings could not be measured, with the most common reason, and the least depth of networks."""
        notes = []
        if self._flags:
            ((reason, _),) = self._flags.most_common(1)
            notes.append(f"{self._flags.total()} of {self._asked} prunings could not be measured; the first: {reason}")
        if self.prunings.least_cells > 1:
            notes.append(
                f"pruned networks have at least {self.prunings.least_cells} cells, whatever the estimator asks for: "
                f"with fewer there is no {next(iter(self.prunings.shapes))} cell among them"
            )
        return notes


def operations(kept: Kept) -> list[Place]:
    """The places of all operations that are left."""
    return [(cell, int(edge), int(column)) for cell, rows in kept.items() for edge, column in np.argwhere(rows)]


def without(kept: Kept, place: Place) -> dict[str, np.ndarray]:
    """`kept` with that place removed."""
    cell, edge, operation = place
    rows = kept[cell].copy()
    rows[edge, operation] = False
    return {**kept, cell: rows}


def pruned(kept: Kept, places: Sequence[Place], ranks: np.ndarray, per_round: int) -> dict[str, np.ndarray]:
    """`kept` without the `per_round` operations of each edge that rank lowest; one operation always remains."""
    left = dict(kept)
    for index in np.argsort(ranks, kind="stable"):  # for each edge e_i: argmin over o_j in e_i of s(o_j)
        cell, edge, _ = places[index]
        removed = kept[cell][edge].sum() - left[cell][edge].sum()
        if removed < per_round and left[cell][edge].sum() > 1:
            left = without(left, places[index])
    return left


def _by_place(before: Mapping[str, np.ndarray], places: Sequence[Place], ranks: np.ndarray) -> dict[str, np.ndarray]:
    """`before` with the ranks in their places."""
    after = {cell: rows.copy() for cell, rows in before.items()}
    for (cell, edge, operation), rank in zip(places, ranks, strict=True):
        after[cell][edge, operation] = rank
    return after
