"""Members of ME-DARTS's population, and how they come from each other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nasforge import Architecture, WeightSharing


@dataclass(frozen=True, eq=False)
class Member:
    """A supernet of the population, by what is handed on of it.

    Attributes:
        name: its fit's, `<stage>/<number>`.
        parents: names of whom its alphas come from.
        alphas: (edges, columns) by cell type; None before it was trained for the first time.
        trace: mixing weights (epochs, edges, operations) by cell type, of its ancestors as well.
        accuracy: of the supernet, on the half that moves the alphas; NaN before it was trained.
        params_m: of the evaluation network of `architecture`, in millions.
        architecture: derived from the alphas.
    """

    name: str
    parents: tuple[str, ...] = ()
    alphas: Mapping[str, Tensor] | None = None
    trace: Mapping[str, Tensor] = field(default_factory=dict)
    accuracy: float = math.nan
    params_m: float = math.nan
    architecture: Architecture | None = None


def inherit(parent: Member, name: str) -> Member:
    """The same alphas in the next stage; the weights of the deeper supernet are new."""
    return Member(name, (parent.name,), parent.alphas, parent.trace)


def cross(a: Member, b: Member, name: str) -> Member:
    """(n1, r1), (n2, r2) -> (n1, r2): the first cell type of `a`, all others of `b`."""
    theirs = a.alphas or {}, b.alphas or {}  # who was selected has been trained
    from_a = {cell: place == 0 for place, cell in enumerate(theirs[0])}
    return Member(
        name,
        (a.name, b.name),
        {cell: theirs[0 if own else 1][cell] for cell, own in from_a.items()},
        {cell: (a if own else b).trace[cell] for cell, own in from_a.items()},
    )


def next_generation(selected: Sequence[Member], stage: str, children: int) -> list[Member]:
    """The selected ones and `children` crossings of theirs: of the best two first, each pair both ways."""
    pairs = [pair for a, b in itertools.combinations(selected, 2) for pair in ((a, b), (b, a))]
    names = (f"{stage}/{number}" for number in itertools.count())
    heirs = [inherit(parent, next(names)) for parent in selected]
    return heirs + [cross(a, b, next(names)) for a, b in pairs[:children]]


def alphas_of(
    architecture: Architecture, space: WeightSharing, shapes: Mapping[str, tuple[int, int]]
) -> dict[str, Tensor]:
    """Alphas that lean to an architecture: 1 on each of its operations, else 0; a column for `none` comes first."""
    mix = space.mix_of(architecture)
    alphas = {cell: torch.zeros(shape) for cell, shape in shapes.items()}
    for cell, rows in alphas.items():
        rows[:, rows.shape[1] - mix[cell].shape[1] :] = mix[cell]
    return alphas
