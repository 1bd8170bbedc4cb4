"""Parts of a batch on each of several ranks, and the sums that make one batch of them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor


class Portion(NamedTuple):
    """One rank's rows of a batch that all ranks share: every `ranks`-th one, from the `rank`-th on.

    Attributes:
        rank, ranks: whose part this is, and of how many.
        whole: rows of the batch.
    """

    rank: int
    ranks: int
    whole: int

    def of(self, rows: Tensor) -> Tensor:
        """This rank's rows out of all (whole, ...)."""
        return rows[self.rank :: self.ranks] if self.ranks > 1 else rows


def total(tensor: Tensor, ranks: int) -> Tensor:
    """The sum over ranks; every one of them must ask for it. Gradients flow back to all."""
    if ranks == 1:
        return tensor
    summed: Tensor = _Sum.apply(tensor)  # type: ignore[no-untyped-call]
    return summed


def averages(tensors: Sequence[Tensor], ranks: int) -> list[Tensor]:
    """The mean over ranks of each tensor, in one exchange."""
    if ranks == 1 or not tensors:
        return list(tensors)
    flat = total(torch.cat([tensor.flatten() for tensor in tensors]), ranks) / ranks
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]


class _Sum(torch.autograd.Function):
    """Each rank's loss depends on every rank's summand, so the gradients of all losses come back to each."""

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
