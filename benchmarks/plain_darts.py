"""The DARTS supernet written plainly, as published: one module per operation and edge. The measure of the fast one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge import operation

NODES = 4


class MixedOperation(nn.Module):
    """All candidates of one edge, at width C/K (PC-DARTS); K = 1 is DARTS."""

    def __init__(
        self, channels: int, stride: int, operations: Sequence[str], partial: int, pool_normalization: bool
    ) -> None:
        super().__init__()
        self.width, self.partial, self.stride = channels // partial, partial, stride
        self.operations = nn.ModuleList()
        for name in operations:
            module = operation(name, self.width, stride, affine=False)
            if "pool" in name and pool_normalization:
                module = nn.Sequential(module, nn.BatchNorm2d(self.width, affine=False))
            self.operations.append(module)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        mixed = sum(
            weight * op(x[:, : self.width].contiguous() if self.partial > 1 else x)
            for weight, op in zip(weights, self.operations, strict=True)
        )
        if self.partial == 1:
            return mixed
        bypass = x[:, self.width :]
        if self.stride == 2:
            bypass = F.max_pool2d(bypass, 2, 2, ceil_mode=True)
        joined = torch.cat([mixed, bypass], dim=1)
        batch, channels, height, width = joined.shape
        grouped = joined.view(batch, self.partial, channels // self.partial, height, width)
        return grouped.transpose(1, 2).reshape(batch, channels, height, width)


class ReLUConvBN(nn.Sequential):
    def __init__(self, channels_in: int, channels_out: int, affine: bool = False) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels_in, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out, affine=affine),
        )


class FactorizedReduce(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, affine: bool = False) -> None:
        super().__init__()
        self.conv_even = nn.Conv2d(channels_in, channels_out // 2, 1, 2, bias=False)
        self.conv_odd = nn.Conv2d(channels_in, channels_out // 2, 1, 2, bias=False)
        self.norm = nn.BatchNorm2d(channels_out, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(F.relu(x), (0, x.shape[3] % 2, 0, x.shape[2] % 2))
        return self.norm(torch.cat([self.conv_even(x), self.conv_odd(x[:, :, 1:, 1:])], dim=1))


class Cell(nn.Module):
    def __init__(
        self,
        before_last: int,
        last: int,
        channels: int,
        reduction: bool,
        reduction_before: bool,
        operations: Sequence[str],
        partial: int,
        pool_normalization: bool,
    ) -> None:
        super().__init__()
        self.preprocess0 = (FactorizedReduce if reduction_before else ReLUConvBN)(before_last, channels)
        self.preprocess1 = ReLUConvBN(last, channels)
        self.edges = nn.ModuleList(
            MixedOperation(channels, 2 if reduction and source < 2 else 1, operations, partial, pool_normalization)
            for node in range(NODES)
            for source in range(2 + node)
        )

    def forward(self, s0: Tensor, s1: Tensor, weights: Tensor, betas: Tensor | None) -> Tensor:
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        first = 0
        for _ in range(NODES):
            edges = range(first, first + len(states))
            mixed = [self.edges[edge](state, weights[edge]) for edge, state in zip(edges, states, strict=True)]
            if betas is not None:
                mixed = [betas[edge] * out for edge, out in zip(edges, mixed, strict=True)]
            states.append(sum(mixed))
            first = edges.stop
        return torch.cat(states[2:], dim=1)


class PlainSupernet(nn.Module):
    """The published network. `forward` takes softmaxed weights (14, operations) by cell type, with a column for `none`
    where it is among the operations, and PC-DARTS's betas (14,) by cell type, already normalized per node."""

    def __init__(
        self,
        operations: Sequence[str],
        *,
        channels: int = 16,
        cells: int = 8,
        classes: int = 10,
        input_channels: int = 3,
        partial: int = 1,
        pool_normalization: bool = True,
    ) -> None:
        super().__init__()
        stem = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(input_channels, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem))
        before_last, last, width, before = stem, stem, channels, False
        self.cells = nn.ModuleList()
        self.reductions = {cells // 3, 2 * cells // 3}
        for index in range(cells):
            reduction = index in self.reductions
            width = 2 * width if reduction else width
            cell = Cell(before_last, last, width, reduction, before, operations, partial, pool_normalization)
            self.cells.append(cell)
            before_last, last, before = last, NODES * width, reduction
        self.classifier = nn.Linear(last, classes)

    def forward(
        self, images: Tensor, weights: Mapping[str, Tensor], betas: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        s0 = s1 = self.stem(images)
        for index, cell in enumerate(self.cells):
            kind = "reduce" if index in self.reductions else "normal"
            s0, s1 = s1, cell(s0, s1, weights[kind], None if betas is None else betas[kind])
        return self.classifier(F.adaptive_avg_pool2d(s1, 1).flatten(1))


def edge_of(state: int, position: int) -> int:
    """Edge number of the `position`-th of the edges that leave `state`."""
    node = max(0, state - 1) + position
    return 2 * node + node * (node - 1) // 2 + state


def paired_tensors(fast: nn.Module, plain: PlainSupernet) -> list[tuple[Tensor, list[Tensor]]]:
    """Each parameter and BatchNorm statistic of the fast supernet, with those of the plain one that it concatenates.

    Statistics of pools, which the fast one keeps once per state, are paired with those of the first edge.
    """
    pairs = _pairs(fast.stem.layers, [plain.stem]) + _pairs(fast.classifier, [plain.classifier])
    for quick, cell in zip(fast.cells, plain.cells, strict=True):
        pairs += _pairs(quick.preprocess0, [cell.preprocess0]) + _pairs(quick.preprocess1, [cell.preprocess1])
        for state, fan in enumerate(quick.fans):
            mixed = [cell.edges[edge_of(state, position)] for position in range(fan.edges)]
            offset = len(mixed[0].operations) - len(fan.names)  # none comes first and has no weights
            for column, name in enumerate(fan.names, start=offset):
                columns = [edge.operations[column] for edge in mixed]
                if name in fan.shared:
                    pairs += _pairs(fan.shared[name], columns[:1])
                    continue
                for group, module in zip(fan.groups, fan.own[name], strict=True):
                    pairs += _pairs(module, columns[group.start : group.stop])
    return pairs


def _pairs(fast: nn.Module, plain: list[nn.Module]) -> list[tuple[Tensor, list[Tensor]]]:
    tensors = [_tensors(module) for module in plain]
    return [(own, list(theirs)) for own, *theirs in zip(_tensors(fast), *tensors, strict=True)]


def _tensors(module: nn.Module) -> list[Tensor]:
    buffers = [buffer for name, buffer in module.named_buffers() if not name.endswith("num_batches_tracked")]
    return [*module.parameters(), *buffers]


@torch.no_grad()
def copy_weights(fast: nn.Module, plain: PlainSupernet) -> None:
    """Give the fast supernet the plain one's weights and statistics."""
    for own, theirs in paired_tensors(fast, plain):
        own.copy_(torch.cat(theirs))
