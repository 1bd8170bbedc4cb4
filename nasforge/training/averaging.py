"""The exponential moving average of a network's weights."""

from __future__ import annotations

from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


def update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move all tensors of `average` towards those of `network`, running statistics of BatchNorm included.

    The decay is at most (1 + step) / (10 + step), as in TensorFlow's `ExponentialMovingAverage`. So the initial
    weights do not outlast a short training. Tensors of integers are copied.

    Args:
        step: number of steps before this one.
    """
    pairs = list(zip(average.state_dict().values(), network.state_dict().values(), strict=True))
    floating = [(own, other) for own, other in pairs if own.is_floating_point()]
    update = get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))  # type: ignore[no-untyped-call]
    update([own for own, _ in floating], [other for _, other in floating], None)
    for own, other in pairs:
        if not own.is_floating_point():
            own.copy_(other)
