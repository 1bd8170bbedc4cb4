"""The gradient of the alphas through one unrolled step of the weights (DARTS, section 2.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from nasforge_plugins.strategy.darts.module import Batch, GradientAlphas

SMALLEST = 1e-12
"""A gradient with a smaller norm counts as zero, so that the second derivatives add nothing."""


def unrolled_gradient(
    module: GradientAlphas, training: Batch, validation: Batch, distance: float = 0.01
) -> list[Tensor]:
    """d L_val(w'(alpha), alpha) / d alpha with w' = w - xi (mu buffer + dL_train + lambda w), eqs. 7 and 8.

    xi is the current learning rate of the weights, mu their momentum, lambda their decay. The product with the second
    derivative is a finite difference at w +- R dL_val/dw' with R = distance / |dL_val/dw'|. The weights do not change.

    Args:
        distance: distance of those two points from w (paper: 0.01).

    Returns:
        One gradient for each tensor of `module.live()`.
    """
    weights, optimizer = module.weights_to_learn, module.trainer.optimizers[0]
    group = optimizer.param_groups[0]
    xi, architecture = group["lr"], module.live()
    loss = partial(module.loss, architecture=architecture)
    before = [weight.detach().clone() for weight in weights]
    step = module.gradients(loss, training, weights)
    unrolled = []
    for w, gradient, weight in zip(before, step, weights, strict=True):
        buffer = optimizer.state[weight].get("momentum_buffer")
        momentum = 0.0 if buffer is None else group["momentum"] * buffer
        unrolled.append(w - xi * (momentum + gradient + group["weight_decay"] * w))
    _set(weights, unrolled)
    both = module.gradients(loss, validation, [*architecture, *weights])
    direct, vector = both[: len(architecture)], both[len(architecture) :]
    radius = distance / torch.cat([part.flatten() for part in vector]).norm().clamp_min(SMALLEST)
    sides = []
    for sign in (1, -1):
        _set(weights, [w + sign * radius * v for w, v in zip(before, vector, strict=True)])
        sides.append(architecture_gradient(module, training))
    _set(weights, before)
    return [d - xi * (plus - minus) / (2 * radius) for d, plus, minus in zip(direct, *sides, strict=True)]


def architecture_gradient(module: GradientAlphas, batch: Batch) -> list[Tensor]:
    """d loss / d alpha at the current weights, without the gradients of the weights, which are a third of the work. It
    is zero for a cell type that a shallow supernet lacks."""
    architecture = module.live()
    with _constant(module.weights_to_learn):
        return module.gradients(partial(module.loss, architecture=architecture), batch, architecture)


@contextmanager
def _constant(weights: Sequence[Tensor]) -> Iterator[None]:
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)


@torch.no_grad()
def _set(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.copy_(value)
    torch.clear_autocast_cache()  # it holds the earlier weights in half precision
