"""BatchNorm over the batches of all ranks, on any device: torch's own SyncBatchNorm does not support the CPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import batch_norm
from torch.nn.modules.batchnorm import _BatchNorm

from nasforge.devices.portions import Member


class SyncedBatchNorm(_BatchNorm):
    """Normalizes with the mean and variance over the rows of all ranks; in eval mode it is an ordinary BatchNorm."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Check nothing: the BatchNorm that this replaces has already accepted inputs of this shape."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, ...) of this rank -> the same shape."""
        if not self.training and self.running_mean is not None:
            return batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        mean, variance, count = _moments(input)
        if self.track_running_stats:
            self._gather(mean.detach(), variance.detach() * count / (count - 1))
        scale = torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        places = (1, -1, *(1,) * (input.ndim - 2))
        # Round only once, at the end: in half precision the shift is inaccurate if the mean is large.
        return (input.to(mean.dtype) * scale.view(places) + shift.view(places)).to(input.dtype)

    def _gather(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


def _moments(input: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean (C,), biased variance (C,) and count () over all ranks, combined from each rank's moments in a single
    exchange (Chan et al. 1979): a sum of squares would lose precision if the mean is far from zero."""
    member = Member(dist.get_rank(), dist.get_world_size())
    rows = input.transpose(0, 1).flatten(1).float() if input.dtype.itemsize < 4 else input.transpose(0, 1).flatten(1)
    moments = rows.new_zeros(2 * len(rows) + 1)
    if rows.shape[1]:  # a rank may have no row of a small batch
        moments = torch.cat([rows.mean(1), rows.var(1, correction=0), rows.new_full((1,), rows.shape[1])])
    parts = [moments if rank == member.rank else torch.zeros_like(moments) for rank in range(member.ranks)]
    table = member.total(torch.cat(parts))
    means, variances, counts = table.view(member.ranks, -1).tensor_split([len(rows), 2 * len(rows)], dim=1)
    count = counts.sum()
    mean = (counts * means).sum(0) / count
    variance = (counts * (variances + (means - mean).square())).sum(0) / count
    return mean, variance, count


@contextmanager
def synchronised(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Make every BatchNorm of `modules` a `SyncedBatchNorm` inside this context.

    Only the class changes, so optimizers and checkpoints see the same parameters, buffers and names.
    """
    norms = [part for module in modules for part in module.modules() if type(part) in _PLAIN]
    before = [type(norm) for norm in norms]
    for norm in norms:
        norm.__class__ = SyncedBatchNorm
    try:
        yield
    finally:
        for norm, kind in zip(norms, before, strict=True):
            norm.__class__ = kind


_PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
