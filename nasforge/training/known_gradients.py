"""A loss whose gradients are computed together with it, as a CUDA graph computes them, and handed out later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

Gradients = tuple[Tensor | None, ...]


def with_gradients(loss: Callable[..., Tensor], leaves: Sequence[Tensor], *inputs: Tensor) -> tuple[Tensor, Gradients]:
    """`loss(*inputs)`, and its gradient with respect to each of `leaves`; None where it does not depend on one."""
    value = loss(*inputs)
    return value.detach(), torch.autograd.grad(value, leaves, allow_unused=True)


def with_known_gradients(value: Tensor, gradients: Gradients, leaves: Sequence[Tensor]) -> Tensor:
    """The value of a loss as if it were computed from `leaves`: its backward pass hands out the gradients.

    All values are copied, so that others may be written to the same memory before the backward pass.
    """
    return cast("Tensor", _Known.apply(value, gradients, *leaves))  # type: ignore[no-untyped-call]


class _Known(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: Gradients, *leaves: Tensor) -> Tensor:
        ctx.known = [gradient is not None for gradient in gradients]
        ctx.gradients = torch._foreach_mul([gradient for gradient in gradients if gradient is not None], 1)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        gradients = iter(torch._foreach_mul(ctx.gradients, outer[0]))
        return (None, None, *(next(gradients) if known else None for known in ctx.known))
