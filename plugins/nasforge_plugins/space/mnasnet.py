"""The search space of MnasNet's stages, as in Accel-NASBench (Ahmad et al. 2024; Tan et al., CVPR 2019)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nasforge import Architecture, CellGraph, Network, Shape
from nasforge_plugins.shared.decision_list import DecisionList
from nasforge_plugins.shared.within_table import WithinTable

from .inverted_residuals import BlockChain, InvertedResidual, is_large

STEM, HEAD = 32, 1280
WIDTHS = (16, 24, 40, 80, 112, 192, 320)
STRIDES, STRIDES_SMALL = (1, 2, 2, 2, 1, 2, 1), (1, 1, 2, 2, 1, 2, 1)
DEPTHS = ((1, 2, 3),) * 5 + ((1, 2, 3, 4), (1, 2, 3))
"""The depths that each stage chooses from."""
STAGE: dict[str, tuple[int, ...]] = {"expansion": (1, 4, 6), "kernel": (3, 5), "depth": (), "gate": (0, 1)}


class MnasNet(WithinTable, DecisionList):
    """Seven stages of inverted residual blocks; each chooses its expansion, kernel, depth and squeeze-and-excitation.

    There are 36^6 * 48, about 10^11, networks. All blocks of a stage are equal. Blocks with expansion 1 have no first
    1x1 convolution, and a gate has a quarter of its block's input channels. Images below 112 pixels are halved three
    times instead of five.

    Args:
        among: a table's name: only its architectures are searched.
    """

    name = "mnasnet"
    notations = ("e4k3d3-e4k5d3-e6k3d3se-e6k5d1se-e6k5d3se-e6k5d3-e6k5d2se",)
    gene = "stages"
    decisions = tuple(
        (f"stage {stage + 1}'s {what}", options or DEPTHS[stage])
        for stage in range(len(WIDTHS))
        for what, options in STAGE.items()
    )

    def __init__(self, *, among: str | None = None) -> None:
        self.among = among

    def spelled(self, indices: Sequence[int]) -> str:
        """For each stage: expansion, kernel and depth as three digits, and "se" if it has gates."""
        chosen = [options[index] for (_, options), index in zip(self.decisions, indices, strict=True)]
        stages = (chosen[place : place + 4] for place in range(0, len(chosen), 4))
        return "-".join(f"e{e}k{k}d{d}{'se' if gate else ''}" for e, k, d, gate in stages)

    def spelled_indices(self, text: str) -> Sequence[int] | None:
        """The inverse of `spelled`."""
        stages = re.findall(r"e(\d)k(\d)d(\d)(se)?", text)
        if text != "-".join(f"e{e}k{k}d{d}{gate}" for e, k, d, gate in stages) or len(stages) != len(WIDTHS):
            return None
        values = [int(value) for e, k, d, gate in stages for value in (e, k, d, gate == "se")]
        pairs = zip(self.decisions, values, strict=True)
        return [options.index(value) if value in options else -1 for (_, options), value in pairs]

    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """The stages, one after the other."""
        text = str(self.validate(architecture))
        stages = zip(WIDTHS, text.split("-"), strict=True)
        return [CellGraph.sequence("stages", (f"{width} channels: {stage}" for width, stage in stages))]

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
        """The published network; its widths are fixed, and `channels`, `cells` and `auxiliary` have no effect."""
        chosen = self.validate(architecture)[self.gene]
        large = is_large(input_shape)
        layers, inputs = [], STEM
        for stage, (outputs, stride) in enumerate(zip(WIDTHS, STRIDES if large else STRIDES_SMALL, strict=True)):
            expansion, size, depth, gate = chosen[4 * stage : 4 * stage + 4]
            for place in range(depth):
                options = {"gate": inputs // 4 if gate else 0, "expands": expansion > 1}
                layers.append(InvertedResidual(inputs, outputs, 1 if place else stride, expansion, size, **options))
                inputs = outputs
        return BlockChain(input_shape, classes, (STEM, 2 if large else 1), layers, inputs, HEAD)
