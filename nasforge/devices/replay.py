"""Forward passes that a GPU replays for many mixes: the CPU launches one graph instead of thousands of kernels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from nasforge.devices.graphs import Captured, GraphMaker


class Forward(Protocol):
    """A supernet, or what computes the same."""

    def __call__(self, images: Tensor, mix: Mapping[str, Tensor]) -> Tensor:
        """Return the logits of images (B, C, H, W) under a mix."""
        ...


class Replayed:
    """A forward pass that becomes a graph for each shape of images, which serves all further images and mixes.

    A replay reads parameters and buffers where they lie, so they may change in place; the modes of modules must stay as
    they are. Where gradients are recorded, this is the forward pass itself.

    Args:
        forward: must neither ask the device for values nor depend on values of the CPU.
        make_graph: makes a graph for each shape.
        give_up: see `Captured`.
    """

    def __init__(self, forward: Forward, make_graph: GraphMaker, give_up: Callable[[str], object]) -> None:
        self._forward, self._make_graph, self._give_up = forward, make_graph, give_up
        self._captured: dict[Any, Captured[Tensor]] = {}

    def __call__(self, images: Tensor, mix: Mapping[str, Tensor]) -> Tensor:
        """Return the logits of `forward(images, mix)`."""
        if torch.is_grad_enabled():
            return self._forward(images, mix)
        kind = images.shape, images.dtype, tuple(mix)
        if kind not in self._captured:
            self._captured[kind] = Captured(self._of_tensors(tuple(mix)), self._make_graph(), self._give_up)
        return self._captured[kind](images, *mix.values()).clone()  # the next replay overwrites them

    def _of_tensors(self, names: tuple[str, ...]) -> Callable[..., Tensor]:
        """The forward pass as a function of images and the tensors of a mix that have these names."""
        inner = self._forward  # without `self`, so that graphs are freed as soon as nobody needs them

        def forward(images: Tensor, *weights: Tensor) -> Tensor:
            return inner(images, dict(zip(names, weights, strict=True)))

        return forward
