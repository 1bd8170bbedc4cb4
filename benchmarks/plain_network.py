"""The evaluation network of DARTS written plainly, as published: what a step of retraining is compared with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge import Architecture, operation
from nasforge_plugins.space.darts.network import AuxiliaryHead
from plain_darts import FactorizedReduce, ReLUConvBN


class Cell(nn.Module):
    def __init__(
        self, nodes: Any, concat: Any, before_last: int, last: int, channels: int, reduction: bool, before: bool
    ) -> None:
        super().__init__()
        self.preprocess0 = (FactorizedReduce if before else ReLUConvBN)(before_last, channels, affine=True)
        self.preprocess1 = ReLUConvBN(last, channels, affine=True)
        self.sources, self.concat = [state for node in nodes for _, state in node], concat
        self.operations = nn.ModuleList(
            operation(name, channels, 2 if reduction and state < 2 else 1) for node in nodes for name, state in node
        )

    def forward(self, s0: Tensor, s1: Tensor, drop: float) -> Tensor:
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        for first in range(0, len(self.sources), 2):
            paths = []
            for path in (first, first + 1):
                out = self.operations[path](states[self.sources[path]])
                if drop > 0 and not isinstance(self.operations[path], nn.Identity):
                    mask = torch.empty(len(out), 1, 1, 1, device=out.device, dtype=out.dtype).bernoulli_(1 - drop)
                    out = out.div(1 - drop).mul(mask)
                paths.append(out)
            states.append(paths[0] + paths[1])
        return torch.cat([states[index] for index in self.concat], dim=1)


class PlainNetwork(nn.Module):
    """The published network: `with_auxiliary` returns the logits of both heads. Images have 28 pixels a side or more.

    Attributes:
        drop_path: probability of dropping a path.
    """

    def __init__(self, architecture: Architecture, side: int, *, channels: int, cells: int, classes: int = 10) -> None:
        super().__init__()
        self.drop_path = 0.0
        stem = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(3, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem))
        before_last, last, before, self.auxiliary_after = stem, stem, False, 2 * cells // 3
        self.cells, reductions = nn.ModuleList(), {cells // 3, 2 * cells // 3}
        for index in range(cells):
            reduction = index in reductions
            channels = 2 * channels if reduction else channels
            kind = "reduce" if reduction else "normal"
            nodes, concat = architecture[kind], architecture[f"{kind}_concat"]
            self.cells.append(Cell(nodes, concat, before_last, last, channels, reduction, before))
            before_last, last, before = last, len(concat) * channels, reduction
            if index == self.auxiliary_after:
                side //= 2 ** len(reductions)
                self.auxiliary = AuxiliaryHead(last, classes, (side, side), True)
        self.classifier = nn.Linear(last, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.with_auxiliary(images)[0]

    def with_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor]:
        s0 = s1 = self.stem(images)
        for index, cell in enumerate(self.cells):
            s0, s1 = s1, cell(s0, s1, self.drop_path)
            if index == self.auxiliary_after:
                inner = s1
        return self.classifier(F.adaptive_avg_pool2d(s1, 1).flatten(1)), self.auxiliary(inner)
