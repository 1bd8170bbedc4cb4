"""space=mobilenet: published networks, counted as torchvision counts them, and the contract."""

import pytest
import torch
import torchvision

from nasforge import OptionError, network_size
from nasforge.registry.entry_points import build
from nasforge.testing import SpaceContract

MNASNET = [32, 16, 24, 40, 80, 96, 192, 320, 1280]
PUBLISHED = {
    "mobilenet_v2": ({}, torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1),
    "mnasnet_b1": ({"widths": MNASNET}, torchvision.models.MNASNet1_0_Weights.IMAGENET1K_V1),
}


class TestMobileNetContract(SpaceContract):
    @pytest.fixture
    def space(self):
        few = {"depths": [1, 2], "kernels": [3, 5], "expansions": [2], "multipliers": [0.5, 1.0]}
        return build("space", {"name": "mobilenet", "widths": [8, 8, 8, 8, 16, 16, 16, 16, 16], **few})


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_have_torchvisions_parameters_and_operations(name):
    options, weights = PUBLISHED[name]
    space = build("space", {"name": "mobilenet", **options})
    with torch.device("meta"):
        network = space.build(space.presets[name], (3, 224, 224), 1000)
    assert sum(parameter.numel() for parameter in network.parameters()) == weights.meta["num_params"]
    size = network_size(network.to_empty(device="cpu"), (3, 224, 224))
    assert round(size["macs_m"] / 1e3, 3) == weights.meta["_ops"]


def test_a_smaller_multiplier_keeps_the_last_convolution():
    space = build("space", {"name": "mobilenet", "multipliers": [0.5, 1.0]})
    genes = dict(space.presets["mobilenet_v2"].genes)
    half = space.validate(type(space.presets["mobilenet_v2"]).of("mobilenet", {**genes, "width_in_quarters": 2}))
    network = space.build(half, (3, 32, 32), 1000)
    expected = torchvision.models.mobilenet_v2(width_mult=0.5)
    counts = [sum(parameter.numel() for parameter in each.parameters()) for each in (network, expected)]
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"multipliers": [0.3]}, "space.multipliers"),
        ({"multipliers": [1.0, 1.0]}, r"width\(4, 4\) must have at least two different whole numbers"),
        ({"widths": [8] * 8}, "space.widths"),
        ({"depths": [3, 2]}, r"space.depths=\[3, 2\] must be the smallest and the largest depth of a stage"),
        ({"kernels": [3, 4]}, "4 has no center"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(OptionError, match=message):
        _ = build("space", {"name": "mobilenet", **options}).decisions


def test_options_of_a_single_value_are_no_decisions():
    few = {"multipliers": [1.0], "depths": [2, 2], "kernels": [5], "expansions": [3, 6], "gates": False}
    space = build("space", {"name": "mobilenet", **few})
    assert {decision.name.rpartition(".")[2] for decision in space.decisions} == {"expansion"}
    assert space.size == 2**11
    assert space.presets == {}
