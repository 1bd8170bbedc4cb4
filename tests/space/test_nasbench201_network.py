"""The evaluation network of space=nasbench201: the published counts, image sizes, drop-path."""

import pytest
import torch
from torch import nn

from nasforge import OptionError, network_size
from nasforge_plugins.space.nasbench201 import NASBench201
from nasforge_plugins.space.nasbench201.skeleton import ResidualBlock

CIFAR = (3, 32, 32)
# notation; parameters with 10, 100 and 120 classes; multiply-accumulates on 32x32
PUBLISHED = {
    "all none": ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", 73_306, 79_156, 80_456, 7_783_040),
    "all skip": ("all_skip", 73_306, 79_156, 80_456, 7_783_040),
    "all avg": (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|avg_pool_3x3~0|avg_pool_3x3~1|avg_pool_3x3~2|",
        *(73_306, 79_156, 80_456, 7_783_040),
    ),
    "all conv1x1": (
        "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_1x1~2|",
        *(241_306, 247_156, 248_456, 31_376_000),
    ),
    "all conv3x3": ("all_conv_3x3", 1_531_546, 1_537_396, 1_538_696, 220_119_680),
    "README example": (
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
        *(802_426, 808_276, 809_576, 113_951_360),
    ),
    "ResNet": ("resnet", 559_386, 565_236, 566_536, 78_561_920),
    "13714": (
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|",
        *(1_073_466, 1_079_316, 1_080_616, 153_272_960),
    ),
    "3558": (
        "|skip_connect~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|nor_conv_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|",
        *(858_426, 864_276, 865_576, 121_815_680),
    ),
}


@pytest.fixture(scope="module")
def space():
    return NASBench201()


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(space, name):
    text, *counts, macs = PUBLISHED[name]
    one = space.read(text)
    with torch.device("meta"):
        for classes, count in zip((10, 100, 120), counts, strict=True):
            assert parameters(space.build(one, (3, 16, 16) if classes == 120 else CIFAR, classes)) == count
        size = network_size(space.build(one, CIFAR, 10), CIFAR)
    assert size == {"params_m": counts[0] / 1e6, "macs_m": macs / 1e6}


def test_the_skeleton_is_the_published_one(space):
    network = space.build(space.read("resnet"), CIFAR, 10)
    layers = network.skeleton.layers
    assert [at for at, layer in enumerate(layers) if isinstance(layer, ResidualBlock)] == [5, 11]
    assert len(layers) == 17
    assert all(layer.affine for layer in network.modules() if isinstance(layer, nn.BatchNorm2d))
    maps = []
    for layer in layers:
        layer.register_forward_hook(lambda _layer, _inputs, out: maps.append(tuple(out.shape[1:])))
    network(torch.randn(2, *CIFAR))
    assert maps == [(16, 32, 32)] * 5 + [(32, 16, 16)] * 6 + [(64, 8, 8)] * 6


def test_nodes_are_sums(space):
    """By hand: 1 = pool(0), 2 = 0 + 1, 3 = 0 + pool(2)."""
    one = space.read("|avg_pool_3x3~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|none~1|avg_pool_3x3~2|")
    cell = space.build(one, CIFAR, 10, channels=3, cells=1).skeleton.layers[0]
    x = torch.randn(2, 3, 7, 9)
    ones = nn.functional.avg_pool2d(torch.ones_like(x), 3, 1, 1)  # pixels in each window, of nine
    pool = lambda map: nn.functional.avg_pool2d(map, 3, 1, 1) / ones  # noqa: E731
    torch.testing.assert_close(cell(x, 0.0), x + pool(x + pool(x)))


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 5, 4), (3, 7, 9), (4, 28, 28), (1, 6, 31)])
@pytest.mark.parametrize("cell", ["resnet", "best_cifar10", "all_skip"])
def test_any_images(space, cell, shape):
    network = space.build(space.read(cell), shape, 5, channels=3, cells=1)
    logits = network(torch.randn(2, *shape))
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_odd_sides_are_rounded_up_and_average_the_pixels_there_are():
    block = ResidualBlock(2, 4)
    assert block(torch.randn(2, 2, 5, 8)).shape == (2, 4, 3, 4)
    assert torch.equal(block.shortcut[0](torch.ones(1, 1, 5, 3)), torch.ones(1, 1, 3, 2))


def test_even_a_cell_of_nothing_trains_all_its_network(space):
    """Data-parallel training waits for the gradient of every parameter."""
    network = space.build(space.read(PUBLISHED["all none"][0]), (3, 8, 8), 5, channels=2, cells=1)
    network(torch.randn(2, 3, 8, 8)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_there_is_no_auxiliary_head(space):
    network = space.build(space.read("resnet"), CIFAR, 10, channels=2, cells=1, auxiliary=True)
    assert network.with_auxiliary(torch.randn(2, *CIFAR))[1] is None
    assert parameters(network) == parameters(space.build(space.read("resnet"), CIFAR, 10, channels=2, cells=1))


def test_drop_path_spares_skips_and_nothing(space, monkeypatch):
    dropped = []
    module = "nasforge_plugins.space.nasbench201.network"
    monkeypatch.setattr(f"{module}.drop_path", lambda x, p, training: dropped.append((p, training)) or x)
    one = space.read("|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|avg_pool_3x3~1|none~2|")
    network = space.build(one, (3, 8, 8), 10, channels=2, cells=2)
    network.drop_path = 0.3
    network(torch.randn(2, 3, 8, 8))
    assert dropped == [(0.3, True)] * 3 * 6


def test_drop_path_acts_in_training_only(space):
    torch.manual_seed(0)
    network = space.build(space.read("all_conv_3x3"), (3, 8, 8), 10, channels=2, cells=1).eval()
    x = torch.randn(8, 3, 8, 8)
    before = network(x)
    network.drop_path = 0.5
    assert torch.equal(network(x), before)
    network.train()
    assert not torch.equal(network(x), network(x))


def test_refusals(space):
    resnet = space.read("resnet")
    with pytest.raises(OptionError, match=r"images of 3x8 pixels are too small for space 'nasbench201'.*at least 4"):
        space.build(resnet, (3, 3, 8), 10)
    with pytest.raises(OptionError, match=r"space\.cells=0 must be at least 1"):
        space.build(resnet, CIFAR, 10, cells=0)
