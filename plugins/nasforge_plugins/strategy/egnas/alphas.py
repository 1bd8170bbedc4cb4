"""Alphas as the vectors that an evolution strategy moves, and what EG-NAS does to their rows."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from nasforge import Mix, WeightSharing

Vector = np.ndarray
"""All alphas (then all betas, if any) of all cell types in one row, float64."""
Named = dict[str, Tensor]
"""Tensors by cell type: alphas (edges, operations) or betas (edges,)."""
SearchIn = Literal["alpha", "prob"]
Direction = Literal["prob", "double_prob", "delta", "raw"]
Similarity = Literal["flat", "edge_mean"]


class Alphas:
    """The parent of an epoch's individuals.

    Args:
        alphas: by cell type.
        betas: by cell type; None without edge normalisation.
        space: turns them into mixing weights.
        search_in: whether individuals are alphas or probabilities (their softmax).
        row_normalize: whether each row of an individual is divided by its L2 norm before its softmax.
    """

    def __init__(
        self, alphas: Named, betas: Named | None, space: WeightSharing, search_in: SearchIn, row_normalize: bool
    ) -> None:
        self.space, self.row_normalize = space, row_normalize
        self._alpha_shapes = {cell: rows.shape for cell, rows in alphas.items()}
        self._beta_shapes = {cell: edges.shape for cell, edges in (betas or {}).items()}
        self.vector = _row(alphas, betas)
        self.point = self.vector if search_in == "alpha" else self.probabilities(*self.named(self.vector))

    def named(self, vector: Vector) -> tuple[Named, Named | None]:
        """The alphas and betas that a vector holds, float64."""
        shapes = [*self._alpha_shapes.values(), *self._beta_shapes.values()]
        parts = [p.view(s) for p, s in zip(_split(vector, shapes), shapes, strict=True)]
        alphas = dict(zip(self._alpha_shapes, parts, strict=False))
        betas = dict(zip(self._beta_shapes, parts[len(alphas) :], strict=True))
        return alphas, betas or None

    def mix(self, z: Vector) -> Mix:
        """The mixing weights of an individual: its rows are softmaxed once. Float32."""
        return {cell: rows.float() for cell, rows in self.space.mix(*self._logits(z)).items()}

    def parent_mix(self) -> Mix:
        """The mixing weights of the parent's own alphas."""
        return {cell: rows.float() for cell, rows in self.space.mix(*self.named(self.vector)).items()}

    def direction(self, z: Vector, kind: Direction) -> Vector:
        """s of eq. 8.

        `prob` is bounded, and what it adds equally to a whole row cancels in the next softmax. `raw` is the paper's
        letter, under which alphas grow by 1.6 an epoch and saturate. `double_prob` is the published code.
        """
        if kind == "raw":
            return z
        if kind == "delta":
            delta: Vector = z - self.point
            return delta
        probabilities = self.probabilities(*self._logits(z))
        return probabilities if kind == "prob" else self.probabilities(*self.named(probabilities))

    def similarity(self, z: Vector, kind: Similarity) -> float:
        """L2 of eq. 6 against the parent, in the space where z lives: 1 is the same direction, 0 the opposite one."""
        if kind == "flat":
            cosine = cosine_similarity(torch.from_numpy(self.point), torch.from_numpy(z), dim=0)
        else:
            (parent, _), (child, _) = self.named(self.point), self.named(z)
            cosine = torch.stack([cosine_similarity(parent[c], child[c], dim=-1).mean() for c in parent]).mean()
        return 0.5 * (cosine.item() + 1)

    def probabilities(self, alphas: Named, betas: Named | None) -> Vector:
        """Softmax of each row of alphas; of betas, over the edges that enter a node."""
        rows = {cell: logits.softmax(-1) for cell, logits in alphas.items()}
        if betas is None:
            return _row(rows, None)
        # Only the space knows which edges share a node; under equal alphas its mix shows their softmax alone.
        equal = {cell: torch.zeros_like(logits) for cell, logits in alphas.items()}
        shared, plain = self.space.mix(equal, betas), self.space.mix(equal)
        return _row(rows, {cell: shared[cell].sum(-1) / plain[cell].sum(-1) for cell in betas})

    def _logits(self, z: Vector) -> tuple[Named, Named | None]:
        alphas, betas = self.named(z)
        if self.row_normalize:
            alphas = {cell: rows / rows.norm(dim=-1, keepdim=True).clamp_min(1e-12) for cell, rows in alphas.items()}
        return alphas, betas


def _row(alphas: Named, betas: Named | None) -> Vector:
    tensors = [*alphas.values(), *(betas or {}).values()]
    vector: Vector = torch.cat([tensor.detach().cpu().double().flatten() for tensor in tensors]).numpy()
    return vector


def _split(vector: Vector, shapes: list[torch.Size]) -> tuple[Tensor, ...]:
    parts: tuple[Tensor, ...] = torch.split(torch.from_numpy(vector), [shape.numel() for shape in shapes])
    return parts
