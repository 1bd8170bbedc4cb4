"""The supernet of space=nasbench201: equality with one written plainly, and what it leaves uncomputed."""

import numpy as np
import pytest
import torch
from torch import nn

from nasforge import OptionError, ReLUConvBN, batch_statistics
from nasforge_plugins.space.nasbench201 import NASBench201
from nasforge_plugins.space.nasbench201.cell import EDGES
from nasforge_plugins.space.nasbench201.skeleton import ResidualBlock
from nasforge_plugins.space.nasbench201.supernet import LEAVING, EdgeConvolutions, SearchCell


class PlainCell(nn.Module):
    """As published: every operation a module of its own, on every edge."""

    def __init__(self, channels):
        super().__init__()
        self.edges = nn.ModuleList(
            nn.ModuleList(
                [
                    nn.Identity(),
                    ReLUConvBN(channels, channels, 1, affine=False),
                    ReLUConvBN(channels, channels, 3, affine=False),
                    nn.AvgPool2d(3, 1, 1, count_include_pad=False),
                ]
            )
            for _ in EDGES
        )

    def forward(self, x, rows):
        nodes = [x]
        for node in (1, 2, 3):
            total = 0
            for (source, target), operations, weights in zip(EDGES, self.edges, rows, strict=True):
                if target == node:
                    outputs = [nodes[source].mul(0.0), *(operation(nodes[source]) for operation in operations)]
                    total = total + sum(weight * out for weight, out in zip(weights, outputs, strict=True))
            nodes.append(total)
        return nodes[3]


class PlainSupernet(nn.Module):
    def __init__(self, channels, cells, classes):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.layers = nn.ModuleList()
        for stage in range(3):
            if stage:
                self.layers.append(ResidualBlock(channels, 2 * channels))
                channels *= 2
            self.layers.extend(PlainCell(channels) for _ in range(cells))
        self.norm = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images, rows):
        x = self.stem(images)
        for layer in self.layers:
            x = layer(x) if isinstance(layer, ResidualBlock) else layer(x, rows)
        return self.classifier(self.norm(x).relu().mean((2, 3)))


def paired_tensors(fast, plain):
    """(a tensor of the fast supernet, the plain one's tensors that it holds one after the other)."""
    pairs = []
    for own, theirs in zip(fast.skeleton.layers, plain.layers, strict=True):
        if not isinstance(own, SearchCell):
            pairs += zip(floats(own), ([tensor] for tensor in floats(theirs)), strict=True)
            continue
        for node, edges in enumerate(LEAVING[:-1]):
            for place, name in enumerate(("nor_conv_1x1", "nor_conv_3x3"), start=1):
                convolutions = own.convolutions[node][name]
                single = [floats(theirs.edges[edge][place]) for edge in edges]
                pairs += zip(floats(convolutions), zip(*single, strict=True), strict=True)
    around = [(fast.skeleton.stem, plain.stem), (fast.skeleton.features[0], plain.norm)]
    around.append((fast.skeleton.classifier, plain.classifier))
    for own, theirs in around:
        pairs += zip(floats(own), ([tensor] for tensor in floats(theirs)), strict=True)
    assert sum(own.numel() for own, _ in pairs) == sum(tensor.numel() for tensor in floats(fast))
    return pairs


def floats(module):
    """Weights and running statistics."""
    return [tensor for tensor in (*module.parameters(), *module.buffers()) if tensor.is_floating_point()]


def both(side=8, dtype=torch.float64, training=True):
    """A space, its supernet, the plain one with the same weights, and images; statistics are not the initial ones."""
    space = NASBench201(channels=3, cells=2)
    fast, plain = space.supernet((3, side, side), 10).to(dtype), PlainSupernet(3, 2, 10).to(dtype)
    images = torch.randn(4, 3, side, side, dtype=dtype)
    with torch.no_grad():
        plain(images, torch.rand(6, 5, dtype=dtype))
        for own, parts in paired_tensors(fast, plain):
            own.copy_(torch.cat(list(parts)))
    return space, fast.train(training), plain.train(training), images


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10 * max(1.0, theirs.abs().max().item()))


