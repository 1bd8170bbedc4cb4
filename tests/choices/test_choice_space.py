"""A module with choices as a space: decisions, counts, and that a supernet computes what its networks compute."""

import copy
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nasforge import ArchitectureError
from nasforge.diagnosis.kernel_trials import LAYOUTS, TOLERANCE, worst_error
from nasforge.registry.entry_points import build
from nasforge.testing import SpaceContract

sys.path.insert(0, str(Path(__file__).parent))
from small_net import OfSmallNet, SmallNet, disturbed

SHAPE, CLASSES = (3, 8, 9), 5


class TestModuleSpaceContract(SpaceContract):
    @pytest.fixture
    def space(self):
        return build("space", {"name": "module", "arguments": {"channels": 4, "blocks": 2}})


@pytest.fixture(scope="module")
def space():
    return OfSmallNet()


def test_decisions_are_named_by_their_places(space):
    assert {decision.name: decision.options for decision in space.decisions} == {
        "channels": (4, 8, 6),
        "blocks": (0, 1, 2),
        "blocks.0": ("conv", "wide", "skip", "gate"),
        "blocks.0.wide.conv.kernel": (3, 5, 1),
        "blocks.1": ("conv", "wide", "skip", "gate"),
        "blocks.1.wide.conv.kernel": (3, 5, 1),
        "mlp.ratio": (2, 1, 3),
    }


def test_the_notation_shows_what_has_an_effect(space):
    genes = {"channels": 8, "blocks": 1, "blocks.0": "wide", "blocks.0.wide.conv.kernel": 5, "blocks.1": "gate",
             "blocks.1.wide.conv.kernel": 3, "mlp.ratio": 1}  # fmt: skip
    architecture = space.validate(type(space.sample(np.random.default_rng(0))).of("small_net", genes))
    assert str(architecture) == "channels=8 blocks=1 blocks.0=wide blocks.0.wide.conv.kernel=5 mlp.ratio=1"


def test_count_is_that_of_different_networks(space):
    vectors = itertools.product(*map(range, space.cardinalities))
    keys = {space.function_key(space.decode(np.array(vector))) for vector in vectors}
    assert space.size == len(keys) == 9 * (1 + 6 + 36)


def networks(space, count=12):
    rng = np.random.default_rng(3)
    return [space.sample(rng) for _ in range(count)]


@pytest.mark.parametrize("training", [False, True])
def test_a_network_with_the_supernets_weights_computes_the_same(space, training):
    supernet = disturbed(space.supernet(SHAPE, CLASSES)).train(training)
    images = torch.randn(6, *SHAPE).double()
    for architecture in networks(space):
        network = space.build(architecture, SHAPE, CLASSES).double().train(training)
        network.module.load_state_dict(supernet.weights_for(network.module, space.chosen(architecture)))
        mix = {group: rows.double() for group, rows in space.mix_of(architecture).items()}
        with torch.no_grad():
            expected, logits = network(images), supernet(images, mix)
        assert torch.allclose(logits, expected, rtol=1e-9, atol=1e-9), str(architecture)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_single_precision_agrees_with_double_precision(space, layout):
    torch.manual_seed(0)
    supernet = space.supernet(SHAPE, CLASSES)
    alphas = {group: torch.randn(shape, dtype=torch.double) for group, shape in supernet.alpha_shapes.items()}

    def compute(module, images):
        return module(images, {group: rows.to(images.dtype) for group, rows in space.mix(alphas).items()})

    for images in (torch.randn(6, *SHAPE), torch.randn(1, 3, 16, 16)):
        assert worst_error(copy.deepcopy(supernet), images, LAYOUTS[layout], compute) < TOLERANCE


def test_gradients_reach_what_a_network_uses_and_nothing_else(space):
    supernet = disturbed(space.supernet(SHAPE, CLASSES))
    images = torch.randn(6, *SHAPE).double()
    for architecture in networks(space, 6):
        network = space.build(architecture, SHAPE, CLASSES).double()
        chosen = space.chosen(architecture)
        network.module.load_state_dict(supernet.weights_for(network.module, chosen))
        supernet.zero_grad()
        supernet(images, {group: rows.double() for group, rows in space.mix_of(architecture).items()}).sum().backward()
        network(images).sum().backward()
        total = sum(parameter.grad.square().sum() for parameter in network.parameters() if parameter.grad is not None)
        shared = sum(parameter.grad.square().sum() for parameter in supernet.parameters() if parameter.grad is not None)
        assert torch.isclose(shared, total, rtol=1e-9), str(architecture)


def test_a_chosen_network_has_what_was_chosen_and_is_an_ordinary_module(space):
    architecture = space.decode(np.array([1, 2, 0, 0, 2, 0, 1]))
    assert str(architecture) == "channels=8 blocks=2 blocks.0=conv blocks.1=skip mlp.ratio=1"
    module = space.build(architecture, SHAPE, CLASSES).module
    assert type(module) is SmallNet
    by_hand = nn.ModuleDict(
        {
            "stem": nn.Conv2d(3, 8, 3),
            "conv": nn.Conv2d(8, 8, 3, bias=False),
            "norm": nn.BatchNorm2d(8),
            "depthwise": nn.Conv2d(8, 8, 3, groups=8),
            "layer_norm": nn.LayerNorm(8),
            "up": nn.Linear(8, 9),
            "down": nn.Linear(9, 8),
            "head": nn.Linear(8, CLASSES),
        }
    )
    sizes = sorted(tuple(parameter.shape) for parameter in module.parameters())
    assert sizes == sorted(tuple(parameter.shape) for parameter in by_hand.parameters())
    assert {type(part).__module__.partition(".")[0] for part in module.modules()} == {"torch", "small_net"}


def test_outside_of_a_search_the_module_is_its_largest_self():
    module = SmallNet()
    assert (module.head.in_features, module.mlp[0].out_features, len(module.blocks)) == (8, 25, 2)
    assert type(module.blocks[0]).__name__ == "Block"


def test_a_soft_mix_is_differentiable_in_every_decision(space):
    supernet = space.supernet(SHAPE, CLASSES)
    alphas = {group: torch.zeros(shape, requires_grad=True) for group, shape in supernet.alpha_shapes.items()}
    supernet(torch.randn(4, *SHAPE), space.mix(alphas)).square().sum().backward()
    assert all((alpha.grad.abs().sum(1) > 0).all() for alpha in alphas.values())


def test_genes_outside_of_the_options_are_refused(space):
    genes = dict(space.sample(np.random.default_rng(0)).genes)
    of = type(space.sample(np.random.default_rng(0))).of
    with pytest.raises(ArchitectureError, match="field 'channels' is 5; it must be one of 4, 8, 6"):
        space.validate(of("small_net", {**genes, "channels": 5}))
    with pytest.raises(ArchitectureError, match="has no decision 'more'"):
        space.validate(of("small_net", {**genes, "more": 1}))


def test_a_supernet_without_memory_has_the_tensors_of_one_with_memory():
    space = build("space", {"name": "module"})  # its widths become masks
    with torch.device("meta"):
        empty = space.supernet((1, 8, 8), 10)
    full = space.supernet((1, 8, 8), 10)
    assert {name: each.shape for name, each in empty.state_dict().items()} == {
        name: each.shape for name, each in full.state_dict().items()
    }
    assert all(each.is_meta for each in (*empty.parameters(), *empty.buffers()))
