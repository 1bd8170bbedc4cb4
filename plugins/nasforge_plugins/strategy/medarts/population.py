"""ME-DARTS's population: selection (section III.C.3), inheritance and crossover (III.C.4)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from pymoo.operators.survival.rank_and_crowding.metrics import get_crowding_function
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting
from torch import Tensor

from nasforge import Architecture, WeightSharing

Dominance = Literal["weak", "strict"]
Size = Literal["max", "min"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Member:
    """A supernet G_i of the population, without its weights, which no stage passes on.

    Attributes:
        name: the name of its fit, `<stage>/<number>`.
        parents: names of the members that its alphas come from.
        alphas: (edges, columns) by cell type; None for random ones.
        trace: its ancestors' mixing weights (epochs, edges, operations) by cell type.
    """

    name: str
    parents: tuple[str, ...] = ()
    alphas: Mapping[str, Tensor] | None = None
    trace: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def stage(self) -> str:
        """The name of its stage."""
        return self.name.split("/")[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedMember(Member):
    """A member after its training.

    Attributes:
        alphas: the trained alphas.
        trace: mixing weights during its ancestors' training, then during its own.
        epochs: number of epochs of its own training.
        accuracy: acc_valid, the supernet's accuracy on the half of the images that moves the alphas.
        params_m: para_aug, the parameters of the evaluation network of `architecture` in millions.
        architecture: the architecture derived from the alphas.
    """

    alphas: Mapping[str, Tensor]
    epochs: int
    accuracy: float
    params_m: float
    architecture: Architecture


# Selection


def select(members: Sequence[TrainedMember], n: int, dominance: Dominance, size: Size) -> list[TrainedMember]:
    """The `n` best members, front by front; within a front the least crowded come first, then the most accurate.

    Of members with equal objectives, all but one come last in their front, because copies add no diversity.
    """
    costs = normalized_costs(members, size)
    ranked: list[int] = []
    for front in fronts(costs, dominance):  # III.C.3: from the Pareto front on
        crowding = get_crowding_function("cd").do(costs[front])
        rows = costs[front].tolist()
        copies = [row in rows[:place] for place, row in enumerate(rows)]
        order = sorted(range(len(front)), key=lambda i: (copies[i], -crowding[i], -members[front[i]].accuracy))
        ranked += [front[i] for i in order]
    return [members[place] for place in ranked[:n]]


def most_accurate(members: Sequence[TrainedMember], dominance: Dominance, size: Size) -> TrainedMember:
    """The member of the first front with the highest accuracy."""
    first = fronts(normalized_costs(members, size), dominance)[0]
    return max((members[place] for place in first), key=lambda member: member.accuracy)


def normalized_costs(members: Sequence[TrainedMember], size: Size) -> np.ndarray:
    """(members, 2), minimized: accuracy and size, each divided by its range unless all its values are equal."""
    values = np.array([[member.accuracy, member.params_m] for member in members])
    ranges = np.ptp(values, axis=0)
    signs = np.array([-1, -1 if size == "max" else 1])
    costs: np.ndarray = signs * values / np.where(ranges > 0, ranges, 1.0)  # eq. 6: x_i / (x_max - x_min)
    return costs


def fronts(costs: np.ndarray, dominance: Dominance) -> list[list[int]]:
    """Rows of costs (n, objectives) front by front; equal rows never dominate each other."""
    dominator = _StrictDominance() if dominance == "strict" else None
    sorting = NonDominatedSorting(method="fast_non_dominated_sort", dominator=dominator)
    return [[int(place) for place in front] for front in sorting.do(costs)]


class _StrictDominance:
    """Dominance as the paper prints it."""

    def calc_domination_matrix(self, F: np.ndarray, *_: Any) -> np.ndarray:
        """1 if the row's candidate dominates the column's, -1 if the column's dominates the row's, else 0."""
        better = (F[:, None] < F[None]).all(axis=2)  # eq. 7: better in every objective
        matrix: np.ndarray = better.astype(int) - better.T.astype(int)
        return matrix


# Inheritance and crossover


def next_generation(selected: Sequence[TrainedMember], stage: str, children: int) -> list[Member]:
    """Heirs of `selected`, and `children` crossed from pairs of them, best pair first, each pair in both orders."""
    pairs = [pair for a, b in itertools.combinations(selected, 2) for pair in ((a, b), (b, a))]
    names = (f"{stage}/{number}" for number in itertools.count())
    heirs = [inherit(parent, next(names)) for parent in selected]
    return heirs + [cross(a, b, next(names)) for a, b in pairs[:children]]  # III.C.4: children join their parents


def inherit(parent: TrainedMember, name: str) -> Member:
    """A member with the same alphas for the next stage (Fig. 4); the weights of the deeper supernet are new."""
    return Member(name=name, parents=(parent.name,), alphas=parent.alphas, trace=parent.trace)


def cross(a: TrainedMember, b: TrainedMember, name: str) -> Member:
    """(n1, r1), (n2, r2) -> (n1, r2): the first cell type of `a`, all others of `b` (III.C.4)."""
    parent_of = {cell: a if place == 0 else b for place, cell in enumerate(a.alphas)}
    return Member(
        name=name,
        parents=(a.name, b.name),
        alphas={cell: parent.alphas[cell] for cell, parent in parent_of.items()},
        trace={cell: parent.trace[cell] for cell, parent in parent_of.items()},
    )


def alphas_of(
    architecture: Architecture, space: WeightSharing, shapes: Mapping[str, tuple[int, int]]
) -> dict[str, Tensor]:
    """Alphas that favor an architecture: 1 for each of its operations, else 0; a column for `none` comes first."""
    mix = space.mix_of(architecture)
    alphas = {cell: torch.zeros(shape) for cell, shape in shapes.items()}
    for cell, rows in alphas.items():
        rows[:, rows.shape[1] - mix[cell].shape[1] :] = mix[cell]
    return alphas
