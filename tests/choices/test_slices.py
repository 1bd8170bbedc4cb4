"""Supernets of the CPU compute a chosen network with its part of the weights, and learn as that network alone does."""

import copy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from nasforge import ChoiceSpace, kernel, width
from nasforge.registry.entry_points import build

sys.path.insert(0, str(Path(__file__).parent))
from small_net import OfSmallNet

SHAPE, CLASSES = (3, 9, 8), 5
SPACES = {
    "small_net": OfSmallNet(),
    "mobilenet": build(
        "space",
        {"name": "mobilenet", "widths": [4, 4, 6, 8, 12, 16, 20, 24, 48], "multipliers": [0.5, 1.0, 2.0],
         "depths": [1, 2]},
    ),
}  # fmt: skip


class Padded(nn.Module):
    """Kernels whose padding is written in other ways, and strides and dilations."""

    def __init__(self, in_channels, classes, padding, **options):
        super().__init__()
        size, channels = kernel(1, 3, 5, name="kernel"), width(2, 6, 4, name="width")
        self.conv = nn.Conv2d(in_channels, channels, size, padding=padding or options["dilation"] * (size // 2),
                              **options)  # fmt: skip
        self.grouped = nn.Conv2d(4, 8, size, padding=size // 2, groups=2)
        self.between, self.head = nn.Conv2d(channels, 4, 1), nn.Linear(8, classes)

    def forward(self, images):
        return self.head(self.grouped(self.between(self.conv(images))).relu().mean((2, 3)))


class OfPadded(ChoiceSpace):
    name = "padded"

    def __init__(self, padding=None, **options):
        self.arguments = {"padding": padding, **options}

    def module(self, input_shape, classes):
        return Padded(input_shape[0], classes, **self.arguments)


def trained(module, images, *mix):
    """The logits of a module in training mode, before it takes a step."""
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    logits = module.train()(images, *mix)
    cross_entropy(logits, torch.arange(len(images)) % CLASSES).backward()
    optimizer.step()
    return logits.detach()


def check(space, count=6):
    """Networks with their shares of a supernet's weights: equal logits, and weights after a step, also with masks."""
    torch.manual_seed(0)
    untrained = space.supernet(SHAPE, CLASSES).double()
    images, rng = torch.randn(7, *SHAPE, dtype=torch.double), np.random.default_rng(0)
    for architecture in [space.largest, space.smallest, *(space.sample(rng) for _ in range(count))]:
        network = space.build(architecture, SHAPE, CLASSES).double()
        chosen = space.chosen(architecture)
        network.module.load_state_dict(untrained.weights_for(network.module, chosen))
        expected = trained(network, images)
        mix = {name: rows.double() for name, rows in space.mix_of(architecture).items()}
        masked_mix = {name: rows.clone().requires_grad_() for name, rows in mix.items()}  # a gradient needs the masks
        for each in (mix, masked_mix):
            supernet = copy.deepcopy(untrained)
            torch.testing.assert_close(trained(supernet, images, each), expected)
            inherited = supernet.weights_for(network.module, chosen)
            torch.testing.assert_close(inherited, dict(network.module.state_dict()))


@pytest.mark.parametrize("name", SPACES)
def test_networks_learn_in_a_supernet_as_they_learn_alone(name):
    check(SPACES[name])


@pytest.mark.parametrize(
    "options",
    [
        {"padding": "same", "dilation": 1},
        {"dilation": 2, "stride": 2},
        {"dilation": 1, "stride": 2, "bias": False},
        {"dilation": 1, "padding_mode": "reflect"},
    ],
)
def test_kernels_keep_their_padding(options):
    check(OfPadded(**options))
