"""Alphas as vectors for an evolution strategy: their mix, similarity (eq. 6) and direction (eq. 8)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from nasforge import Mix, WeightSharing

Vector = np.ndarray
"""The alphas of all cell types, then their betas if there are any, as one vector of float64."""
Named = dict[str, Tensor]
"""Tensors by cell type: alphas (edges, operations) or betas (edges,)."""
SearchIn = Literal["alpha", "prob"]
Direction = Literal["prob", "double_prob", "delta", "raw"]
Similarity = Literal["flat", "edge_mean"]


class Alphas:
    """The parent alpha_t of an epoch's individuals z.

    Args:
        alphas: alphas by cell type.
        betas: betas by cell type; None without edge normalization.
        space: turns alphas and betas into mixing weights.
        search_in: whether individuals are alphas or probabilities (the softmax of alphas).
        row_normalize: whether each row of an individual is divided by its L2 norm before the softmax.

    Attributes:
        vector: the alphas.
        point: the parent in the space of individuals: the alphas or their probabilities.
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
        """The alphas and betas in a vector, float64."""
        shapes = [*self._alpha_shapes.values(), *self._beta_shapes.values()]
        parts = [p.view(s) for p, s in zip(_split(vector, shapes), shapes, strict=True)]
        alphas = dict(zip(self._alpha_shapes, parts, strict=False))
        betas = dict(zip(self._beta_shapes, parts[len(alphas) :], strict=True))
        return alphas, betas or None

    def mix(self, z: Vector) -> Mix:
        """The mixing weights of an individual: the softmax of its rows (eq. 1), float32."""
        return {cell: rows.float() for cell, rows in self.space.mix(*self._logits(z)).items()}

    def parent_mix(self) -> Mix:
        """The mixing weights of the parent's alphas, float32."""
        return {cell: rows.float() for cell, rows in self.space.mix(*self.named(self.vector)).items()}

    def direction(self, z: Vector, kind: Direction) -> Vector:
        """s of eq. 8.

        `raw` is the paper's formula: alphas grow by a factor of 1.6 an epoch until their softmax is one-hot. `prob`
        is bounded, and what it adds to a whole row cancels in the next softmax. `double_prob` is the published code.
        """
        if kind == "raw":
            return z
        if kind == "delta":
            delta: Vector = z - self.point
            return delta
        probabilities = self.probabilities(*self._logits(z))
        return probabilities if kind == "prob" else self.probabilities(*self.named(probabilities))

    def similarity(self, z: Vector, kind: Similarity) -> float:
        """L2 of eq. 6 between the parent and z, in the space of z: 1 for equal directions, 0 for opposite ones."""
        if kind == "flat":
            cosine = cosine_similarity(torch.from_numpy(self.point), torch.from_numpy(z), dim=0)
        else:
            (parent, _), (child, _) = self.named(self.point), self.named(z)
            cosine = torch.stack([cosine_similarity(parent[c], child[c], dim=-1).mean() for c in parent]).mean()
        return 0.5 * (cosine.item() + 1)  # eq. 6

    def probabilities(self, alphas: Named, betas: Named | None) -> Vector:
        """Softmax of each row of alphas, and of betas over the edges that enter a node."""
        rows = {cell: logits.softmax(-1) for cell, logits in alphas.items()}
        if betas is None:
            return _row(rows, None)
        # Only the space knows which edges share a node. With equal alphas, its mix is the softmax of the betas.
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
