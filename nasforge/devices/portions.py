"""Split a batch over ranks, and sum results over ranks as if the batch were whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor


class Portion(NamedTuple):
    """One rank's rows of a batch that all ranks share: every `ranks`-th row, starting with row `rank`.

    Attributes:
        rank, ranks: index of this rank, and the number of ranks.
        whole: number of rows of the whole batch.
    """

    rank: int
    ranks: int
    whole: int

    def of(self, rows: Tensor) -> Tensor:
        """Return this rank's rows of the batch `rows` (whole, ...)."""
        return rows[self.rank :: self.ranks] if self.ranks > 1 else rows


class Member(NamedTuple):
    """One of the processes that share a fit, and its communication with the others. By default it is alone.

    Every rank must call `total`, `averages` and `weight` when one does, because they exchange tensors.

    Attributes:
        rank, ranks: index of this process, from 0, and the number of processes.
    """

    rank: int = 0
    ranks: int = 1

    def portion(self, whole: int) -> Portion:
        """Return its part of a batch of `whole` images."""
        return Portion(self.rank, self.ranks, whole)

    def total(self, tensor: Tensor) -> Tensor:
        """Return the sum over ranks. Gradients flow back to every rank."""
        if self.ranks == 1:
            return tensor
        summed: Tensor = _Sum.apply(tensor)  # type: ignore[no-untyped-call]
        return summed

    def averages(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the mean over ranks of each tensor, with a single exchange."""
        if self.ranks == 1 or not tensors:
            return list(tensors)
        flat = self.total(torch.cat([tensor.flatten() for tensor in tensors])) / self.ranks
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]

    def weight(self, rows: int) -> float:
        """The factor that turns the mean over its `rows` rows into its share of the mean over the whole batch: the
        average over ranks of these products is that mean. It is 1 where all ranks have equally many rows."""
        if self.ranks == 1:
            return 1.0
        return rows * self.ranks / int(self.total(torch.tensor(rows)))


ALONE = Member()


class _Sum(torch.autograd.Function):
    """Each rank's loss depends on every rank's summand, so every rank gets the gradients of all losses."""

    @staticmethod
    def forward(context: Any, tensor: Tensor) -> Tensor:
        summed = tensor.clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        summed = gradient.clone()
        dist.all_reduce(summed)
        return summed
