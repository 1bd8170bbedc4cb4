"""The evaluation network of DARTS: a stack of an architecture's cells (Liu et al. 2019, section 3.1, appendix A)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge import Architecture, FactorizedReduce, Network, ReLUConvBN, Shape, drop_path, operation

from .stem import LargeStem, reductions, stem

AUXILIARY_SIDE = 7
"""The smallest map side that the auxiliary head can read: that of the ImageNet network."""


class EvaluationCell(nn.Module):
    """One cell of a stacked network: both inputs are converted to C channels, and each node sums two operations.

    Attributes:
        label: what an exported network calls it.
    """

    def __init__(self, nodes: Any, concat: Any, widths: tuple[int, int], channels: int, strides: tuple[bool, bool]):
        super().__init__()
        reduction, reduction_before = strides
        self.label = f"{'reduction' if reduction else 'normal'} cell{' after a reduction' if reduction_before else ''}"
        preprocess = FactorizedReduce if reduction_before else ReLUConvBN
        self.preprocess0 = preprocess(widths[0], channels)
        self.preprocess1 = ReLUConvBN(widths[1], channels)
        self.sources = tuple(state for node in nodes for _, state in node)
        self.concat = tuple(concat)
        self.width = channels * len(self.concat)
        self.operations = nn.ModuleList(
            operation(name, channels, 2 if reduction and state < 2 else 1) for node in nodes for name, state in node
        )

    def forward(self, s0: Tensor, s1: Tensor, drop: float | Tensor) -> Tensor:
        """(B, C0, H0, W0) and (B, C1, H, W) to (B, concat * C, H', W'); paths are dropped with probability `drop`."""
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        paths = list(zip(self.operations, self.sources, strict=True))
        for first, second in zip(paths[::2], paths[1::2], strict=True):
            states.append(self._path(*first, states, drop) + self._path(*second, states, drop))
        return torch.cat([states[index] for index in self.concat], dim=1)

    def _path(self, layer: nn.Module, source: int, states: list[Tensor], drop: float | Tensor) -> Tensor:
        out: Tensor = layer(states[source])
        return out if isinstance(layer, nn.Identity) else drop_path(out, drop, self.training)


class AuxiliaryHead(nn.Module):
    """A second classifier on a map (B, C, H, W), pooled to 2x2.

    The pool's window is 5/8 of the side, rounded up, and its four positions are the corners: 5 with stride 3 on the
    published 8x8 map (CIFAR), 5 with stride 2 on 7x7 (ImageNet), and likewise on larger maps. The ImageNet head lacks
    the second BatchNorm.
    """

    def __init__(self, channels: int, classes: int, side: tuple[int, int], second_norm: bool) -> None:
        super().__init__()
        window = (-(-5 * side[0] // 8), -(-5 * side[1] // 8))
        step = (side[0] - window[0], side[1] - window[1])
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(window, step, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768) if second_norm else nn.Identity(),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes)."""
        out: Tensor = self.classifier(self.features(x).flatten(1))
        return out


class EvaluationNetwork(Network):
    """Stem, L cells, global average pool, classifier; the number of channels doubles at L//3 and 2L//3.

    Attributes:
        drop_path: probability of dropping a path, per sample. Plain identities are never dropped, but the parametric
            skips of reduction cells are.
        auxiliary: the head on the output of cell 2L//3; None if not requested or if the map's side is below 7.
    """

    def __init__(
        self,
        architecture: Architecture,
        input_shape: Shape,
        classes: int,
        *,
        channels: int,
        cells: int,
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        self.stem = stem(input_shape, channels)
        widths, reduction_before = self.stem.widths, self.stem.reduces
        self.cells = nn.ModuleList()
        self.auxiliary_after = 2 * cells // 3
        for index in range(cells):
            reduction = index in reductions(cells)
            channels = 2 * channels if reduction else channels
            kind = "reduce" if reduction else "normal"
            nodes, concat = architecture[kind], architecture[f"{kind}_concat"]
            cell = EvaluationCell(nodes, concat, widths, channels, (reduction, reduction_before))
            self.cells.append(cell)
            widths, reduction_before = (widths[1], cell.width), reduction
            if index == self.auxiliary_after:
                self.auxiliary = self._auxiliary(cell.width, classes, input_shape, cells) if auxiliary else None
        self.classifier = nn.Linear(widths[1], classes)

    def _auxiliary(self, width: int, classes: int, input_shape: Shape, cells: int) -> AuxiliaryHead | None:
        large = isinstance(self.stem, LargeStem)
        halvings = len(reductions(cells)) + (3 if large else 0)
        side = (-(-input_shape[1] // 2**halvings), -(-input_shape[2] // 2**halvings))
        return AuxiliaryHead(width, classes, side, not large) if min(side) >= AUXILIARY_SIDE else None

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes)."""
        return self._run(images)[0]

    def with_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits and the auxiliary head's logits (B, classes), None without a head."""
        logits, inner = self._run(images)
        return logits, None if self.auxiliary is None else self.auxiliary(inner)

    def _run(self, images: Tensor) -> tuple[Tensor, Tensor]:
        s0, s1 = self.stem(images)
        inner = s1
        for index, cell in enumerate(self.cells):
            s0, s1 = s1, cell(s0, s1, self.drop_path)
            if index == self.auxiliary_after:
                inner = s1
        return self.classifier(F.adaptive_avg_pool2d(s1, 1).flatten(1)), inner
