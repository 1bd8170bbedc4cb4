"""Convolutions that go round slow and wrong kernels: the same function as the library's, and nowhere left out."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nasforge import OPERATIONS, DepthwiseConv2d, NetworkModule, PointwiseConv2d, WeightSharing, build, operation
from nasforge.networks.convolutions import layout_of
from nasforge.registry.entry_points import registry


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 1, 1), (5, 1, 2), (3, 2, 2), (5, 2, 1)])
def test_depthwise_gradients_are_the_librarys(kernel, stride, dilation, layout):
    conv = DepthwiseConv2d(6, kernel, stride, dilation).double()
    x = torch.randn(2, 6, 7, 7).double().contiguous(memory_format=layout).requires_grad_()
    expected = F.conv2d(x, conv.weight, None, stride, conv.padding, dilation, 6)
    out = conv(x)
    seed = torch.randn_like(out)
    torch.testing.assert_close(out, expected)
    for own, theirs in zip(
        torch.autograd.grad(out, (x, conv.weight), seed),
        torch.autograd.grad(expected, (x, conv.weight), seed),
        strict=True,
    ):
        torch.testing.assert_close(own, theirs, rtol=1e-10, atol=1e-10)


def test_depthwise_can_be_differentiated_twice_and_per_sample():
    conv = DepthwiseConv2d(2, 3).double()
    x = torch.randn(2, 2, 4, 4).double().requires_grad_()
    assert torch.autograd.gradgradcheck(conv, (x,))

    def loss(weight, image):
        return torch.func.functional_call(conv, {"weight": weight}, (image[None],)).square().sum()

    each = torch.func.vmap(torch.func.grad(loss), (None, 0))(conv.weight.detach(), x.detach())
    whole = torch.autograd.grad(conv(x).square().sum(), conv.weight)[0]
    torch.testing.assert_close(each.sum(0), whole)


def test_depthwise_works_under_autocast():
    conv = DepthwiseConv2d(4, 3)
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = conv(x)
    out.float().sum().backward()
    assert out.dtype == torch.bfloat16
    assert x.grad.dtype == conv.weight.grad.dtype == torch.float32


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
    for one in [*space.presets.values(), *(space.sample(rng) for _ in range(5))]:
        assert layout_of(space.build(one, (3, 16, 16), 4, channels=4, cells=3)) == torch.channels_last, one
    if isinstance(space, WeightSharing):
        assert layout_of(space.supernet((3, 16, 16), 4, channels=8, cells=3)) == torch.channels_last


def test_a_network_with_a_strided_1x1_of_the_librarys_trains_with_channels_first():
    guests = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 1, stride=2))
    sound = nn.Sequential(nn.Conv2d(3, 4, 3), PointwiseConv2d(4, 8, stride=2))
    options = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0, "clip": 5.0}
    for network, is_last in ((guests, False), (sound, True)):
        maps = NetworkModule(network, **options).network[0](torch.randn(2, 3, 8, 8))
        assert maps.is_contiguous(memory_format=torch.channels_last) is is_last
