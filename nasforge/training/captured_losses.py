"""Losses that a GPU replays one by one, each with its gradients, for steps that sum different ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from nasforge.devices.graphs import Captured, Graph, GraphMaker, shapes_of

Computed = tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]
"""A loss, the leaves that it depends on, and a gradient for each of these."""


@dataclass(frozen=True)
class Part:
    """One loss of a step.

    Attributes:
        weight: its gradient is the weight of this loss in the loss of the step.
        leaves, gradients: one gradient for each leaf that the loss depends on.
    """

    weight: Tensor
    leaves: tuple[Tensor, ...]
    gradients: tuple[Tensor, ...]


class Losses:
    """Captures each loss that it meets, together with its gradients.

    All graphs share one pool, since the results of each are copied before the next is replayed. In the autograd graph
    of the step, a captured loss is a value that depends on no leaf: the nodes of leaves would belong to the default
    stream, which no capture may touch.

    Args:
        leaves: returns the tensors that get gradients.
        make_graph: makes graphs.
        tell: is told why a loss cannot be captured. From then on, all of them are eager.
    """

    def __init__(
        self, leaves: Callable[[], Sequence[Tensor]], make_graph: GraphMaker, tell: Callable[[str], object]
    ) -> None:
        self._leaves, self._make_graph, self._tell = leaves, make_graph, tell
        self._captured: dict[Callable[..., Tensor], Captured[Computed]] | None = {}
        self._latest: Graph | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._parts: list[Part] = []

    def __call__(self, loss: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """Return `loss(*inputs)`; a backward pass through it and `hand_out` give the leaves its gradients."""
        if self._captured is None or not torch.is_grad_enabled():
            return loss(*inputs)
        self._inputs = self._inputs or tuple(tensor.clone() for tensor in inputs)
        if shapes_of(inputs) != shapes_of(self._inputs):
            return loss(*inputs)
        if loss not in self._captured:
            self._latest = self._make_graph(beside=self._latest)
            both = partial(self._with_gradients, loss)
            self._captured[loss] = Captured(both, self._latest, self._end, self._inputs)
        value, leaves, gradients = self._captured[loss](*inputs)
        weight = torch.zeros_like(value, requires_grad=True)
        self._parts.append(Part(weight, leaves, torch._foreach_mul(gradients, 1)))
        return value + weight

    def hand_out(self) -> None:
        """Add the gradients of all losses since the last call to those that the leaves have."""
        for part in self._parts:
            if part.weight.grad is not None:
                _add(part.leaves, torch._foreach_mul(part.gradients, part.weight.grad))
        self._parts = []

    def _with_gradients(self, loss: Callable[..., Tensor], *inputs: Tensor) -> Computed:
        value, leaves = loss(*inputs), list(self._leaves())
        with torch.autocast(value.device.type, enabled=False):  # as in any backward pass
            gradients = torch.autograd.grad(value, leaves, allow_unused=True)
        used = [(leaf, each) for leaf, each in zip(leaves, gradients, strict=True) if each is not None]
        return value.detach(), tuple(leaf for leaf, _ in used), tuple(each for _, each in used)

    def clear(self) -> None:
        """Free all graphs; from now on, all losses are eager."""
        self._captured = self._latest = None
        self._inputs = ()

    def _end(self, why: str) -> None:
        """A failed capture may have spoiled the pool that all graphs share, or have lacked memory."""
        self.clear()
        self._tell(why)


def _add(leaves: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """Add to the gradients of the leaves, in one operator for all that have some."""
    pairs = [(leaf.grad, gradient) for leaf, gradient in zip(leaves, gradients, strict=True) if leaf.grad is not None]
    for leaf, gradient in zip(leaves, gradients, strict=True):
        leaf.grad = gradient if leaf.grad is None else leaf.grad
    if pairs:
        torch._foreach_add_([own for own, _ in pairs], [gradient for _, gradient in pairs])
