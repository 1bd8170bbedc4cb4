"""A training step as a GPU replays it, and as it is without a graph; the sizes of what is measured."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gpu_timing import Run
from nasforge.devices.graphs import WARM_UP, Captured, graphs_on
from supernet_speed import INDIVIDUALS

PLAIN = "plain"
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, CLIP = 0.001, 0.9, 3e-4, 5.0
EAGER_INSTEAD = "goes on without a CUDA graph"
"""In the warnings of whatever could not be captured."""
Batch = tuple[Tensor, Tensor]
"""Images (B, C, H, W) and labels (B,)."""


@dataclass(frozen=True)
class Sizes:
    """The paper's sizes; `SMALL` has those of a test."""

    side: int = 32
    supernet: dict[str, int] = field(default_factory=lambda: {"channels": 16, "cells": 8})
    network: dict[str, int] = field(default_factory=lambda: {"channels": 36, "cells": 20})
    batch: int = 256
    small_batch: int = 64
    retraining_batch: int = 96
    individuals: int = INDIVIDUALS
    steps: int = 20
    repeats: int = 10


LITTLE = {"channels": 8, "cells": 1}
SMALL = Sizes(32, LITTLE, LITTLE, batch=4, small_batch=4, retraining_batch=4, individuals=2, steps=2, repeats=1)


class Step:
    """A training step of a network: gradients, clipping, SGD.

    Args:
        loss: of images and labels.
        bf16: whether the forward pass runs under autocast.
    """

    def __init__(self, network: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], batch: Batch, bf16: bool = False):
        self._loss, self._batch, self._bf16 = loss, batch, bf16
        self._parameters = list(network.parameters())
        self._sgd = torch.optim.SGD(self._parameters, LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)

    def eager(self) -> None:
        """The step without a graph."""
        self._move(self._gradients(*self._batch))

    def graph(self) -> Run | None:
        """The step whose gradients a GPU replays, after a comparison with the eager ones; eager on a CPU.

        None, with a warning, if it cannot be captured.
        """
        make_graph = graphs_on(self._batch[0].device)
        if make_graph is None:
            return self.eager
        refused: list[str] = []
        captured = Captured(self._gradients, make_graph(), refused.append)
        for _ in range(WARM_UP + 2):
            replayed = [gradient.clone() for gradient in captured(*self._batch) if gradient is not None]
        if refused:
            warnings.warn(f"a step {EAGER_INSTEAD}: {refused[0]}", stacklevel=2)
            return None
        eager = [gradient for gradient in self._gradients(*self._batch) if gradient is not None]
        difference = _norm([a - b for a, b in zip(eager, replayed, strict=True)]) / _norm(eager)
        largest = 0.05 if self._bf16 else 0.001
        assert difference <= largest, f"the graph's gradients differ by {difference:.2g} of the eager ones' norm"
        return lambda: self._move(captured(*self._batch))

    def _gradients(self, images: Tensor, labels: Tensor) -> list[Tensor | None]:
        for parameter in self._parameters:
            parameter.grad = None
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self._bf16):
            loss = self._loss(images, labels)
        loss.backward()
        return [parameter.grad for parameter in self._parameters]

    def _move(self, gradients: Sequence[Tensor | None]) -> None:
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        nn.utils.clip_grad_norm_(self._parameters, CLIP)
        self._sgd.step()


def _norm(tensors: Sequence[Tensor]) -> float:
    return float(torch.stack([tensor.norm() for tensor in tensors]).norm())
