"""The cell-level search space of TransNAS-Bench-101 (Duan et al., CVPR 2021)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property, partial

import numpy as np
from torch import Tensor, nn

from nasforge import Architecture, CellGraph, Channels, FactorizedReduce, Network, ReLUConvBN, Shape, size_or_default
from nasforge_plugins.shared.decision_list import DecisionList

from .network import ModuleNetwork

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(from, to); node 0 is the cell's input, node 3 its output, and nodes are sums."""
MODULES = (4, 1, 4, 1, 4)
BEST = {
    "best_class_scene": "3_32_132",
    "best_class_object": "3_13_113",
    "best_room_layout": "3_11_133",
    "best_jigsaw": "3_30_132",
    "best_segmentsemantic": "3_13_022",
    "best_normal": "1_30_123",
    "best_autoencoder": "1_21_310",
}


class TransNASMicro(DecisionList):
    """The 4,096 cells of TransNAS-Bench-101: one of four operations on each of six edges.

    Args:
        channels: base width of the network.
    """

    name = "transnas_micro"
    notations = ("64-41414-1_02_333",)
    gene = "cell"
    decisions = tuple((f"edge {target}<-{source}", OPERATIONS) for source, target in EDGES)

    def __init__(self, *, channels: Channels = 64) -> None:
        self.channels = channels

    @cached_property
    def presets(self) -> Mapping[str, Architecture]:
        """The cell with the best published score of each task."""
        return {name: self.decode(np.array(_digits(text))) for name, text in BEST.items()}

    def spelled(self, indices: Sequence[int]) -> str:
        """The benchmark's string: base width, modules, and the operations into nodes 1, 2 and 3."""
        first, *others = map(str, indices)
        return f"64-{''.join(map(str, MODULES))}-{first}_{''.join(others[:2])}_{''.join(others[2:])}"

    def spelled_indices(self, text: str) -> Sequence[int] | None:
        """The digits of the benchmark's string."""
        match = re.fullmatch(r"\d+-41414-(\d_\d\d_\d\d\d)", text)
        return _digits(match[1]) if match else None

    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """The cell without edges that carry `none`."""
        names = self.validate(architecture)[self.gene]
        edges = tuple((*edge, name) for edge, name in zip(EDGES, names, strict=True) if name != "none")
        return [CellGraph("cell", ("0", "1", "2", "3"), edges)]

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
        """The benchmark's network for classification; its depth is fixed. See `SearchSpace.build`."""
        width = size_or_default("channels", channels, self.channels)
        names = self.validate(architecture)[self.gene]
        return ModuleNetwork(input_shape, classes, width, MODULES, partial(Cell, names))


def _digits(cell: str) -> list[int]:
    return [int(digit) for digit in cell if digit != "_"]


class Cell(nn.Module):
    """The operations on six edges; those that leave the input change the shape."""

    def __init__(self, names: Sequence[str], inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.shape = outputs, stride
        self.operations = nn.ModuleDict(
            {
                f"{source}_{target}": _operation(name, *((outputs, 1) if source else (inputs, stride)), outputs)
                for name, (source, target) in zip(names, EDGES, strict=True)
                if name != "none"
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        outputs, stride = self.shape
        zero = x.new_zeros(len(x), outputs, -(-x.shape[2] // stride), -(-x.shape[3] // stride))
        nodes = [x]
        for target in (1, 2, 3):
            keys = [(source, f"{source}_{target}") for source in range(target)]
            terms = [self.operations[key](nodes[source]) for source, key in keys if key in self.operations]
            nodes.append(sum(terms, start=zero))
        return nodes[-1]


def _operation(name: str, inputs: int, stride: int, outputs: int) -> nn.Module:
    if name != "skip_connect":
        return ReLUConvBN(inputs, outputs, 1 if name == "nor_conv_1x1" else 3, stride=stride)
    return nn.Identity() if inputs == outputs and stride == 1 else FactorizedReduce(inputs, outputs)
