"""TE-NAS: Training-Free Neural Architecture Search (Chen, Gong and Wang, ICLR 2021), Algorithm 1."""

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
"""What may go: cell type, edge, and operation; all of them where the edge itself may."""


class TENAS(Strategy[WeightSharing]):
    """TE-NAS: prune a supernet by what its scores at initialisation lose, operation by operation.

    Each option's meaning and the paper's value stand beside it in `conf/strategy/te_nas.yaml`. The scores are the run's
    objectives: the condition of the neural tangent kernel and the number of linear regions by default, but any
    estimator does that scores what a space builds.

    Raises:
        RunError: the whole supernet has no such score, or `budget.seconds` was used up before the first round.
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
        """While an edge has several operations: measure what each removal changes, prune the worst of each edge."""
        prunings = Prunings(run.space, run)
        reader = Scores(prunings, run, self.repeats)
        kept, worth = prunings.whole(), {cell: np.zeros(shape) for cell, shape in prunings.shapes.items()}
        trace = [prunings.mix(kept)]
        most = max(int(rows.sum(axis=1).max()) for rows in kept.values())
        rounds = -(-(most - 1) // self.per_round)
        for number in run.generations(rounds, "te_nas"):
            places = [place for place in operations(kept) if kept[place[0]][place[1]].sum() > 1]
            ranks = self.ranked(reader, kept, places, number)
            worth = _by_place(worth, places, ranks)
            kept = pruned(kept, places, ranks, self.per_round)
            trace.append(prunings.mix(kept))
        if (done := len(trace) - 1) == 0:
            raise RunError("the search ended before its first round; resume it with a larger budget.seconds")
        if done < rounds:
            run.notes.append(
                f"the search ended after {done} of {rounds} rounds: of the operations that were left on an edge, the "
                "one that is missed most in the last round was taken"
            )
        found = run.space.derive(self._weighed(run, reader, kept, worth, rounds))
        _picture(run, trace)
        run.notes += reader.notes()
        run.estimate([found])
        return run.result(found)

    def check_goals(
        self, estimators: Sequence[Estimator], objectives: Sequence[Objective], constraints: Sequence[Constraint]
    ) -> None:
        """Raise an `OptionError` on what pruning would ignore: constraints, and draws of weights by the estimator."""
        if constraints:
            raise OptionError("strategy 'te_nas' prunes by its objectives alone; leave constraints= out")
        for estimator in estimators:
            if (seeds := estimator.options.get("seeds", 1)) > 1:
                raise OptionError(
                    f"estimator.{estimator.name}.seeds={seeds}: all prunings of a draw begin with the same weights, so "
                    f"that nothing new would be measured; strategy.repeats={seeds} draws weights anew"
                )

    def ranked(self, reader: Scores, kept: Kept, places: Sequence[Place], number: int) -> np.ndarray:
        """(places,) sums of ranks: the smaller, the better are the scores without it. Equal changes share a rank."""
        before = reader.costs([kept], number)  # (1, repeats, objectives)
        if not np.isfinite(before).all():
            raise RunError(f"the supernet cannot be scored: {reader.reason}")
        after = reader.costs([without(kept, place) for place in places], number)
        relative = (after - before) / np.maximum(np.abs(before), np.finfo(float).tiny)
        changes = relative.mean(axis=1).round(self.precision)
        ranks = rankdata(changes, method="dense", axis=0)
        tie: np.ndarray = ranks[:, 0] / (len(places) + 1)  # below 1: equal sums are parted by the foremost objective
        summed: np.ndarray = ranks.sum(axis=1) + tie
        return summed

    def _weighed(
        self, run: Run[WeightSharing], reader: Scores, kept: Kept, worth: Mapping[str, np.ndarray], rounds: int
    ) -> dict[str, torch.Tensor]:
        """The mix that the space derives its architecture from: what is missed more weighs more.

        Where the space keeps some of the edges alone (two for each node of `darts`), removing whole edges is measured.
        """
        single = all((rows.sum(axis=1) == 1).all() for rows in kept.values())
        mix = reader.prunings.mix(kept)
        if single and any(
            (rows.sum(dim=1) == 0).any() for rows in run.space.mix_of(run.space.derive(mix)).values() if rows.ndim == 2
        ):
            edges: list[Place] = [(cell, edge, slice(None)) for cell, rows in kept.items() for edge in range(len(rows))]
            worth = _by_place(worth, edges, self.ranked(reader, kept, edges, rounds))
        return {cell: torch.from_numpy(kept[cell] * (1 + worth[cell])) for cell in kept}


class Scores:
    """Scores of prunings, each computed once in a run's life."""

    def __init__(self, prunings: Prunings, run: Run, repeats: int) -> None:
        self.prunings, self._run, self._repeats = prunings, run, repeats
        self._asked, self._flags = 0, Counter[str]()
        self.reason = ""

    def costs(self, some: Sequence[Kept], number: int) -> np.ndarray:
        """(prunings, repeats, objectives), to be minimised; infinite where an estimate failed.

        Args:
            number: of the round, which has draws of weights of its own.
        """
        draws = range(number * self._repeats, (number + 1) * self._repeats)
        asked = [self.prunings.pruning(kept, draw) for kept in some for draw in draws]
        columns: dict[Objective, list[float]] = {}
        for estimator in self._run.estimators:
            scored = self._run.score(asked, estimator, space=self.prunings)
            self._count([one.reason for one in scored])
            given = {objective.metric for objective in estimator.objectives}
            mine = [objective for objective in self._run.objectives if objective.metric in given]
            columns |= {objective: [one.cost(objective) for one in scored] for objective in mine}
        costs = np.array([columns[objective] for objective in self._run.objectives])
        return costs.T.reshape(len(some), self._repeats, -1)

    def _count(self, reasons: Sequence[str]) -> None:
        self._asked += len(reasons)
        self._flags.update(filter(None, reasons))
        self.reason = next(filter(None, reasons), self.reason)

    def notes(self) -> list[str]:
        """How many prunings had a score that could not be measured, and the commonest reason."""
        said = []
        if self._flags:
            ((reason, _),) = self._flags.most_common(1)
            said.append(f"{self._flags.total()} of {self._asked} prunings could not be measured; the first: {reason}")
        if self.prunings.least_cells > 1:
            said.append(
                f"pruned networks have at least {self.prunings.least_cells} cells, whatever the estimator asks for: "
                f"with fewer there is no {next(iter(self.prunings.shapes))} cell among them"
            )
        return said


