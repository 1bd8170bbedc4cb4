"""A network written as plain PyTorch computes what it computed before."""

import ast

import numpy as np
import pytest
import torch
from torch import nn

from nasforge.errors import ExportError
from nasforge.networks.sizes import network_size
from nasforge.plain.network import PlainNetwork, compare
from nasforge.registry.entry_points import registry

SPACES = ("darts", "nasbench201", "reolon", "tsenas")
SHAPE = (3, 32, 32)


def architectures(name):
    """Every published architecture of a space, and random ones."""
    space = registry("space")[name]()
    rng = np.random.default_rng(0)
    return space, {**space.presets, **{f"random {number}": space.sample(rng) for number in range(4)}}


CASES = [(name, label) for name in SPACES for label in architectures(name)[1]]


def built(name, label, **sizes):
    """The network, with running statistics that are not those of a new BatchNorm."""
    space, known = architectures(name)
    torch.manual_seed(0)
    size = {"channels": 8, "cells": 5} if name == "darts" else {"cells": 1} if name == "nasbench201" else {}
    network = space.build(known[label], SHAPE, 10, **{**size, **sizes})
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def logits(network, count=3):
    with torch.no_grad():
        return network(torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(5)))


@pytest.mark.parametrize(("name", "label"), CASES)
def test_published_and_random_architectures_keep_their_logits(name, label):
    network = built(name, label, auxiliary=True)
    for fold in (False, True):
        plain = PlainNetwork.of(network, SHAPE, fold=fold)
        assert compare(logits(plain.build()), logits(network), label) < 1e-5
        assert compare(logits(plain.build(), 1), logits(network, 1), label) < 1e-5


@pytest.mark.parametrize("name", SPACES)
def test_the_source_needs_torch_alone_and_has_only_what_is_used(name):
    network = built(name, next(iter(architectures(name)[1])), auxiliary=True)
    plain = PlainNetwork.of(network, SHAPE)
    names = {node.id for node in ast.walk(ast.parse(plain.source)) if isinstance(node, ast.Name)}
    assert not names & {"nasforge", "nasforge_plugins", "genotype", "exec", "eval", "getattr"}
    assert "auxiliary" not in plain.source
    assert "drop" not in plain.source
    own = {tensor.data_ptr() for tensor in network.state_dict().values()}
    assert len(plain.weights) <= len(own)


def test_parameters_are_counted_as_before():
    """DARTS_V2 at 36 channels and 20 cells has 3.35 million parameters (3.3 in the paper's table)."""
    space = registry("space")["darts"]()
    network = space.build(space.presets["DARTS_V2"], SHAPE, 10)
    plain = PlainNetwork.of(network, SHAPE).build()
    own = sum(parameter.numel() for parameter in plain.parameters())
    assert own / 1e6 == pytest.approx(network_size(network, SHAPE)["params_m"]) == pytest.approx(3.35, abs=0.05)


def test_cells_that_differ_in_width_are_one_class_with_a_name_to_read():
    plain = PlainNetwork.of(built("darts", "DARTS_V2"), SHAPE)
    classes = [node.name for node in ast.parse(plain.source).body if isinstance(node, ast.ClassDef)]
    assert classes.count("NormalCell") == classes.count("ReductionCell") == 1
    functions = [node.name for node in ast.parse(plain.source).body if isinstance(node, ast.FunctionDef)]
    assert {"sep_conv_3x3", "relu_conv_bn"} <= set(functions)


def test_folding_leaves_no_batchnorm_behind_a_convolution_of_a_sequence():
    network = built("nasbench201", "all_conv_3x3")
    whole, folded = (PlainNetwork.of(network, SHAPE, fold=fold).build() for fold in (False, True))
    norms = [sum(isinstance(module, nn.BatchNorm2d) for module in each.modules()) for each in (whole, folded)]
    assert norms[0] > 20
    assert norms[1] == 1  # the one before the classifier follows no convolution


# What a guest's network may do


