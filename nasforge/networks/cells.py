"""What cells of supernets and of evaluation networks are made of, whatever the space."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def drop_path(x: Tensor, probability: float, training: bool) -> Tensor:
    """Zero whole samples of `x` (B, ...) with `probability`; kept ones are divided by 1 - probability.

    One draw per sample from torch's generator of the device of `x`; the same tensor in eval mode or at probability 0
    (FractalNet, Larsson et al. 2017, as DARTS uses it).
    """
    if not training or probability == 0.0:
        return x
    keep = 1.0 - probability
    mask = torch.empty((x.shape[0],) + (1,) * (x.dim() - 1), dtype=x.dtype, device=x.device).bernoulli_(keep)
    return x * (mask / keep)  # a new tensor: x may be another node's input


def scaled_norm(norm: nn.Module, x: Tensor, scale: Tensor) -> Tensor:
    """`norm(x)` times `scale` (C,) per channel, for a BatchNorm2d without affine parameters.

    The scale becomes the kernel's own weight, so mixing costs no further pass over the map. A module that stands in
    for BatchNorm2d (one that averages over ranks, say) is simply called and its output multiplied.
    """
    if type(norm) is not nn.BatchNorm2d or norm.affine:
        return cast(Tensor, norm(x)) * scale[:, None, None]
    tracking = norm.track_running_stats or not norm.training  # as torch: else the batch alone, and nothing is updated
    mean, variance = (norm.running_mean, norm.running_var) if tracking else (None, None)
    if norm.training and tracking and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    momentum = 0.1 if norm.momentum is None else norm.momentum
    zero = torch.zeros_like(scale)
    return F.batch_norm(x, mean, variance, scale, zero, norm.training or mean is None, momentum, norm.eps)


def softmax_per_node(betas: Tensor, edges: Sequence[int]) -> Tensor:
    """Softmax of betas (..., E) over the edges that enter each node (PC-DARTS, Xu et al. 2020, section 3.3).

    Args:
        edges: how many edges enter each node; their sum is E, whose order goes node by node.
    """
    return torch.cat([node.softmax(dim=-1) for node in torch.split(betas, list(edges), dim=-1)], dim=-1)


def weighted_sum(terms: Iterable[tuple[Tensor, Tensor | None]]) -> Tensor:
    """The sum of x times weight, a scalar tensor or None for 1, over at least one (x, weight), all x of one shape.

    Adds in place once the running sum is a tensor of its own, which saves memory traffic; inputs stay as they are.
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
