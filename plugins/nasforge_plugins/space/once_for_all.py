"""The search space of Once-for-All's MobileNetV3 (Cai et al., ICLR 2020)."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from nasforge import Architecture, CellGraph, Network, Shape
from nasforge_plugins.shared.decision_list import DecisionList
from nasforge_plugins.shared.within_table import WithinTable

from .inverted_residuals import InvertedResidual, is_large
from .mobilenet.network import divisible, normalized

STEM, WIDTHS, FINAL, MIXED = 16, (24, 40, 80, 112, 160), 960, 1280
STRIDES, STRIDES_SMALL = (2, 2, 2, 1, 2), (1, 2, 2, 1, 2)
GATES, ACTIVATIONS = (False, True, False, True, True), (nn.ReLU, nn.ReLU, *(nn.Hardswish,) * 3)
STAGES, DEEPEST = 5, 4
KERNELS, EXPANSIONS, DEPTHS, RESOLUTIONS = (3, 5, 7), (3, 4, 6), (2, 3, 4), tuple(range(128, 225, 4))
FULL = RESOLUTIONS[-1]
BLOCKS = tuple(f"stage {stage + 1}'s block {block + 1}" for stage in range(STAGES) for block in range(DEEPEST))
NOTATION = re.compile(r"k(\d{20})-e(\d{20})-d(\d{5})-r(\d{3})")


class OnceForAll(WithinTable, DecisionList):
    """The networks of Once-for-All: five stages of two to four blocks with a kernel and an expansion each, and a size.

    There are 7,371^5 * 25, about 5 * 10^20, networks. Decisions of blocks that a depth leaves out have no effect. The
    resolution scales the images: 224 leaves them as they are. Images below 112 pixels are halved two times less.

    Args:
        among: a table's name: only its architectures are searched.
    """

    name = "once_for_all"
    notations = ("k75557757573753735353-e64466343363336346436-d22223-r204",)
    gene = "choices"
    decisions = (
        *((f"{block}'s kernel", KERNELS) for block in BLOCKS),
        *((f"{block}'s expansion", EXPANSIONS) for block in BLOCKS),
        *((f"stage {stage + 1}'s depth", DEPTHS) for stage in range(STAGES)),
        ("the resolution", RESOLUTIONS),
    )

    def __init__(self, *, among: str | None = None) -> None:
        self.among = among

    def spelled(self, indices: Sequence[int]) -> str:
        """The kernels, the expansions and the depths as digits, and the resolution."""
        values = [str(options[index]) for (_, options), index in zip(self.decisions, indices, strict=True)]
        return f"k{''.join(values[:20])}-e{''.join(values[20:40])}-d{''.join(values[40:45])}-r{values[45]}"

    def spelled_indices(self, text: str) -> Sequence[int] | None:
        """The inverse of `spelled`."""
        if (match := NOTATION.fullmatch(text)) is None:
            return None
        values = [*map(int, "".join(match.groups()[:3])), int(match[4])]
        pairs = zip(self.decisions, values, strict=True)
        return [options.index(value) if value in options else -1 for (_, options), value in pairs]

    def function_key(self, architecture: Architecture) -> Hashable:
        """The kernels and expansions of the blocks that there are, by stage, and the resolution."""
        return stages_of(architecture), architecture[self.gene][-1]

    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """The blocks that there are, one after the other."""
        stages = zip(WIDTHS, stages_of(self.validate(architecture)), strict=True)
        labels = (f"{width} channels: k{k} e{e}" for width, blocks in stages for k, e in blocks)
        return [CellGraph.sequence(f"blocks at resolution {architecture[self.gene][-1]}", labels)]

    def build(
        self,
        architecture: Architecture,
        input_shape: Shape,
        classes: int,
        *,
        channels: int | None = None,
        cells: int | None = None,
        auxiliary: bool = False,
    ) -> Network:
        """The published network of width 1; `channels`, `cells` and `auxiliary` have no effect."""
        chosen = self.validate(architecture)
        return ElasticNetwork(input_shape, classes, stages_of(chosen), chosen[self.gene][-1])


def stages_of(architecture: Architecture) -> tuple[tuple[tuple[int, int], ...], ...]:
    """By stage, the kernel and the expansion of each block that there is."""
    chosen = architecture[OnceForAll.gene]
    blocks = tuple(zip(chosen[:20], chosen[20:40], strict=True))
    return tuple(blocks[DEEPEST * stage :][:depth] for stage, depth in enumerate(chosen[40:45]))


class ElasticNetwork(Network):
    """A stem, a separable block, five stages, and a head that mixes features after the pool."""

    def __init__(
        self, input_shape: Shape, classes: int, stages: Sequence[Sequence[tuple[int, int]]], resolution: int
    ) -> None:
        super().__init__()
        large = is_large(input_shape)
        self.size = [max(1, round(side * resolution / FULL)) for side in input_shape[1:]]
        stem = [normalized(input_shape[0], STEM, 3, stride=2 if large else 1), nn.Hardswish()]
        layers: list[nn.Module] = [*stem, InvertedResidual(STEM, STEM, 1, 1, 3, expands=False)]
        inputs = STEM
        strides = STRIDES if large else STRIDES_SMALL
        for blocks, outputs, stride, gate, kind in zip(stages, WIDTHS, strides, GATES, ACTIVATIONS, strict=True):
            for place, (size, expansion) in enumerate(blocks):
                hidden = divisible(inputs * expansion / 4) if gate else 0
                step = 1 if place else stride
                layers.append(InvertedResidual(inputs, outputs, step, expansion, size, gate=hidden, activation=kind))
                inputs = outputs
        self.layers = nn.Sequential(*layers, normalized(inputs, FINAL), nn.Hardswish())
        self.mix = nn.Sequential(nn.Linear(FINAL, MIXED, bias=False), nn.Hardswish())
        self.classifier = nn.Linear(MIXED, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, C, H, W)."""
        if list(images.shape[2:]) != self.size:
            images = F.interpolate(images, self.size, mode="bilinear", align_corners=False)
        return cast(Tensor, self.classifier(self.mix(self.layers(images).mean((2, 3)))))