def operations(kept: Kept) -> list[Place]:
    """All that are left."""
    return [(cell, int(edge), int(one)) for cell, rows in kept.items() for edge, one in np.argwhere(rows)]


def without(kept: Kept, place: Place) -> dict[str, np.ndarray]:
    """`kept`, but for that place."""
    cell, edge, operation = place
    rows = kept[cell].copy()
    rows[edge, operation] = False
    return {**kept, cell: rows}


def pruned(kept: Kept, places: Sequence[Place], ranks: np.ndarray, per_round: int) -> dict[str, np.ndarray]:
    """`kept` without the `per_round` places of each edge that rank lowest; one is always left."""
    rest = dict(kept)
    for index in np.argsort(ranks, kind="stable"):
        cell, edge, _ = places[index]
        gone = kept[cell][edge].sum() - rest[cell][edge].sum()
        if gone < per_round and rest[cell][edge].sum() > 1:
            rest = without(rest, places[index])
    return rest


def _by_place(before: Mapping[str, np.ndarray], places: Sequence[Place], ranks: np.ndarray) -> dict[str, np.ndarray]:
    """`before` with the ranks where they belong."""
    worth = {cell: rows.copy() for cell, rows in before.items()}
    for (cell, edge, operation), rank in zip(places, ranks, strict=True):
        worth[cell][edge, operation] = rank
    return worth


def _picture(run: Run[WeightSharing], trace: Sequence[Mapping[str, torch.Tensor]]) -> None:
    rows = {cell: torch.stack([mix[cell] for mix in trace]) for cell in trace[0]}
    for cell, svg in mix_over_time(rows, run.space.mix_labels, time="round").items():
        run.keep(f"mix_{cell}.svg", svg, f"Which operations of the {cell} cell were left, round by round")
