"""Scores with shared weights: those of a candidate are the ones of the network that inherits its weights."""

import re

import pytest
import torch
from safetensors.torch import save_file

from nasforge import Context, SharedWeights, Weights, score
from nasforge.networks.batch_norms import recalibrate
from nasforge.registry.entry_points import build
from nasforge.testing.samples import samples, tiny_data
from nasforge.training.scoring import ordered_batches
from nasforge_plugins.space.nasbench201.cell import EDGES

SPACES = {"nasbench201": {"channels": 4}, "darts": {"channels": 8, "cells": 3}}
SHAPE, CLASSES, BATCH = (3, 8, 8), 2, 8


def context_of(space, folder):
    torch.manual_seed(0)
    supernet = space.supernet(SHAPE, CLASSES)
    path = folder / "weights.safetensors"
    save_file({f"supernet.{name}": tensor.contiguous() for name, tensor in supernet.state_dict().items()}, path)
    context = Context(space, tiny_data(SHAPE, CLASSES, 64), "cpu", 1, 0, Weights(path, "", dict(supernet.options)))
    return context, supernet


def inherited(network, supernet, architecture):
    """The stand-alone network of a NAS-Bench-201 cell with the supernet's weights."""
    shared, own = supernet.state_dict(), network.state_dict()
    for name, tensor in own.items():
        if (path := re.fullmatch(r"(.*)\.operations\.(\d)\.(\d)\.(.*)", name)) is None:
            tensor.copy_(shared[name])
        elif path[3] == "1":  # ReLU, convolution, BatchNorm
            source, _ = EDGES[int(path[2])]
            place = [edge for edge, (start, _) in enumerate(EDGES) if start == source].index(int(path[2]))
            kernel = architecture["cell"][int(path[2])]
            whole = shared[f"{path[1]}.convolutions.{source}.{kernel}.conv.weight"]
            tensor.copy_(whole[place * len(tensor) : (place + 1) * len(tensor)])
    return network


def test_a_calibrated_score_is_that_of_the_network_alone(tmp_path):
    space = build("space", {"name": "nasbench201", "channels": 4, "cells": 2})
    context, supernet = context_of(space, tmp_path)
    halves = context.data.halves()
    train, validation = (
        list(ordered_batches(images, halves.preprocessing, BATCH, "cpu"))
        for images in (halves.train, halves.validation)
    )
    for architecture in samples(space, 0, 8):
        network = inherited(space.build(architecture, SHAPE, CLASSES, channels=4, cells=2), supernet, architecture)
        recalibrate(network.eval(), network, (images for images, _ in train[:3]))
        estimate = SharedWeights(batch_size=BATCH, calibration_batches=3).estimate(architecture, context)
        assert estimate.metrics == pytest.approx(score(network, validation), abs=1e-5)


def test_statistics_are_means_over_the_batches():
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(2)).eval()
    batches = [torch.randn(4, 2, 3, 3) for _ in range(3)]
    network[0].running_mean.fill_(7)
    recalibrate(network, network, batches)
    for own, of_batch in (
        (network[0].running_mean, [batch.mean((0, 2, 3)) for batch in batches]),
        (network[0].running_var, [batch.var((0, 2, 3)) for batch in batches]),
    ):
        torch.testing.assert_close(own, torch.stack(of_batch).mean(0))
    assert (network[0].momentum, network[0].training) == (0.1, False)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("calibration_batches", [0, 2])
def test_a_score_does_not_depend_on_the_others(name, calibration_batches, tmp_path):
    space = build("space", {"name": name, **SPACES[name]})
    context, _ = context_of(space, tmp_path)
    estimator = SharedWeights(batch_size=BATCH, calibration_batches=calibration_batches)
    architectures = samples(space, 1, 3)
    together = [estimate.metrics for estimate in estimator.estimate_many(architectures, context)]
    alone = [SharedWeights(batch_size=BATCH, calibration_batches=calibration_batches).estimate(each, context).metrics
             for each in reversed(architectures)]  # fmt: skip
    assert together == alone[::-1]


def test_only_the_statistics_of_what_is_present_are_computed(tmp_path):
    """The statistics of a sparse pass are those of a supernet that computes every operation."""
    space = build("space", {"name": "darts", **SPACES["darts"]})
    _, supernet = context_of(space, tmp_path)
    images, mix = torch.randn(8, *SHAPE), space.mix_of(samples(space, 2, 1)[0])
    sparse, dense = supernet.eval(), space.supernet(SHAPE, CLASSES)
    dense.load_state_dict(supernet.state_dict())
    recalibrate(sparse, lambda images: sparse(images, mix), [images])
    with torch.enable_grad():  # computes every operation
        recalibrate.__wrapped__(dense, lambda images: dense(images, mix), [images])
    with torch.no_grad():
        torch.testing.assert_close(sparse(images, mix), dense.eval()(images, mix))
