"""Single-path one-shot search: which paths are drawn, what a step learns, and how candidates are scored."""

import json
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch.nn.functional import cross_entropy

from nasforge import Elastic, FitData, SGDOptions, SharedWeights, isolated, search
from nasforge.experiment.experiment import resume
from nasforge.registry.entry_points import build
from nasforge.testing.samples import samples, tiny_data
from nasforge_plugins.space.nasbench201 import NASBench201
from nasforge_plugins.strategy.single_path import SinglePaths, fair, sandwich, uniform

SPACES = {"nasbench201": {"channels": 4}, "darts": {"channels": 8, "cells": 3}}
SHAPE, CLASSES = (3, 8, 8), 2


@pytest.fixture(params=SPACES)
def space(request):
    return build("space", {"name": request.param, **SPACES[request.param]})


def module_of(space, sampling):
    with isolated(0):
        module = SinglePaths(space.supernet(SHAPE, CLASSES), space, sampling=sampling, **vars(SGDOptions()))
    halves = tiny_data(SHAPE, CLASSES).halves()
    module.bind("supernet", 0, FitData(halves.train, halves.validation, halves.preprocessing, 16))
    module.on_train_epoch_start()
    return module


def step(module, images, labels):
    module.on_train_batch_start((images, labels), 0)
    return module.training_step((images, labels), 0)


def batch(count=8):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, *SHAPE, generator=generator), torch.arange(count) % CLASSES


def test_uniform_paths_are_uniform_over_every_decision(space):
    rng = np.random.default_rng(0)
    vectors = np.array([space.encode(space.derive(uniform(space, rng)[0])) for _ in range(2000)])
    for column, choices in zip(vectors.T, space.cardinalities, strict=True):
        counts = np.bincount(column, minlength=choices)
        assert choices == 1 or chisquare(counts).pvalue > 1e-4, counts


def test_fair_paths_take_every_column_of_each_row_once(space):
    paths = fair(space, np.random.default_rng(0))
    for cell in paths[0]:
        rows = torch.stack([path[cell] for path in paths])
        assert (rows.sum(0) == 1).all()  # over the paths
        assert (rows.sum(2) == 1).all()  # of each path
    again = fair(space, np.random.default_rng(1))
    assert any((path[cell] != other[cell]).any() for path, other in zip(paths, again, strict=True) for cell in path)


def test_a_row_with_fewer_columns_takes_each_almost_equally_often(monkeypatch):
    space = build("space", {"name": "nasbench201"})
    shapes = {"operations": torch.zeros(3, 7), "widths": torch.zeros(2, 3), "only": torch.zeros(1, 1)}
    monkeypatch.setattr(space, "mix_of", lambda architecture: shapes)
    paths = fair(space, np.random.default_rng(0))
    assert len(paths) == 7
    for cell, rows in shapes.items():
        counts = sum(path[cell] for path in paths)
        assert counts.sum(1).tolist() == [7] * len(rows)
        assert counts.max() - counts.min() <= 1