@pytest.fixture(autouse=True)
def one_thread():
    """These maps are too small to share, and a busy machine makes threads wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("side", "training"), [(8, True), (7, True), (9, False)])
@pytest.mark.parametrize("with_betas", [False, True])
def test_equals_the_plain_supernet_in_float64(side, training, with_betas):
    space, fast, plain, images = both(side, training=training)
    alphas = {"cell": torch.randn(6, 5, dtype=torch.float64, requires_grad=True)}
    betas = {"cell": torch.randn(6, dtype=torch.float64, requires_grad=True)} if with_betas else None
    rows = alphas["cell"].softmax(-1)
    if betas:
        rows = rows * torch.cat([part.softmax(0) for part in betas["cell"].split([1, 2, 3])])[:, None]
    quick, slow = fast(images, space.mix(alphas, betas)), plain(images, rows)
    close(quick, slow)
    pairs = paired_tensors(fast, plain)
    learned = [(own, parts) for own, parts in pairs if own.requires_grad]
    leaves = [alphas["cell"], *([betas["cell"]] if betas else [])]
    seed = torch.randn_like(slow)
    ours = torch.autograd.grad((quick * seed).sum(), [*leaves, *(own for own, _ in learned)])
    theirs = iter(
        torch.autograd.grad((slow * seed).sum(), [*leaves, *(part for _, parts in learned for part in parts)])
    )
    for position, mine in enumerate(ours):
        count = 1 if position < len(leaves) else len(learned[position - len(leaves)][1])
        close(mine, torch.cat([next(theirs) for _ in range(count)]))
    for own, parts in pairs:  # running statistics
        close(own.detach(), torch.cat([part.detach() for part in parts]))


@pytest.mark.parametrize("training", [True, False])
def test_a_discrete_architecture_is_scored_the_same_with_and_without_gradients(training):
    space, fast, plain, images = both(side=7, training=training)
    for seed in range(10):
        mix = {"cell": space.mix_of(space.sample(np.random.default_rng(seed)))["cell"].double()}
        expected = plain(images, mix["cell"])
        close(fast(images, mix), expected)
        with torch.no_grad():
            close(fast(images, mix), plain(images, mix["cell"]))
    for own, parts in paired_tensors(fast, plain):  # in training absent operations gather statistics too
        close(own.detach(), torch.cat([part.detach() for part in parts]))


def test_a_discrete_architecture_is_scored_by_its_batch_and_changes_nothing():
    space, fast, plain, images = both(training=False)
    before = {name: tensor.clone() for name, tensor in fast.state_dict().items()}
    rows = [space.mix_of(space.sample(np.random.default_rng(seed)))["cell"].double() for seed in range(5)]
    with torch.no_grad(), batch_statistics(fast), batch_statistics(plain):
        for row in [*rows, torch.rand(6, 5, dtype=torch.float64)]:
            close(fast(images, {"cell": row}), plain(images, row))
    assert all(torch.equal(tensor, before[name]) for name, tensor in fast.state_dict().items())


def test_absent_operations_are_not_computed():
    space, fast, _, images = both(training=False)
    calls = []
    for layer in fast.modules():
        if isinstance(layer, (EdgeConvolutions, nn.AvgPool2d)):
            layer.register_forward_hook(lambda *_: calls.append(1))
    one = space.read("|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|avg_pool_3x3~2|")
    with torch.no_grad():
        fast(images, {"cell": space.mix_of(one)["cell"].double()})
    residual = 2  # their pools
    assert len(calls) == 3 * 6 + residual  # two convolutions and a pool in each of six cells


def test_nothing_at_all_is_zeros():
    _, fast, plain, images = both(side=7, training=False)
    nothing = torch.zeros(6, 5, dtype=torch.float64)
    none = torch.zeros(6, 5, dtype=torch.float64)
    none[:, 0] = 1.0
    with torch.no_grad():
        for rows in (nothing, none):
            close(fast(images, {"cell": rows}), plain(images, rows))


def test_the_column_of_none_makes_no_difference():
    _, fast, _, images = both()
    rows = torch.rand(6, 5, dtype=torch.float64)
    other = rows.clone()
    other[:, 0] = 7.0
    assert torch.equal(fast(images, {"cell": rows}), fast(images, {"cell": other}))


def test_every_map_lies_in_channels_last_order_on_a_cpu():
    """One map in the other order makes all that follow it several times slower, and no result shows it."""
    space, colour, _, _ = both(dtype=torch.float32)
    astray = []

    def look(module, _inputs, out):
        if not out.is_contiguous(memory_format=torch.channels_last):
            astray.append(type(module).__name__)

    for channels, supernet in ((3, colour), (1, space.supernet((1, 8, 8), 10))):
        for module in supernet.skeleton.layers.modules():  # a grey image has no order, so its stem may choose any
            if isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.AvgPool2d)):
                module.register_forward_hook(look)
        supernet(torch.randn(4, channels, 8, 8), space.mix({"cell": torch.randn(6, 5)}))
    assert not astray


def test_options_alpha_shapes_and_affine_norms():
    supernet = NASBench201(channels=8, cells=2).supernet((1, 8, 8), 10, partial_channels=1, include_none=True)
    assert dict(supernet.options) == {
        "channels": 8,
        "cells": 2,
        "partial_channels": 1,
        "include_none": True,
        "pool_normalization": False,
    }
    assert dict(supernet.alpha_shapes) == {"cell": (6, 5)}
    mixed = {id(norm) for cell in supernet.skeleton.layers if isinstance(cell, SearchCell) for norm in cell.modules()}
    norms = [norm for norm in supernet.modules() if isinstance(norm, nn.BatchNorm2d)]
    assert {norm.affine for norm in norms if id(norm) in mixed} == {False}
    assert [norm.affine for norm in norms if id(norm) not in mixed] == [True] * (1 + 2 * 2 + 1)


def test_its_size_is_that_of_all_operations_together():
    """Six edges of 1x1 and 3x3 without affine norms, in a skeleton of 73,306 parameters."""
    with torch.device("meta"):
        supernet = NASBench201().supernet((3, 32, 32), 10, channels=16, cells=5)
    convolutions = 5 * 6 * sum(10 * width**2 for width in (16, 32, 64))
    assert sum(parameter.numel() for parameter in supernet.parameters()) == 73_306 + convolutions


def test_refusals():
    space = NASBench201(channels=4, cells=1)
    with pytest.raises(OptionError, match="images of 2x2 pixels are too small"):
        space.supernet((3, 2, 2), 10)
    with pytest.raises(ValueError, match=r"mix\['cell'\] has shape \(6, 4\); this supernet expects \(6, 5\)"):
        space.supernet((3, 8, 8), 10)(torch.randn(2, 3, 8, 8), {"cell": torch.zeros(6, 4)})
