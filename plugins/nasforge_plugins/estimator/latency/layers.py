"""What the layers of a network do: latencies are close to weighted sums of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from nasforge import Architecture, SearchSpace, Shape, isolated


@dataclass(frozen=True)
class LayerWork:
    """What the layers of one network do for one image.

    Attributes:
        by_kind: work by kind of layer: class, kernel size and whether it is grouped. A layer's work is the number of
            values that it writes, for layers with weights times the number of values that each is a sum of.
        totals: work, written values, layers and parameters.
    """

    by_kind: Mapping[str, int]
    totals: tuple[int, int, int, int]


def work_of(space: SearchSpace, architecture: Architecture, shape: Shape, classes: int) -> LayerWork:
    """Build the network, and count what its layers do in a forward pass."""
    by_kind: Counter[str] = Counter()
    values = layers = 0

    def count(layer: nn.Module, inputs: object, output: object) -> None:
        nonlocal values, layers
        if isinstance(output, Tensor):
            by_kind[_kind(layer)] += output.numel() * _summands(layer)
            values, layers = values + output.numel(), layers + 1

    with isolated(0):
        network = space.build(architecture, shape, classes).eval()
    for module in network.modules():
        if next(module.children(), None) is None:
            module.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.zeros(1, *shape))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return LayerWork(by_kind, (sum(by_kind.values()), values, layers, parameters))


def work_matrices(works: Sequence[LayerWork], kinds: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the work of several networks by kind (networks, kinds), and their totals (networks, 4)."""
    by_kind = np.array([[work.by_kind.get(kind, 0) for kind in kinds] for work in works], dtype=np.float64)
    return by_kind, np.array([work.totals for work in works], dtype=np.float64)


def _kind(layer: nn.Module) -> str:
    grouped = " grouped" if getattr(layer, "groups", 1) > 1 else ""
    return f"{type(layer).__name__} {getattr(layer, 'kernel_size', '')}{grouped}"


def _summands(layer: nn.Module) -> int:
    return layer.weight[0].numel() if isinstance(layer, nn.Conv2d | nn.Linear) else 1
