"""Space resnet: published sizes, names, the contract, and a ResNet beside a found network in one table."""

import pytest
import torch

from nasforge import ArchitectureError, OptionError
from nasforge.registry.entry_points import build
from nasforge.testing import SpaceContract

SPACE = build("space", {"name": "resnet"})


class TestResNetContract(SpaceContract):
    @pytest.fixture
    def space(self):
        return SPACE


@pytest.mark.parametrize(
    ("name", "classes", "params_m"),
    [("RESNET18", 10, 11.17), ("RESNET34", 10, 21.28), ("RESNET50", 10, 23.52), ("RESNET18", 100, 11.22)],
)
def test_parameters_are_those_that_are_reported_on_cifar(name, classes, params_m):
    with torch.device("meta"):
        network = SPACE.build(SPACE.presets[name], (3, 32, 32), classes)
    assert round(sum(parameter.numel() for parameter in network.parameters()) / 1e6, 2) == params_m


def test_the_stem_keeps_the_resolution():
    with torch.device("meta"):
        network = SPACE.build(SPACE.presets["RESNET18"], (3, 32, 32), 10)
        images = torch.empty(1, 3, 32, 32)
        stem = network.network.maxpool(network.network.conv1(images))
        last = network.network.layer4(network.network.layer3(network.network.layer2(network.network.layer1(stem))))
    assert stem.shape == (1, 64, 32, 32)
    assert last.shape == (1, 512, 4, 4)


@pytest.mark.parametrize("text", ["RESNET34", "ResNet-34", "resnet34", "ResNet34"])
def test_its_usual_names_are_read(text):
    assert SPACE.read(text) == SPACE.presets["RESNET34"]


def test_another_depth_is_refused():
    with pytest.raises(ArchitectureError, match=r"18, 34 or 50, not \{'depth': 20\}"):
        SPACE.read("ResNet-20")


def test_there_is_no_auxiliary_head():
    with pytest.raises(OptionError, match="no auxiliary head"):
        SPACE.build(SPACE.presets["RESNET18"], (3, 8, 8), 10, auxiliary=True)
