"""Operations on several edges at once, one block of channels per edge, for all edges or a selection of them.

In eval mode without gradients, a supernet skips the edges whose mixing weight is zero.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from nasforge import scaled_norm

Edges = Sequence[int] | None
"""The selected edges; None for all. A selection makes sense only in eval mode without gradients."""


def rows_of(values: Tensor, edges: Edges, of: int) -> Tensor:
    """The rows (E * n, ...) of E edges, from the values (of * n, ...) of `of` edges."""
    return values if edges is None else values.view(of, -1, *values.shape[1:])[list(edges)].flatten(0, 1)


def normalized(norm: nn.BatchNorm2d, x: Tensor, scale: Tensor | None, edges: Edges, of: int) -> Tensor:
    """The BatchNorm of x (B, E * C, H, W), which holds E of the `of` edges of `norm`.

    Args:
        norm: a BatchNorm without affine parameters.
        scale: (E * C,), a factor for each channel; None for 1.
    """
    if edges is None:
        return norm(x) if scale is None else scaled_norm(norm, x, scale)
    mean, variance = norm.running_mean, norm.running_var
    if norm.training or mean is None or variance is None:  # normalize by the statistics of the batch
        return F.batch_norm(x, None, None, scale, None, True, 0.0, norm.eps)
    mean, variance = rows_of(mean, edges, of), rows_of(variance, edges, of)
    return F.batch_norm(x, mean, variance, scale, None, False, 0.0, norm.eps)
