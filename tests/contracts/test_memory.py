"""What cannot fit into memory is refused before a run begins, with the figures; what can be is never refused."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from nasforge import DataModule, ImageSet, OptionError, PlannedNetwork, memory
from nasforge.memory import check_memory
from nasforge.registry.entry_points import build

SHAPE = (3, 16, 16)


class Few(DataModule):
    name, class_names, normalization = "few", ("a", "b"), ((0.5,) * 3, (0.5,) * 3)

    @property
    def train(self):
        return ImageSet.of(torch.zeros(96, *SHAPE, dtype=torch.uint8), torch.arange(96) % 2)

    test = train


@pytest.fixture(scope="module")
def data():
    return Few(batch_size=32, workers=0).for_search(0)


@pytest.fixture(scope="module")
def space():
    return build("space", {"name": "darts"})


def network(data, **changes):
    options = {"what": "it", "lower": "channels", "batch_size": 32, **changes}
    return PlannedNetwork.any_architecture(data, {"channels": 8, "cells": 3}, **options)


def supernet(data):
    return PlannedNetwork.supernet(lambda space: space.supernet(data.input_shape, data.classes), data)


@pytest.mark.parametrize("planned", [network, supernet])
def test_what_a_batch_leaves_is_counted_as_a_real_pass_leaves_it(planned, data, space):
    planned, kept = planned(data), {}
    module = planned.build(space)

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    images = torch.zeros(32, *SHAPE)
    own = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        mixed = hasattr(module, "alpha_shapes")
        module(images, space.mix(dict(map(zeros, module.alpha_shapes.items())))) if mixed else module(images)
    real = sum(size for place, size in kept.items() if place not in own)
    counted = memory._kept(memory._on_meta(planned, space), space, SHAPE, 32)
    assert counted == pytest.approx(real, rel=0.05)


def zeros(cell):
    return cell[0], torch.zeros(cell[1])


def test_it_leaves_the_generators_and_the_space_as_they_were(data, space):
    torch.manual_seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), dict(vars(space))
    check_memory(supernet(data), space, "cpu")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1].tolist(), dict(vars(space))) == before[1:]


def test_the_maps_of_a_batch_count_and_devices_share_it(data, space, monkeypatch):
    planned = network(data)
    module = memory._on_meta(planned, space)
    weights, maps = 12 * sum(p.numel() for p in module.parameters()), memory._kept(module, space, SHAPE, 32)
    monkeypatch.setattr(memory, "memory_of", lambda _: weights + maps)
    check_memory(planned, space, "cpu")
    monkeypatch.setattr(memory, "memory_of", lambda _: weights + maps - 1)
    with pytest.raises(
        OptionError, match=r"it does not fit: .* a batch of 32 images of 16 x 16 pixels saves .*; lower channels"
    ):
        check_memory(planned, space, "cpu")
    check_memory(planned, space, "cuda", ranks=2)
    check_memory(planned, space, "cpu", half=True)
    with pytest.raises(OptionError, match="each of 100,000"):
        check_memory(network(data, copies=100_000, batch_size=0), space, "cpu")


def test_a_moving_average_is_one_more_copy_on_any_device(data, space, monkeypatch):
    planned = network(data, averaged=True)
    module = memory._on_meta(planned, space)
    weights, maps = 16 * sum(p.numel() for p in module.parameters()), memory._kept(module, space, SHAPE, 32)
    for device in ("cpu", "cuda"):
        monkeypatch.setattr(memory, "memory_of", lambda _: weights + maps)
        check_memory(planned, space, device)
        monkeypatch.setattr(memory, "memory_of", lambda _: weights + maps - 1)
        with pytest.raises(OptionError, match="it does not fit"):
            check_memory(planned, space, device)


def test_a_guest_that_asks_its_tensors_for_numbers_is_built_all_the_same(data, space):
    planned = PlannedNetwork(
        what="it", lower="nothing", shape=SHAPE, build=lambda _: torch.nn.Linear(int(torch.ones(1).item()), 10**9)
    )
    check_memory(planned, space, "cpu")


def test_what_a_space_refuses_is_said_of_what_is_required_alone(data, space):
    narrow = {"what": "it", "lower": "channels", "shape": (3, 2, 2)}
    with pytest.raises(OptionError, match="images of 2x2 pixels are too small"):
        check_memory(network(data, **narrow, required=True), space, "cpu")
    check_memory(network(data, **narrow), space, "cpu")


WIDE = 65_536
SEARCH = ["strategy=random_search", "budget.evaluations=2", "retrain.seeds=0"]


@pytest.mark.parametrize(
    ("words", "what", "lower"),
    [
        ([f"retrain.channels={WIDE}"], "the network to retrain", "retrain.channels"),
        ([f"space.channels={WIDE}"], "the supernet", "space.channels"),
        ([f"strategy.supernet.channels={WIDE}"], "the supernet", "strategy.supernet.channels"),
        (["strategy=darts", f"strategy.supernet.channels={WIDE}"], "the supernet", "strategy.supernet.channels"),
        ([f"space.evaluation_channels={WIDE}"], "the network at full size", "space.evaluation_channels"),
        (
            ["strategy=medarts", f"strategy.stages.0.channels={WIDE}"],
            "stage 'init'",
            "stage's channels",
        ),
        (
            ["strategy=medarts", f"strategy.evaluation_channels={WIDE}"],
            "the network whose",
            "strategy.",
        ),
        ([*SEARCH, f"estimator.training.channels={WIDE}"], "a candidate", "estimator.training.channels"),
        ([*SEARCH, "estimator=zero_cost", f"estimator.zero_cost.ntk_channels={WIDE}"], "a candidate", "ntk_channels"),
        ([*SEARCH, "estimator=cascade", f"estimator.cascade.then.channels={WIDE}"], "a candidate", "training.channels"),
        (
            ["strategy=ntk_ga", "space=nasbench201", f"strategy.tournament.channels={WIDE}"],
            "the supernet of a tournament",
            "strategy.tournament.channels",
        ),
    ],
)
def test_every_network_of_a_run_is_counted_before_it_begins(mistake, few_images, words, what, lower):
    said = mistake("data=arrays", f"data.path={few_images}", *words)
    assert what in said.split(" does not fit")[0]
    assert re.search(r"does not fit: [\d,.]+ million parameters.* at least .* GiB.* GiB; lower ", said)
    assert lower in said.split("; lower ")[1]
    assert not [path for path in Path("runs").rglob("*") if path.is_file()]


def test_retraining_alone_is_counted_too(mistake):
    assert "the network to retrain" in mistake("retrain", "architecture=DARTS_V2", f"retrain.channels={WIDE}")
