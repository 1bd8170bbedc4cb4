"""A member of ME-DARTS's population, and the alphas that one may begin with."""

from __future__ import annotations

import math
from collections.abc import Mapping
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


def alphas_of(
    architecture: Architecture, space: WeightSharing, shapes: Mapping[str, tuple[int, int]]
) -> dict[str, Tensor]:
    """Alphas that lean to an architecture: 1 on each of its operations, else 0; a column for `none` comes first."""
    mix = space.mix_of(architecture)
    alphas = {cell: torch.zeros(shape) for cell, shape in shapes.items()}
    for cell, rows in alphas.items():
        rows[:, rows.shape[1] - mix[cell].shape[1] :] = mix[cell]
    return alphas
