"""The size of a network: parameters and multiply-accumulates, as the field counts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from nasforge.architecture import Architecture
from nasforge.randomness import isolated
from nasforge.space import Network, SearchSpace, Shape

SIZES = ("params_m", "macs_m")
"""The metrics that `network_size` returns."""


class _Flops(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Counts by torch's formulas, like its `FlopCounterMode`, but without counts for each module: in a third the time.

    Attributes:
        total: floating-point operations so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func._overloadpacket):
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


def network_size(network: Network, input_shape: Shape) -> dict[str, float]:
    """Return `params_m`, the trainable parameters in millions, and `macs_m`, the multiply-accumulates of convolutions
    and linear layers for one image in millions. Build the network without an auxiliary head, as the field does."""
    parameters = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    training = network.training
    counter = _Flops()
    with torch.no_grad(), counter:
        network.eval()(torch.zeros(1, *input_shape))
    network.train(training)
    return dict(zip(SIZES, (parameters / 1e6, counter.total / 2e6), strict=True))


def architecture_size(
    space: SearchSpace,
    architecture: Architecture,
    input_shape: Shape,
    classes: int,
    *,
    channels: int | None = None,
    cells: int | None = None,
) -> dict[str, float]:
    """Return the `network_size` of an architecture at the given width and depth."""
    with isolated(0):
        network = space.build(architecture, input_shape, classes, channels=channels, cells=cells)
    return network_size(network, input_shape)
