"""How supernets and evaluation networks mix paths: weighted sums, BatchNorm scaled by a mixing weight, drop path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def drop_path(x: Tensor, probability: float | Tensor, training: bool) -> Tensor:
    """Zero whole samples of `x` (B, ...) with `probability`, and divide the other samples by 1 - probability.

    Draws once per sample from torch's generator on the device of `x`. In eval mode or at probability 0, returns `x`
    itself (FractalNet, Larsson et al. 2017, as DARTS uses it). A probability may also be a tensor () on that
    device. The CPU never reads it, so it draws at probability 0, too.
    """
    if not training or (isinstance(probability, float) and probability == 0.0):
        return x
    keep, each = 1.0 - probability, (x.shape[0],) + (1,) * (x.dim() - 1)
    if isinstance(keep, Tensor):
        mask = (torch.rand(each, device=x.device) < keep).to(x.dtype)
    else:
        mask = torch.empty(each, dtype=x.dtype, device=x.device).bernoulli_(keep)
    return x * (mask / keep)  # a new tensor: x may be another node's input


def scaled_norm(norm: nn.Module, x: Tensor, scale: Tensor) -> Tensor:
    """Return `norm(x)` times `scale` (C,) per channel, for a BatchNorm2d without affine parameters.

    The scale becomes the weight of the BatchNorm kernel, so mixing needs no extra pass over the map. For any other
    module, such as one that averages over ranks, this multiplies the module's output.
    """
    if type(norm) is not nn.BatchNorm2d or norm.affine:
        return cast(Tensor, norm(x)) * scale[:, None, None]
    tracking = norm.track_running_stats or not norm.training  # if not: batch alone, no update, like torch
    mean, variance = (norm.running_mean, norm.running_var) if tracking else (None, None)
    share = counted_batch(norm) if norm.training and tracking else 0.0
    zero = torch.zeros_like(scale)
    return F.batch_norm(x, mean, variance, scale, zero, norm.training or mean is None, share, norm.eps)


def counted_batch(norm: nn.BatchNorm2d) -> float:
    """Count a batch, and return its share in the running statistics: without a momentum, 1/n of the n-th batch."""
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    if norm.momentum is not None or norm.num_batches_tracked is None:
        return norm.momentum or 0.0
    return 1.0 / float(norm.num_batches_tracked)


def softmax_per_node(betas: Tensor, edges: Sequence[int]) -> Tensor:
    """Softmax of betas (..., E) over the edges that enter each node (PC-DARTS, Xu et al. 2020, section 3.3).

    Args:
        edges: how many edges enter each node; they sum to E, and `betas` lists the edges node by node.
    """
    return torch.cat([node.softmax(dim=-1) for node in torch.split(betas, list(edges), dim=-1)], dim=-1)


def weighted_sum(terms: Iterable[tuple[Tensor, Tensor | None]]) -> Tensor:
    """Return the sum of x * weight over at least one pair; all x share a shape, a weight is a scalar or None (1).

    Adds in place once the running sum is a new tensor, which saves memory traffic; the inputs never change.
    """
    total: Tensor | None = None
    owned = False
    for x, weight in terms:
        if total is None:
            total, owned = (x, False) if weight is None else (x * weight, True)
        elif owned:
            total = total.add_(x) if weight is None else total.addcmul_(x, weight)
        else:
            total, owned = (total + x if weight is None else torch.addcmul(total, x, weight)), True
    if total is None:
        raise ValueError("a weighted sum needs at least one term")
    return total
