"""The evaluation network: the published parameter and operation counts, auxiliary head, drop-path, image sizes."""

import re
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from nasforge import FactorizedReduce, OptionError
from nasforge_plugins.space.darts import DARTS

CIFAR, IMAGENET = (3, 32, 32), (3, 224, 224)
# C36 L20 with 10 classes; with auxiliary head; with 100 classes; C48 L14 on ImageNet
PUBLISHED = {
    "DARTS_V1": (3_169_414, 3_645_840, 3_221_344, 4_510_432),
    "DARTS_V2": (3_349_342, 3_825_768, 3_401_272, 4_718_752),
    "PC_DARTS_cifar": (3_634_678, 4_111_104, 3_686_608, 5_270_560),
    "PC_DARTS_image": (3_721_510, 4_197_936, 3_773_440, 5_342_464),
    "PDARTS": (3_433_798, 3_910_224, 3_485_728, 4_944_352),
    "NASNet_A": (3_830_950, 4_288_944, 3_895_840, 5_564_320),
    "AmoebaNet_A": (3_145_078, 3_603_072, 3_184_048, 4_627_360),
    "CARS_H": (3_348_694, 3_825_120, 3_400_624, 4_819_456),
    "EGNAS_c10_A": (3_603_358, 4_079_784, 3_655_288, 5_138_848),
    "EGNAS_c10_B": (3_705_742, 4_182_168, 3_757_672, 5_254_624),
    "EGNAS_im_A": (3_814_822, 4_291_248, 3_866_752, 5_423_872),
    "EGNAS_im_B": (3_054_718, 3_531_144, 3_106_648, 4_435_264),
    "REPRO_c10": (2_583_838, None, None, None),
    "REPRO_c100": (2_341_918, None, 2_393_848, None),
}
STRATEGIES = Path(__file__).parents[2] / "docs/strategies.md"
COUNTED = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| (\d+) \| (\d+) \|", STRATEGIES.read_text(), re.MULTILINE)
SETTINGS = [
    (CIFAR, 10, {}),
    (CIFAR, 10, {"auxiliary": True}),
    (CIFAR, 100, {}),
    (IMAGENET, 1000, {"channels": 48, "cells": 14}),
]


@pytest.fixture(scope="module")
def space():
    return DARTS()


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def operations(network, images):
    """Multiply-accumulates of convolutions and linear layers; and two for each value of BatchNorm, one for each of a
    ReLU and for each that a pool reads."""
    totals = [0, 0]

    def count(layer, inputs, out):
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            positions = out.numel() // out.shape[1] if isinstance(layer, nn.Conv2d) else out.shape[0]
            totals[0] += layer.weight.numel() * positions
        elif isinstance(layer, (nn.BatchNorm2d, nn.ReLU)):
            totals[1] += out.numel() * (2 if isinstance(layer, nn.BatchNorm2d) else 1)
        elif isinstance(layer, (nn.MaxPool2d, nn.AvgPool2d)):
            totals[1] += inputs[0].numel()

    for layer in network.modules():
        layer.register_forward_hook(count)
    network.eval()(images)
    return totals


@cache
def built(name, shape, classes, **options):
    """The network of a preset, without memory for its weights."""
    with torch.device("meta"):
        return DARTS().build(DARTS().read(name), shape, classes, **options)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parameter_counts(name):
    for expected, (shape, classes, options) in zip(PUBLISHED[name], SETTINGS, strict=True):
        if expected is not None:
            assert parameters(built(name, shape, classes, **options)) == expected


def test_every_preset_has_a_row_or_is_the_variant(space):
    assert set(space.presets) - set(PUBLISHED) == {"AmoebaNet_A_google"}


@pytest.mark.parametrize(
    ("name", "channels", "cells", "params", "macs"),
    [
        ("DARTS_V1", 4, 4, 8_718, 1_743_488),
        ("DARTS_V1", 8, 6, 37_186, 9_049_344),
        ("DARTS_V1", 16, 8, 232_890, 41_355_776),
        ("DARTS_V1", 36, 20, 3_169_414, 500_987_520),
        ("DARTS_V2", 4, 4, 9_210, 1_822_336),
        ("DARTS_V2", 8, 6, 39_298, 9_514_240),
        ("DARTS_V2", 16, 8, 246_106, 43_444_736),
        ("DARTS_V2", 36, 20, 3_349_342, 528_359_040),
    ],
)
def test_published_operation_counts(space, name, channels, cells, params, macs):
    with torch.device("meta"):
        network = space.build(space.read(name), CIFAR, 10, channels=channels, cells=cells)
        assert parameters(network) == params
        assert operations(network, torch.empty(1, *CIFAR))[0] == macs


