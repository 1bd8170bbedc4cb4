"""Vision transformers with entangled weights: the space of AutoFormer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge import ChoiceSpace, OptionError, Shape, repeat, width

HALVES = 2
"""Ratios of the hidden to the embedding width are multiples of a half."""
Numbers = Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=1)]
Ratio = Annotated[float, Field(ge=0.5, le=16, multiple_of=0.5)]


class Attention(nn.Module):
    """Multi-head self-attention with a variable number of heads.

    Queries, keys and values are separate layers, so that fewer heads use the first features of each.
    """

    def __init__(self, embedding: int, heads: int, features: int) -> None:
        super().__init__()
        inner = heads * features
        self.features = features
        self.query, self.key = nn.Linear(embedding, inner), nn.Linear(embedding, inner)
        self.value, self.project = nn.Linear(embedding, inner), nn.Linear(inner, embedding)

    def forward(self, x: Tensor) -> Tensor:
        """(B, tokens, embedding) to the same shape."""
        query, key, value = (
            part(x).unflatten(-1, (-1, self.features)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        return cast(Tensor, self.project(mixed.transpose(1, 2).flatten(2)))


class Layer(nn.Module):
    """A layer of a transformer, with normalization before each part.

    Choices: its number of heads, and its hidden width.
    """

    def __init__(self, embedding: int, heads: Sequence[int], ratios: Sequence[float], features: int) -> None:
        super().__init__()
        hidden = embedding * _chosen([round(HALVES * ratio) for ratio in ratios], "hidden_in_halves") // HALVES
        self.norm = nn.LayerNorm(embedding)
        self.attention = Attention(embedding, _chosen(heads, "heads"), features)
        self.hidden_norm = nn.LayerNorm(embedding)
        self.mlp = nn.Sequential(nn.Linear(embedding, hidden), nn.GELU(), nn.Linear(hidden, embedding))

    def forward(self, x: Tensor) -> Tensor:
        """(B, tokens, embedding) to the same shape."""
        x = x + cast(Tensor, self.attention(self.norm(x)))
        return x + cast(Tensor, self.mlp(self.hidden_norm(x)))


class VisionTransformer(nn.Module):
    """A vision transformer (Dosovitskiy et al. 2021) with a class token and learned positions.

    Choices: the embedding width, the number of layers, and each layer's own.

    Args:
        input_shape: (C, H, W) of the images.
        classes: number of logits.
        patch: side of a patch in pixels, which divides the sides of the images.
        embeddings, depths, heads, ratios: what is chosen from; a single value is fixed.
        features: of each head.
    """

    def __init__(
        self,
        input_shape: Shape,
        classes: int,
        patch: int,
        embeddings: Sequence[int],
        depths: Sequence[int],
        heads: Sequence[int],
        ratios: Sequence[float],
        features: int,
    ) -> None:
        super().__init__()
        channels, height, wide = input_shape
        embedding = _chosen(embeddings, "embedding")
        tokens = -(-height // patch) * -(-wide // patch) + 1
        self.patch = patch
        self.patches = nn.Conv2d(channels, embedding, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, embedding))
        self.positions = nn.Parameter(torch.empty(1, tokens, embedding))
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.layers = _layers(depths, lambda: Layer(embedding, heads, ratios, features))
        self.norm = nn.LayerNorm(embedding)
        self.head = nn.Linear(embedding, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, C, H, W); zeros complete patches at the right and the bottom."""
        height, wide = images.shape[-2:]
        padded = F.pad(images, (0, -wide % self.patch, 0, -height % self.patch))
        patches = cast(Tensor, self.patches(padded)).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(images), -1, -1), patches], 1) + self.positions
        return cast(Tensor, self.head(self.norm(self.layers(x)[:, 0])))


def _chosen(options: Sequence[int], name: str) -> int:
    return width(*options, name=name) if len(options) > 1 else options[0]


def _layers(depths: Sequence[int], build: Callable[[], nn.Module]) -> nn.Module:
    if depths[0] == depths[-1]:
        return nn.Sequential(*(build() for _ in range(depths[0])))
    return repeat(build, depth=(depths[0], depths[-1]))


class AutoFormer(ChoiceSpace):
    """Vision transformers (AutoFormer, Chen et al. 2021): embedding, depth, and each layer's heads and hidden width.

    Smaller ones use the first weights of larger ones ("weight entanglement"). The default suits images of 8 to 32
    pixels on a laptop; the published supernets for images of 224 pixels have patches of 16 pixels, heads of 64
    features, and

    | supernet | embeddings | depth | heads | ratios |
    | --- | --- | --- | --- | --- |
    | tiny | 192, 216, 240 | 12 to 14 | 3, 4 | 3.5, 4 |
    | small | 320, 384, 448 | 12 to 14 | 5, 6, 7 | 3, 3.5, 4 |
    | base | 528, 576, 624 | 14 to 16 | 8, 9, 10 | 3, 3.5, 4 |

    They also have relative positions inside attention, which this space leaves out.

    Args:
        patch: side of a patch in pixels; null: an eighth of the image's shorter side, but at least 1.
        embeddings: widths of the embedding.
        depths: the smallest and the largest number of layers.
        heads: numbers of attention heads.
        ratios: of the hidden to the embedding width, in halves.
        features: of each head.
    """

    name = "autoformer"

    def __init__(
        self,
        *,
        patch: Annotated[int, Field(ge=1, le=1024)] | None = None,
        embeddings: Numbers = (48, 64, 80),
        depths: tuple[int, int] = (3, 6),
        heads: Numbers = (2, 3, 4),
        ratios: Annotated[tuple[Ratio, ...], Field(min_length=1)] = (1.0, 2.0),
        features: Annotated[int, Field(ge=1, le=1024)] = 16,
    ) -> None:
        if not 1 <= depths[0] <= depths[1]:
            raise OptionError(f"space.depths={list(depths)} must be the smallest and the largest depth, such as [3, 6]")
        self.patch, self.embeddings, self.depths = patch, embeddings, depths
        self.heads, self.ratios, self.features = heads, ratios, features

    def module(self, input_shape: Shape, classes: int) -> nn.Module:
        """See `VisionTransformer`."""
        patch = self.patch or max(1, min(input_shape[1:]) // 8)
        return VisionTransformer(
            input_shape, classes, patch, self.embeddings, self.depths, self.heads, self.ratios, self.features
        )