def test_a_fair_step_has_the_sum_of_the_gradients_of_its_paths(space):
    whole, alone = module_of(space, "fair").double(), module_of(space, "fair").double()
    images, labels = batch()
    step(whole, images.double(), labels).backward()
    for path in fair(space, alone.rng("paths")):
        mix = {cell: rows.double() for cell, rows in path.items()}
        cross_entropy(alone.supernet(images.double(), mix), labels).backward()
    for (name, one), other in zip(whole.supernet.named_parameters(), alone.supernet.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize("name", ["nasbench201", "darts", "mobilenet"])
def test_a_step_on_a_device_that_the_cpu_cannot_read_leaves_out_the_same_weights(name):
    sizes = SPACES.get(name) or {"widths": [4] * 9, "multipliers": [0.5, 1.0], "depths": [1, 2]}
    space = build("space", {"name": name, **sizes})
    unlearned = []
    for device in ("cpu", "meta"):
        module = module_of(space, "uniform").to(device)
        images, labels = (tensor.to(device) for tensor in batch())
        step(module, images, labels).backward()
        unlearned.append([name for name, tensor in module.supernet.named_parameters() if tensor.grad is None])
    assert unlearned[0] == unlearned[1] != []


class Sized(Elastic, NASBench201):
    """NAS-Bench-201 as if its cells had sizes."""

    largest, smallest = (NASBench201().decode(np.full(6, choice)) for choice in (3, 1))


def test_a_sandwich_learns_labels_by_the_largest_path_and_the_largest_by_the_others():
    space = Sized(channels=4)
    whole, alone = module_of(space, "sandwich").double(), module_of(space, "sandwich").double()
    images, labels = batch()
    step(whole, images.double(), labels).backward()
    paths = sandwich(space, alone.rng("paths"))
    assert [space.derive(path) for path in paths[:2]] == [space.largest, space.smallest]
    logits = [alone.supernet(images.double(), {cell: rows.double() for cell, rows in path.items()}) for path in paths]
    teacher = logits[0].detach().softmax(1)
    losses = [cross_entropy(logits[0], labels), *(-(teacher * out.log_softmax(1)).sum(1).mean() for out in logits[1:])]
    sum(losses).backward()
    for one, other in zip(whole.supernet.parameters(), alone.supernet.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad)


def test_a_sandwich_search_of_a_module(few_images, tmp_path):
    sizes = ["strategy.epochs=1", "strategy.evolution.population=2", "strategy.evolution.generations=1"]
    data = ["data=arrays", f"data.path={few_images}", "executor.threads=1", "retrain.seeds=0", "control.samples=1"]
    words = ["strategy=single_path", "strategy.sampling=sandwich", "space=module", *sizes, *data]
    found = search(run_dir=tmp_path / "run", quiet=True, overrides=words)
    assert found.result["failures"] == []


def test_a_space_without_sizes_has_no_sandwich(mistake):
    complaint = mistake("strategy=single_path", "strategy.sampling=sandwich", "space=nasbench201")
    assert "needs a space with Elastic, which space 'nasbench201' lacks" in complaint


def test_sparse_training_computes_what_dense_training_does(space):
    sparse, dense = module_of(space, "uniform").supernet.double(), module_of(space, "uniform").supernet.double()
    dense.sparse = False
    images, labels = batch()
    for architecture in samples(space, 3):
        mix = {cell: rows.double() for cell, rows in space.mix_of(architecture).items()}
        logits = [supernet(images.double(), mix) for supernet in (sparse, dense)]
        torch.testing.assert_close(*logits)
        for supernet, out in zip((sparse, dense), logits, strict=True):
            supernet.zero_grad()
            cross_entropy(out, labels).backward()
        for one, other in zip(sparse.parameters(), dense.parameters(), strict=True):
            gradients = [torch.zeros_like(one) if part.grad is None else part.grad for part in (one, other)]
            torch.testing.assert_close(*gradients)


def test_weights_that_no_path_uses_have_no_gradient():
    space = build("space", {"name": "nasbench201", "channels": 4})
    module = module_of(space, "uniform")
    images, labels = batch()
    skips = space.decode(np.ones(6, int))
    cross_entropy(module.supernet(images, space.mix_of(skips)), labels).backward()
    for name, weight in module.supernet.named_parameters():
        of_a_cell = ".convolutions." in name and "layers.1." not in name and "layers.3." not in name
        assert (weight.grad is None) == of_a_cell, name


def test_draws_are_those_of_the_epoch(space):
    one, other = (module_of(space, "uniform") for _ in range(2))
    paths = [[uniform(space, module._draw)[0] for _ in range(4)] for module in (one, other)]
    assert all((a[cell] == b[cell]).all() for a, b in zip(*paths, strict=True) for cell in a)
    assert len(Counter(str(space.derive(path)) for path in paths[0])) > 1


@pytest.mark.parametrize(
    ("owner", "name", "calls", "error"),
    [(SinglePaths, "training_step", 5, RuntimeError), (SharedWeights, "supernet", 1, KeyboardInterrupt)],
)
def test_a_search_that_breaks_off_ends_as_one_that_does_not(
    owner, name, calls, error, few_images, tmp_path, monkeypatch
):
    sizes = ["strategy.epochs=3", "strategy.evolution.population=2", "strategy.evolution.generations=2"]
    data = ["data=arrays", f"data.path={few_images}", "data.batch_size=12", "executor.threads=1", "retrain.seeds=0"]
    words = ["strategy=single_path", "space=nasbench201", "space.channels=4", *sizes, *data]
    whole = search(run_dir=tmp_path / "whole", quiet=True, overrides=words).folder
    kept, done = getattr(owner, name), []

    def breaking(*arguments):
        done.append(1)
        if len(done) > calls:
            raise error
        return kept(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, breaking)
        with pytest.raises(error):
            search(run_dir=tmp_path / "broken", quiet=True, overrides=words)
    resume(tmp_path / "broken")
    ends = [json.loads((folder / "result.json").read_text()) for folder in (tmp_path / "broken", whole)]
    assert {**ends[0], "next": ""} == {**ends[1], "next": ""}
    weights = [(folder / "fits/supernet/weights.safetensors").read_bytes() for folder in (tmp_path / "broken", whole)]
    assert weights[0] == weights[1]