class Attention(nn.Module):
    """Sizes from the batch, parameters and a buffer of its own, several results, a constant, writing in place."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.rand(12))
        self.register_buffer("shift", torch.rand(4))
        self.table = torch.rand(4)  # neither parameter nor buffer
        self.project = nn.Linear(12, 12, bias=False)

    def forward(self, images, extra=None):
        batch = images.shape[0]
        tokens = images.reshape(batch, -1, 12) * self.scale
        query, key, value = self.project(tokens).chunk(3, dim=-1)
        mixed = torch.softmax(query @ key.transpose(1, 2) / 2.0, dim=-1) @ value
        mixed += self.shift - self.table
        return (1 - mixed).mean(dim=1), mixed.new_zeros(batch * 2, 3)


class Guest(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleDict({"first one": Attention()})
        self.activation = nn.ReLU(inplace=True)
        self.unused = nn.Linear(1000, 1000)

    def forward(self, images):
        x, zeros = self.blocks["first one"](images)
        x = self.activation(x)
        return torch.cat([x, -x], dim=1) + zeros.sum()


def test_a_module_of_a_guest_is_written_like_any_other():
    network = Guest().eval()
    plain = PlainNetwork.of(network, (3, 8, 8))
    images = torch.randn(6, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(plain.build()(images), network(images))
    assert not any("unused" in name for name in plain.weights)
    assert ".shape[0]" in plain.source


class ByNumPy(nn.Module):
    def forward(self, images):
        return torch.from_numpy(images.numpy().mean(axis=(2, 3)))


class ByValue(nn.Module):
    def forward(self, images):
        return images.mean((2, 3)) if len(images) > 2 else images.amax((2, 3))


class ByIndex(nn.Module):
    def forward(self, images):
        x = images.mean((2, 3))
        x[:, 0] = 0
        return x


class Inner(nn.Module):
    def __init__(self, child):
        super().__init__()
        self.child = child
        self.head = nn.Linear(3, 2)

    def forward(self, images):
        return self.head(self.child(images))


@pytest.mark.parametrize(
    ("child", "says"),
    [
        (ByNumPy(), "'child' computes a tensor by other means than torch's functions"),
        (ByValue(), "'child' computes something else for another batch"),
        (ByIndex(), "'child' writes into a tensor by index"),
    ],
)
def test_what_cannot_be_written_is_refused_with_the_path_of_the_module(child, says):
    with pytest.raises(ExportError, match=says):
        PlainNetwork.of(Inner(child).eval(), (3, 8, 8))


def test_a_difference_of_logits_is_an_error():
    with pytest.raises(ExportError, match=r"the file computes other logits than the network: they differ by 1.0e-03"):
        compare(torch.tensor([1.0, 2.002]), torch.tensor([1.0, 2.0]), "the file")


def test_edges_without_an_operation_are_left_out():
    space, _ = architectures("nasbench201")
    cell = space.read("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|")
    network = space.build(cell, SHAPE, 10, channels=4, cells=1).eval()
    plain = PlainNetwork.of(network, SHAPE)
    assert "* 0.0" not in plain.source
    (forward,) = (node for node in ast.walk(ast.parse(plain.source)) if isinstance(node, ast.ClassDef)
                  and node.name == "EvaluationCell")  # fmt: skip
    assert "operation_4" in ast.unparse(forward)
    assert "operation_1" not in ast.unparse(forward)
    nothing = space.build(space.read("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"), SHAPE, 10, channels=4, cells=1)
    torch.testing.assert_close(logits(PlainNetwork.of(nothing.eval(), SHAPE).build()), logits(nothing))


class Normalize(nn.Sequential):
    """Its name is that of a function in the exported file."""


class Names(nn.Module):
    """Keys that are words of Python, or what the file imports."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleDict({"class": nn.Linear(3, 3), "lambda": nn.Linear(3, 3), "torch": nn.Linear(3, 3)})
        self.first, self.second = (Normalize(nn.Linear(3, 3), nn.ReLU()) for _ in range(2))

    def forward(self, images):
        x = self.parts["lambda"](self.parts["class"](images.mean((2, 3))))
        torch_like = self.parts["torch"](x)
        return self.second(self.first(torch_like)) + torch.cat([torch_like[:, :1], torch_like[:, 1:]], dim=1)


def test_names_in_the_source_mean_nothing_else():
    network = Names().eval()
    plain = PlainNetwork.of(network, (3, 4, 4))
    assert "def normalize(" not in plain.source
    images = torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(plain.build()(images), network(images))


def test_another_shape_of_logits_is_an_error():
    with pytest.raises(ExportError, match=r"logits of another shape than the network: \(2, 1\) instead of \(2, 3\)"):
        compare(torch.ones(2, 1), torch.ones(2, 3), "the file")
