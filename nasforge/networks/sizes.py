"""The size of a network: parameters and multiply-accumulates, as the field counts them."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from nasforge.architecture import Architecture
from nasforge.randomness import isolated
from nasforge.space import Network, SearchSpace, Shape


def network_size(network: Network, input_shape: Shape) -> dict[str, float]:
    """Return `params_m`, the trainable parameters in millions, and `macs_m`, the multiply-accumulates of convolutions
    and linear layers for one image in millions. Build the network without an auxiliary head, as the field does."""
    parameters = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    training = network.training
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network.eval()(torch.zeros(1, *input_shape))
    network.train(training)
    return {"params_m": parameters / 1e6, "macs_m": counter.get_total_flops() / 2e6}


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
