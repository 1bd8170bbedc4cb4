"""The evaluation network of NAS-Bench-201: one cell, repeated over the benchmark's skeleton."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nasforge import Network, ReLUConvBN, Shape, drop_path, operation, weighted_sum

from .cell import EDGES, NODES
from .skeleton import Skeleton

KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
"""The operations with weights: ReLU, convolution of that size without bias, BatchNorm."""


class EvaluationCell(nn.Module):
    """One cell: an operation on each of the six edges, summed at the nodes.

    Edges without effect on the output are computed too: the benchmark counts their parameters and operations.
    """

    def __init__(self, names: Sequence[str], channels: int) -> None:
        super().__init__()
        self.operations = nn.ModuleList(
            ReLUConvBN(channels, channels, KERNELS[name]) if name in KERNELS else operation(name, channels)
            for name in names
        )
        self.spared = tuple(name in ("none", "skip_connect") for name in names)

    def forward(self, x: Tensor, drop: float | Tensor) -> Tensor:
        """(B, C, H, W) to the same shape; paths other than plain skips are dropped with probability `drop`."""
        nodes = [x]
        for target in range(1, NODES):
            incoming = [number for number, (_, to) in enumerate(EDGES) if to == target]
            nodes.append(weighted_sum((self._path(number, nodes, drop), None) for number in incoming))
        return nodes[-1]

    def _path(self, number: int, nodes: Sequence[Tensor], drop: float | Tensor) -> Tensor:
        source, _ = EDGES[number]
        out: Tensor = self.operations[number](nodes[source])
        return out if self.spared[number] else drop_path(out, drop, self.training)


class EvaluationNetwork(Network):
    """The benchmark's network for one cell.

    Attributes:
        drop_path: probability of dropping a path, per sample, for convolutions and pools but not for plain skips. The
            benchmark itself trains without drop-path.
    """

    def __init__(self, names: Sequence[str], input_shape: Shape, classes: int, *, channels: int, cells: int) -> None:
        super().__init__()
        self.skeleton = Skeleton(input_shape, classes, channels, cells, lambda width: EvaluationCell(names, width))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes)."""
        logits: Tensor = self.skeleton(images, self.drop_path)
        return logits
