"""Trained tensors that networks hand on: what fits is copied to the bit, what does not fit is left."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from nasforge import RunError, WeightStore, batch_statistics, entries
from nasforge.registry.entry_points import build

FACTS = {"space": "tsenas", "channels": "4"}


@pytest.fixture(scope="module")
def space():
    return build("space", {"name": "tsenas", "max_cells": 6, "reductions": 1, "channels": 4})


def network(space, architecture, seed=0, channels=4):
    torch.manual_seed(seed)
    return space.build(architecture, (1, 8, 8), 10, channels=channels)


def learned(space, *trained):
    """The store of all tensors of networks, the first network first."""
    tensors = {}
    for architecture, state in trained:
        for name, entry in entries(space, architecture, state).items():
            tensors.setdefault(entry, state[name])
    return WeightStore(tensors, FACTS)


def test_an_equal_network_inherits_everything_and_computes_the_same(space):
    one = space.read("0 | 0 0 1 | 0 1 2 | 1 2 5 | 0 3 3")
    teacher, heir = network(space, one, 1), network(space, one, 2)
    store = learned(space, (one, teacher.state_dict()))
    assert store.hand_on(space, one, heir) == 1.0
    images = torch.randn(4, 1, 8, 8)
    with batch_statistics(teacher), batch_statistics(heir), torch.no_grad():
        assert torch.equal(teacher(images), heir(images))


def test_running_statistics_stay_with_the_position_where_they_were_gathered(space):
    one = space.read("0 | 0 0 1 | 0 1 2 | 1 2 3 | 0 3 3")
    teacher, heir = network(space, one, 1), network(space, one, 2)
    teacher.train()(torch.randn(8, 1, 8, 8))
    learned(space, (one, teacher.state_dict())).hand_on(space, one, heir)
    assert torch.equal(heir.stem[1].running_mean, torch.zeros(4))


def test_a_cell_hands_on_its_weights_to_another_position_but_not_to_another_width(space):
    one, other = space.read("0 | 0 0 1 | 0 1 2 | 1 2 2 | 0 3 2"), space.read("0 | 0 0 2 | 0 1 1 | 1 2 2 | 0 3 2")
    teacher = network(space, one, 1)
    store = learned(space, (one, teacher.state_dict()))
    heir, wide = network(space, other, 2), network(space, other, 2, channels=8)
    assert store.hand_on(space, other, heir) > 0.9
    common = store.tensors.keys() & entries(space, other, wide.state_dict()).values()
    assert common == {"classifier.bias 10"}  # no cell's
    ours = {k.removeprefix("cells.2."): v for k, v in heir.state_dict().items() if k.startswith("cells.2.operations")}
    theirs = {k.removeprefix("cells.1."): v for k, v in teacher.state_dict().items()}
    shared = [name for name in ours if space.weight_key(other, f"cells.2.{name}")]
    assert shared
    assert all(torch.equal(ours[name], theirs[name]) for name in shared)


def test_the_share_counts_what_was_copied(space):
    one = space.read("0 | 0 0 1 | 0 1 2 | 1 2 2 | 0 3 2")
    other = space.read("0 | 0 0 1 | 0 1 2 | 1 2 2 | 0 3 3")
    store = learned(space, (one, network(space, one, 1).state_dict()))
    heir = network(space, other, 2)
    before = {name: tensor.clone() for name, tensor in heir.state_dict().items()}
    share = store.hand_on(space, other, heir)
    wanted = entries(space, other, before)
    assert share == sum(entry in store.tensors for entry in wanted.values()) / len(wanted)
    left = [name for name in wanted if torch.equal(before[name], heir.state_dict()[name])]
    # Norms begin with ones and zeros in every network: only what is drawn tells copied from kept.
    drawn = [name for name in wanted if before[name].ndim == 4]
    assert {name for name in drawn if name in left} == {name for name in drawn if wanted[name] not in store.tensors}


def test_it_comes_back_from_disk(tmp_path, space):
    one = space.read("0 | 0 0 1 | 0 1 2 | 1 2 5 | 0 3 3")
    store = learned(space, (one, network(space, one).state_dict()))
    store.save(tmp_path / "store.safetensors")
    again = WeightStore.read(tmp_path / "store.safetensors", FACTS)
    assert again.facts == store.facts
    store.save(tmp_path / "twin.safetensors")
    assert (tmp_path / "twin.safetensors").read_bytes() == (tmp_path / "store.safetensors").read_bytes()
    assert again.tensors.keys() == store.tensors.keys()
    assert all(torch.equal(again.tensors[entry], tensor) for entry, tensor in store.tensors.items())


def test_a_store_of_something_else_is_refused_with_what_it_holds(tmp_path):
    path = tmp_path / "store.safetensors"
    WeightStore({"1/x 3": torch.zeros(3)}, {"space": "tsenas", "channels": "16"}).save(path)
    with pytest.raises(RunError, match=r"holds .*channels 16.*; this search needs channels 4$"):
        WeightStore.read(path, FACTS)


def test_a_store_of_another_version_is_refused(tmp_path):
    path = tmp_path / "store.safetensors"
    told = json.dumps({"version": "0", **FACTS})
    save_file({"1/x 3": torch.zeros(3)}, path, metadata={"nasforge weight store": told})
    with pytest.raises(RunError, match=r"holds .*version 0; .* needs version 1"):
        WeightStore.read(path, FACTS)


@pytest.mark.parametrize("content", [None, b"no safetensors at all", json.dumps({}).encode()])
def test_what_is_no_store_is_refused(tmp_path, content):
    path = tmp_path / "store.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError, match="cannot be read as a weight store"):
        WeightStore.read(path, FACTS)


def test_plain_weights_are_no_store(tmp_path):
    save_file({"x": torch.zeros(3)}, tmp_path / "weights.safetensors")
    with pytest.raises(RunError, match="no facts: it is no weight store"):
        WeightStore.read(tmp_path / "weights.safetensors", FACTS)


def test_the_cover_holds_every_known_cell_at_every_width_that_random_chains_have(space):
    store = learned(space, *((chain, network(space, chain).state_dict()) for chain in space.cover()))
    rng = np.random.default_rng(0)
    for _ in range(60):
        one = space.sample(rng)
        wanted = {e for n, e in entries(space, one, network(space, one).state_dict()).items() if ".operations." in n}
        assert wanted <= store.tensors.keys()
