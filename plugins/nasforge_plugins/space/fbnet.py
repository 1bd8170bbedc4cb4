"""The search space of FBNet (Wu et al., CVPR 2019), with the sizes of HW-NAS-Bench (Li et al., ICLR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from nasforge import Architecture, CellGraph, Network, Shape
from nasforge_plugins.shared.decision_list import DecisionList
from nasforge_plugins.shared.within_table import WithinTable

from .inverted_residuals import BlockChain, InvertedResidual, is_large, reshaped

STEM = 16
HEAD, HEAD_SMALL = 1984, 1504
WIDTHS, DEPTHS = (16, 24, 32, 64, 112, 184, 352), (1, 4, 4, 4, 4, 4, 1)
STRIDES, STRIDES_SMALL = (1, 2, 2, 2, 1, 2, 1), (1, 1, 2, 2, 1, 2, 1)
BLOCKS = {
    "k3_e1": (3, 1, 1),
    "k3_e1_g2": (3, 1, 2),
    "k3_e3": (3, 3, 1),
    "k3_e6": (3, 6, 1),
    "k5_e1": (5, 1, 1),
    "k5_e1_g2": (5, 1, 2),
    "k5_e3": (5, 3, 1),
    "k5_e6": (5, 6, 1),
}
"""Kernel, expansion and groups of each block."""
OPTIONS = (*BLOCKS, "skip")


class FBNet(WithinTable, DecisionList):
    """The 9^22 networks of FBNet: in each of 22 layers, one of eight inverted residual blocks or a skip.

    Where the shape changes, a skip is a 1x1 convolution. Images below 112 pixels are halved three times instead of
    five, and the head is narrower, as in HW-NAS-Bench.

    Args:
        among: a table's name: only its architectures are searched.
    """

    name = "fbnet"
    notations = ("7818488874147327324245",)
    gene = "layers"
    decisions = tuple((f"layer {layer + 1}", OPTIONS) for layer in range(sum(DEPTHS)))

    def __init__(self, *, among: str | None = None) -> None:
        self.among = among

    def spelled(self, indices: Sequence[int]) -> str:
        """A digit for each layer, the index of its block, as in HW-NAS-Bench and HELP."""
        return "".join(map(str, indices))

    def spelled_indices(self, text: str) -> Sequence[int] | None:
        """The digits."""
        digits = text.replace(" ", "").replace(",", "").strip("[]")
        is_network = digits.isdecimal() and len(digits) == len(self.decisions)
        return [int(digit) for digit in digits] if is_network else None

    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """The layers, one after the other."""
        names = self.validate(architecture)[self.gene]
        widths = (width for width, depth in zip(WIDTHS, DEPTHS, strict=True) for _ in range(depth))
        labels = (f"{width} channels: {name}" for width, name in zip(widths, names, strict=True))
        return [CellGraph.sequence("layers", labels)]

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
        names = iter(self.validate(architecture)[self.gene])
        large = is_large(input_shape)
        layers, inputs = [], STEM
        for outputs, depth, stride in zip(WIDTHS, DEPTHS, STRIDES if large else STRIDES_SMALL, strict=True):
            for place in range(depth):
                layers.append(_layer(next(names), inputs, outputs, 1 if place else stride))
                inputs = outputs
        return BlockChain(
            input_shape, classes, (STEM, 2 if large else 1), layers, inputs, HEAD if large else HEAD_SMALL
        )


def _layer(name: str, inputs: int, outputs: int, stride: int) -> nn.Module:
    if name != "skip":
        size, expansion, groups = BLOCKS[name]
        return InvertedResidual(inputs, outputs, stride, expansion, size, groups=groups)
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(reshaped(inputs, outputs, stride), nn.ReLU())
