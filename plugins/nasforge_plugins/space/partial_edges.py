"""Operations on several edges at once, one block of channels per edge, for all edges or a selection of them.

In eval mode without gradients, and in sparse training, a supernet skips the edges whose mixing weight is zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge import counted_batch, scaled_norm

Edges = Sequence[int] | None
"""The selected edges; None for all."""


def rows_of(values: Tensor, edges: Edges, of: int) -> Tensor:
    """The rows (E * n, ...) of E edges, from the values (of * n, ...) of `of` edges."""
    if edges is None:
        return values
    each = values.chunk(of)  # a list as an index would have to be sent to the device
    return torch.cat([each[edge] for edge in edges])


def normalized(norm: nn.BatchNorm2d, x: Tensor, scale: Tensor | None, edges: Edges, of: int) -> Tensor:
    """The BatchNorm of x (B, E * C, H, W), which holds E of the `of` edges of `norm`.

    Args:
        norm: a BatchNorm without affine parameters.
        scale: (E * C,), a factor for each channel; None for 1.
    """
    if edges is None:
        return norm(x) if scale is None else scaled_norm(norm, x, scale)
    if norm.training and type(norm) is not nn.BatchNorm2d:  # one that averages over the processes that share a fit
        return _without_record(norm, x, scale)
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None or (norm.training and not norm.track_running_stats):
        return F.batch_norm(x, None, None, scale, None, True, 0.0, norm.eps)  # by the statistics of the batch
    own_mean, own_variance = rows_of(mean, edges, of), rows_of(variance, edges, of)
    share = counted_batch(norm) if norm.training else 0.0
    out = F.batch_norm(x, own_mean, own_variance, scale, None, norm.training, share, norm.eps)
    if norm.training:
        for whole, own in ((mean, own_mean), (variance, own_variance)):
            # `data`, because like batch_norm's own update this must not invalidate another path's graph.
            for edge, values in zip(edges, own.chunk(len(edges)), strict=True):
                whole.data.chunk(of)[edge].copy_(values)
    return out


def _without_record(norm: nn.BatchNorm2d, x: Tensor, scale: Tensor | None) -> Tensor:
    """Normalize by the statistics of the whole batch; the running ones have a place for every edge, and stay."""
    tracked, norm.track_running_stats = norm.track_running_stats, False
    try:
        out: Tensor = norm(x)
    finally:
        norm.track_running_stats = tracked
    return out if scale is None else out * scale[:, None, None]
