"""The 1x1 convolution that avoids a wrong kernel: it computes what the library computes, and every network uses it."""

import numpy as np
import pytest
import torch
from torch import nn

from nasforge import OPERATIONS, NetworkModule, PointwiseConv2d, WeightSharing, build, operation
from nasforge.networks.convolutions import layout_of
from nasforge.registry.entry_points import registry


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("stride", "groups", "side"), [(1, 1, 4), (2, 1, 7), (2, 2, 8), (3, 1, 7)])
def test_pointwise_is_the_librarys_function(stride, groups, side, layout):
    own, theirs = PointwiseConv2d(4, 6, stride, groups), nn.Conv2d(4, 6, 1, stride, groups=groups, bias=False)
    theirs.load_state_dict(own.state_dict())
    x = torch.randn(3, 4, side, side).double().contiguous(memory_format=layout).requires_grad_()
    found, expected = own.double()(x), theirs.double()(x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(out.sin().sum(), x)[0] for out in (found, expected)))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", OPERATIONS)
def test_no_operation_has_a_strided_1x1_of_the_librarys(name, stride):
    assert layout_of(operation(name, 4, stride)) == torch.channels_last


@pytest.mark.parametrize("name", registry("space"))
def test_no_network_and_no_supernet_has_a_strided_1x1_of_the_librarys(name):
    space = build("space", {"name": name})
    rng = np.random.default_rng(0)
    for architecture in [*space.presets.values(), *(space.sample(rng) for _ in range(5))]:
        network = space.build(architecture, (3, 16, 16), 4, channels=4, cells=3)
        assert layout_of(network) == torch.channels_last, architecture
    if isinstance(space, WeightSharing):
        assert layout_of(space.supernet((3, 16, 16), 4, channels=8, cells=3)) == torch.channels_last


def test_a_network_with_a_strided_1x1_of_the_librarys_trains_with_channels_first():
    guests = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 1, stride=2))
    sound = nn.Sequential(nn.Conv2d(3, 4, 3), PointwiseConv2d(4, 8, stride=2))
    options = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0, "clip": 5.0}
    for network, is_last in ((guests, False), (sound, True)):
        maps = NetworkModule(network, **options).network[0](torch.randn(2, 3, 8, 8))
        assert maps.is_contiguous(memory_format=torch.channels_last) is is_last
