"""Forward passes as CUDA graphs: the CPU launches one graph instead of thousands of kernels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from nasforge.devices.graphs import CUDAGraph
from nasforge.devices.host_requests import HostRequests

Mix = Mapping[str, Tensor]
Capture = Callable[[Callable[[], Tensor], torch.device], tuple[Callable[[], object], Tensor]]
"""Takes a function and the device on which it computes; returns what repeats its operators, and its result, which each
repetition renews."""


class Forward(Protocol):
    """A supernet, or what computes the same."""

    def __call__(self, images: Tensor, mix: Mix) -> Tensor:
        """Return the logits of images (B, C, H, W) under a mix."""
        ...


class Replayed:
    """A forward pass that a GPU captures once for each shape of images, and replays for all further images and mixes.

    A shape is captured when it comes a second time: one that comes once would not repay it. A replay reads parameters
    and buffers where they lie, so they may change in place; the modes of modules must stay as they are. On a CPU, and
    where gradients are recorded, this is the forward pass itself. So it is, after a warning, on a GPU that cannot
    capture it.

    Args:
        forward: must neither ask the device for values nor depend on values of the CPU.
        capture: how to capture; None: as a CUDA graph.
    """

    def __init__(self, forward: Forward, capture: Capture | None = None) -> None:
        self._forward, self._capture = forward, capture
        self._captured: dict[Any, _Captured | None] = {}  # None: the shape came once
        self._obstacles: list[str] = []

    def __call__(self, images: Tensor, mix: Mix) -> Tensor:
        """Return the logits of `forward(images, mix)`."""
        possible = self._capture is not None or images.is_cuda
        kind = _kind(images), tuple((name, _kind(weights)) for name, weights in mix.items())
        if possible and not torch.is_grad_enabled() and not self._obstacles:
            if kind not in self._captured:
                self._captured[kind] = None
                return self._watched(images, mix)
            captured = self._captured[kind] or self._tried(kind, images, mix)
            if captured is not None:
                return captured(images, mix)
        return self._forward(images, mix)

    def _watched(self, images: Tensor, mix: Mix) -> Tensor:
        """The logits, after which it is known whether the forward pass waits for the device."""
        with HostRequests(images.device) as requests:
            logits = self._forward(images, mix)
        if requests.found:
            self._give_up(f"the forward pass waits for it ({requests.found[0]})")
        return logits

    def _tried(self, kind: Any, images: Tensor, mix: Mix) -> _Captured | None:
        try:
            self._captured[kind] = _Captured(self._forward, self._capture or cuda_graph, images, mix)
        except RuntimeError as error:  # out of memory, or an operator that a graph cannot hold
            self._give_up(str(error).strip().partition("\n")[0] or type(error).__name__)
        return self._captured.get(kind)

    def _give_up(self, why: str) -> None:
        self._obstacles.append(why)
        self._captured.clear()
        warnings.warn(f"the GPU scores without CUDA graphs, which is slower, because {why}", stacklevel=4)


def _kind(tensor: Tensor) -> tuple[Any, ...]:
    return tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device


class _Captured:
    """A captured forward pass with the tensors that it reads and writes."""

    def __init__(self, forward: Forward, capture: Capture, images: Tensor, mix: Mix) -> None:
        self._images = images.clone()
        self._mix = {name: weights.clone() for name, weights in mix.items()}
        self._replay, self._logits = capture(lambda: forward(self._images, self._mix), images.device)

    def __call__(self, images: Tensor, mix: Mix) -> Tensor:
        self._images.copy_(images)
        for name, weights in mix.items():
            self._mix[name].copy_(weights)
        self._replay()
        return self._logits.clone()  # the next replay overwrites them


def cuda_graph(run: Callable[[], Tensor], device: torch.device) -> tuple[Callable[[], object], Tensor]:
    """Capture `run`, after one call that warms it up, as a CUDA graph; see `Capture`."""
    graph = CUDAGraph(device)
    graph.warm_up(run)
    return graph.replay, graph.capture(run)