@pytest.mark.parametrize(("name", "params", "macs", "all_operations"), COUNTED, ids=[row[0] for row in COUNTED])
def test_the_documentation_counts_as_papers_do(name, params, macs, all_operations):
    shape, classes, options = SETTINGS[-1]
    network = built(name, shape, classes, **options)
    counts = operations(network, torch.empty(1, *shape, device="meta"))
    assert f"{parameters(network) / 1e6:.2f}" == params
    assert f"{counts[0] / 1e6:.0f}" == macs
    assert f"{sum(counts) / 1e6:.0f}" == all_operations


def test_the_counts_of_pc_darts_and_p_darts_are_the_published_ones():
    rows = {name: all_operations for name, *_, all_operations in COUNTED}
    assert [rows[name] for name in ("PC_DARTS_cifar", "PC_DARTS_image", "PDARTS")] == ["586", "597", "557"]


def test_imagenet_forward(space):
    with torch.device("meta"):
        network = space.build(space.read("DARTS_V2"), IMAGENET, 1000, channels=48, cells=14, auxiliary=True)
        logits, auxiliary = network.with_auxiliary(torch.empty(2, *IMAGENET))
    assert logits.shape == auxiliary.shape == (2, 1000)
    norms = [layer for layer in network.auxiliary.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 1  # the ImageNet head lacks the second one


@pytest.mark.parametrize("name", ["DARTS_V1", "NASNet_A", "AmoebaNet_A", "AmoebaNet_A_google", "CARS_H"])
@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 8, 8), (3, 7, 9), (1, 28, 28)])
def test_small_odd_and_grey_images(space, name, shape):
    network = space.build(space.read(name), shape, 5, channels=3, cells=4)
    assert network(torch.randn(2, *shape)).shape == (2, 5)


@pytest.mark.parametrize("cells", [1, 2, 3, 5])
def test_any_depth(space, cells):
    network = space.build(space.read("DARTS_V2"), (3, 8, 8), 10, channels=1, cells=cells)
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 10)


def test_auxiliary_head_is_there_from_seven_pixels_on(space):
    for side, there in ((32, True), (28, True), (25, True), (24, False), (8, False), (64, True)):
        network = space.build(space.read("DARTS_V1"), (3, side, side), 10, channels=2, cells=4, auxiliary=True)
        logits, auxiliary = network.with_auxiliary(torch.randn(2, 3, side, side))
        assert (auxiliary is not None) == there
        assert logits.shape == (2, 10)
        if there:
            assert auxiliary.shape == (2, 10)


def test_auxiliary_logits_are_none_unless_asked_for(space):
    network = space.build(space.read("DARTS_V1"), CIFAR, 10, channels=2, cells=4)
    assert network.with_auxiliary(torch.randn(2, *CIFAR))[1] is None


def test_no_norm_follows_pools_and_every_norm_is_affine(space):
    network = space.build(space.read("DARTS_V1"), CIFAR, 10, channels=4, cells=4)
    assert all(layer.affine for layer in network.modules() if isinstance(layer, nn.BatchNorm2d))
    assert any(isinstance(layer, nn.MaxPool2d) for cell in network.cells for layer in cell.operations)


def test_drop_path_spares_plain_identities_but_not_reducing_skips(space, monkeypatch):
    dropped = []
    module = "nasforge_plugins.space.darts.network"
    monkeypatch.setattr(f"{module}.drop_path", lambda x, p, training: dropped.append((p, training)) or x)
    pairs = [("skip_connect", 0), ("skip_connect", 1)] * 4
    cells = f"normal={pairs}, normal_concat=range(2, 6), reduce={pairs}, reduce_concat=[2, 3, 4, 5]"
    architecture = space.read(f"Genotype({cells})")
    network = space.build(architecture, (3, 8, 8), 10, channels=2, cells=4)
    network.drop_path = 0.3
    network(torch.randn(2, 3, 8, 8))
    reducing = sum(isinstance(op, FactorizedReduce) for cell in network.cells for op in cell.operations)
    assert dropped == [(0.3, True)] * reducing
    assert reducing == 16


def test_drop_path_acts_in_training_only(space):
    network = space.build(space.read("DARTS_V2"), (3, 8, 8), 10, channels=2, cells=3).eval()
    x = torch.randn(16, 3, 8, 8)
    before = network(x)
    network.drop_path = 0.5
    assert torch.equal(network(x), before)
    network.train()
    assert not torch.equal(network(x), network(x))


def test_refusals(space):
    v1 = space.read("DARTS_V1")
    with pytest.raises(OptionError, match=r"images of 3x8 pixels are too small for space 'darts'.*at least 4"):
        space.build(v1, (3, 3, 8), 10)
    with pytest.raises(OptionError, match=r"space\.channels=5 is odd: images of 128 pixels.*such as 6"):
        space.build(v1, (3, 128, 128), 10, channels=5)
    with pytest.raises(OptionError, match=r"space\.cells=0 must be at least 1"):
        space.build(v1, CIFAR, 10, cells=0)
