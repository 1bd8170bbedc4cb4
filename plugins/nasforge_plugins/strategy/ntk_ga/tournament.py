"""The tournament between candidates: which network they compete in depends on what their space can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nasforge import (
    Architecture,
    FitData,
    GrowingCells,
    PlannedNetwork,
    Run,
    SearchData,
    SearchSpace,
    WeightSharing,
)

from .contests import Groups, LogitMixtures, Tower
from .training import AlphaTournament, Loss, SharedTournament, Tournament

JUDGED = 0.1
"""Share of a tournament's images that only the judging sees: one of the seed's ten subsets."""


@dataclass(frozen=True, kw_only=True)
class Arena:
    """How tournaments are held.

    Attributes:
        images: how many are read, nine tenths of them by the weights.
        epochs: how often the weights read theirs.
        channels, cells: width and depth of supernets and whole networks; None: the space's own.
        dropout: of a tower's last features.
    """

    images: int
    epochs: int
    loss: Loss
    channels: int | None
    cells: int | None
    learning_rate: float
    weight_decay: float
    clip: float
    dropout: float

    @property
    def fitting(self) -> dict[str, Any]:
        """What every kind of tournament trains with."""
        adam = {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay}
        return {"loss": self.loss, "clip": self.clip, **adam}

    def networks(self, space: SearchSpace, data: SearchData, candidates: int) -> list[PlannedNetwork]:
        """What so many candidates compete in, where they do not grow."""
        if isinstance(space, GrowingCells):
            return []
        size: dict[str, Any] = {"channels": self.channels, "cells": self.cells}
        images = min(self.images, len(data.train))
        how: dict[str, Any] = {
            "batch_size": min(data.batch_size, images - round(images * JUDGED)),
            "lower": "strategy.tournament_channels, strategy.tournament_cells or data.batch_size",
        }
        if isinstance(space, WeightSharing):
            how["what"] = "the supernet of a tournament"
            return [
                PlannedNetwork.supernet(lambda one: one.supernet(data.input_shape, data.classes, **size), data, **how)
            ]
        how["what"] = "a candidate in a tournament"
        return [PlannedNetwork.any_architecture(data, size, copies=candidates, **how)]

    def data(self, data: SearchData) -> FitData:
        """Images for the weights, and others to judge by; a `DataError` if there are too few for both."""
        return data.subset(min(self.images, len(data.train))).split(JUDGED)


def grouped(candidates: int, groups: int) -> list[list[int]]:
    """Places of candidates, best first, dealt out in turn: the best ones do not meet each other."""
    return [list(range(group, candidates, groups)) for group in range(min(groups, candidates))]


def survivors(candidates: Sequence[Architecture], count: int, generation: int, arena: Arena, run: Run) -> list[int]:
    """Places of the winners, one of each group.

    Args:
        candidates: best first.
        count: how many groups; where there are no more candidates than that, all survive.
        generation: names the fit.
    """
    places = grouped(len(candidates), count)
    if len(candidates) <= count:
        return [place for group in places for place in group]
    groups = [[candidates[place] for place in group] for group in places]
    contest = contest_of(groups, arena, run)
    contest.about = [[one.to_json() for one in group] for group in groups]
    fit = run.fit(contest, f"tournament/{generation}", arena.epochs, arena.data(run.data))
    return [group[winner] for group, winner in zip(places, fit.winners, strict=True)]


def contest_of(groups: Groups, arena: Arena, run: Run) -> Tournament:
    """Growing cells compete in a tower, architectures that share weights in their supernet, others by their logits."""
    space, shape, classes = run.space, run.data.input_shape, run.data.classes
    sizes = [len(group) for group in groups]
    if isinstance(space, GrowingCells):
        return AlphaTournament(Tower(groups, space, shape, classes, arena.dropout), sizes, **arena.fitting)
    size: dict[str, Any] = {"channels": arena.channels, "cells": arena.cells}
    if isinstance(space, WeightSharing):
        mixes = [space.mix_of(one) for group in groups for one in group]
        return SharedTournament(space.supernet(shape, classes, **size), mixes, sizes, **arena.fitting)
    return AlphaTournament(LogitMixtures(groups, space, shape, classes, **size), sizes, **arena.fitting)
