"""The supernet of space=darts: published sizes, and equality with one written plainly."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from nasforge import OptionError
from nasforge_plugins.space.darts import DARTS

CELLS = ("normal", "reduce")
_spec = importlib.util.spec_from_file_location(
    "plain_darts", Path(__file__).parents[2] / "benchmarks" / "plain_darts.py"
)
plain_darts = sys.modules.setdefault("plain_darts", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(plain_darts)


@pytest.fixture(autouse=True)
def one_thread():
    """These maps are too small to share, and a busy machine makes threads wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"partial_channels": 1}, 1_930_618),
        ({"partial_channels": 1, "include_none": True}, 1_930_618),
        ({"partial_channels": 1, "cells": 4}, 1_133_882),
        ({"partial_channels": 1, "cells": 6}, 1_322_490),
        ({}, 299_578),
    ],
)
def test_published_parameter_counts(options, count):
    with torch.device("meta"):
        supernet = DARTS(channels=16, cells=8).supernet((3, 32, 32), 10, **options)
    assert sum(parameter.numel() for parameter in supernet.parameters()) == count


def test_options_and_alpha_shapes():
    supernet = DARTS(channels=8, cells=2).supernet((1, 8, 8), 10, include_none=True)
    assert dict(supernet.options) == {
        "channels": 8,
        "cells": 2,
        "partial_channels": 4,
        "include_none": True,
        "pool_normalization": True,
    }
    assert dict(supernet.alpha_shapes) == dict.fromkeys(CELLS, (14, 8))


def both(partial, include_none, side=8, dtype=torch.float64, training=True, pool_normalization=True):
    """A space, its supernet, the plain one with the same weights, and images; statistics are not the initial ones."""
    space = DARTS(channels=8, cells=3, partial_channels=partial, include_none=include_none)
    fast = space.supernet((3, side, side), 10, pool_normalization=pool_normalization).to(dtype)
    plain = plain_darts.PlainSupernet(
        ("none",) * include_none + space.operations,
        channels=8,
        cells=3,
        partial=partial,
        pool_normalization=pool_normalization,
    ).to(dtype)
    images = torch.randn(4, 3, side, side, dtype=dtype)
    with torch.no_grad():
        plain(images, {cell: torch.rand(14, 7 + include_none, dtype=dtype) for cell in CELLS})
    plain_darts.copy_weights(fast, plain)
    return space, fast.train(training), plain.train(training), images


def gradients(logits, seed, network, leaves, pairs):
    """Of the leaves, and of weights as the fast supernet lays them out; `pairs` lists each one's parts."""
    weights = [part for parts in pairs for part in parts]
    found = torch.autograd.grad((logits * seed).sum(), [*leaves, *weights])
    rest = iter(found[len(leaves) :])
    return list(found[: len(leaves)]), [torch.cat([next(rest) for _ in parts]) for parts in pairs]


def run_both(partial, include_none, **options):
    space, fast, plain, images = both(partial, include_none, **options)
    dtype = images.dtype
    alphas = {cell: torch.randn(14, 7 + include_none, dtype=dtype, requires_grad=True) for cell in CELLS}
    betas = {cell: torch.randn(14, dtype=dtype, requires_grad=True) for cell in CELLS}
    shares = {cell: torch.cat([part.softmax(0) for part in torch.split(betas[cell], [2, 3, 4, 5])]) for cell in CELLS}
    slow = plain(images, {cell: alphas[cell].softmax(-1) for cell in CELLS}, shares)
    quick = fast(images, space.mix(alphas, betas))
    leaves = [*alphas.values(), *betas.values()]
    pairs = [(own, parts) for own, parts in plain_darts.paired_tensors(fast, plain) if own.requires_grad]
    seed = torch.randn_like(slow)
    return (
        (quick, *gradients(quick, seed, fast, leaves, [[own] for own, _ in pairs])),
        (slow, *gradients(slow, seed, plain, leaves, [parts for _, parts in pairs])),
        plain_darts.paired_tensors(fast, plain),
    )


@pytest.mark.parametrize(
    ("partial", "include_none", "options"),
    [
        (1, True, {}),
        (4, False, {}),
        (4, True, {"side": 7}),
        (2, False, {"side": 5, "training": False}),
        (1, False, {"pool_normalization": False, "training": False}),
    ],
)
def test_equals_the_plain_supernet_in_float64(partial, include_none, options):
    fast, slow, tensors = run_both(partial, include_none, **options)
    torch.testing.assert_close(fast[0], slow[0], rtol=1e-10, atol=1e-10)
    for ours, theirs in zip([*fast[1], *fast[2]], [*slow[1], *slow[2]], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10 * theirs.abs().max().item())
    for own, parts in tensors:  # running statistics
        torch.testing.assert_close(own, torch.cat(parts), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("partial", [1, 4])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_map_lies_in_channels_last_order(device, partial):
    """One map in the other order makes all that follow it several times slower, and no result shows it."""
    if device == "cpu":
        look_at_maps(partial)
    else:  # fake tensors know the layouts of a GPU's, and need none
        with FakeTensorMode(), torch.device(device):
            look_at_maps(partial)


def look_at_maps(partial):
    space = DARTS(channels=8, cells=3, partial_channels=partial)
    fast, astray = space.supernet((3, 16, 16), 10), []

    def look(module, _inputs, out):
        if out.dim() == 4 and not out.is_contiguous(memory_format=torch.channels_last):
            astray.append(type(module).__name__)

    for module in fast.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.BatchNorm2d, torch.nn.AvgPool2d, torch.nn.MaxPool2d)):
            module.register_forward_hook(look)
    fast(torch.randn(2, 3, 16, 16), space.mix({cell: torch.randn(14, 7) for cell in CELLS}))
    assert not astray


@pytest.mark.parametrize(("size", "groups"), [(1, 4), (3 * 8 * 8 * 2, 2)])
def test_groups_of_any_size_compute_the_same(monkeypatch, size, groups):
    monkeypatch.setattr("nasforge_plugins.space.darts.supernet.GROUP_SIZE", size)
    _, fast, _, _ = both(4, False)
    assert len(fast.cells[0].fans[0].groups) == groups
    fast, slow, _ = run_both(4, False)
    for ours, theirs in zip([*fast[1], *fast[2]], [*slow[1], *slow[2]], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10 * theirs.abs().max().item())
    space, fast, plain, images = both(4, False, training=False)
    mix = {cell: rows.double() for cell, rows in space.mix_of(space.read("DARTS_V1")).items()}
    with torch.no_grad():
        expected = plain(images, mix, {cell: rows.sum(1) for cell, rows in mix.items()})
        torch.testing.assert_close(fast(images, mix), expected, rtol=1e-10, atol=1e-10)


def error(of, exact):
    return max(((a - b).norm() / b.norm()).item() for a, b in zip(of, exact, strict=True))


@pytest.mark.parametrize(("partial", "include_none"), [(1, True), (4, False)])
def test_float32_is_no_worse_than_the_plain_supernet(partial, include_none):
    space, fast, plain, images = both(partial, include_none, dtype=torch.float32)
    alphas = {cell: torch.randn(14, 7 + include_none) for cell in CELLS}
    seed = torch.randn(4, 10)
    found = {}
    for dtype in (torch.float32, torch.float64):
        fast, plain = fast.to(dtype), plain.to(dtype)
        own = {cell: values.to(dtype).requires_grad_() for cell, values in alphas.items()}
        quick = fast(images.to(dtype), space.mix(own))
        slow = plain(images.to(dtype), {cell: values.softmax(-1) for cell, values in own.items()})
        pairs = [(mine, parts) for mine, parts in plain_darts.paired_tensors(fast, plain) if mine.requires_grad]
        leaves = list(own.values())
        ours = gradients(quick, seed, fast, leaves, [[mine] for mine, _ in pairs])
        theirs = gradients(slow, seed, plain, leaves, [parts for _, parts in pairs])
        found[dtype] = quick, slow, [*ours[0], *ours[1]], [*theirs[0], *theirs[1]]
    quick, slow, ours, theirs = found[torch.float32]
    exact = found[torch.float64][3]
    torch.testing.assert_close(quick, slow, rtol=1e-5, atol=1e-5 * slow.abs().max().item())
    assert error(ours, exact) <= 10 * error(theirs, exact)


@pytest.mark.parametrize("partial", [1, 4])
@pytest.mark.parametrize("training", [True, False])
def test_a_discrete_architecture_is_scored_the_same_with_and_without_gradients(partial, training):
    space, fast, plain, images = both(partial, False, training=training)
    mix = {cell: rows.double() for cell, rows in space.mix_of(space.sample(np.random.default_rng(1))).items()}
    present = {cell: rows.sum(1) for cell, rows in mix.items()}
    expected = plain(images, mix, present)
    with torch.no_grad():
        torch.testing.assert_close(fast(images, mix), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(fast(images, mix), expected, rtol=1e-10, atol=1e-10)


def test_absent_operations_are_not_computed(monkeypatch):
    space, fast, _, images = both(1, False, training=False)
    calls = []
    for cell in fast.cells:
        for fan in cell.fans:
            for layer in (*fan.shared.values(), *(part for parts in fan.own.values() for part in parts)):
                layer.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        fast(images, {cell: rows.double() for cell, rows in space.mix_of(space.read("DARTS_V2")).items()})
    assert len(calls) <= 8 * 3  # eight edges in each of three cells, of 14 * 7 candidates


@pytest.mark.parametrize("partial", [1, 4])
def test_a_mix_of_nothing_gives_what_the_classifier_makes_of_zeros(partial):
    _, fast, _, images = both(partial, False, side=7, training=False)
    nothing = {cell: torch.zeros(14, 7, dtype=torch.float64) for cell in CELLS}
    with torch.no_grad():
        torch.testing.assert_close(fast(images, nothing), fast(images.clone().requires_grad_(), nothing))
    torch.testing.assert_close(fast(images, nothing).detach(), fast.classifier.bias.detach().expand(4, 10))


@pytest.mark.parametrize("cells", [1, 2])
@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 8, 8), (3, 128, 128)])
def test_shallow_supernets_and_any_images(cells, shape):
    space = DARTS(channels=4, cells=cells)
    supernet = space.supernet(shape, 3)
    mix = space.mix({cell: torch.zeros(size) for cell, size in supernet.alpha_shapes.items()})
    logits = supernet(torch.randn(2, *shape), mix)
    assert logits.shape == (2, 3)
    logits.sum().backward()


def test_refusals():
    space = DARTS()
    with pytest.raises(OptionError, match=r"space\.channels=9 is not divisible by space\.partial_channels=4"):
        space.supernet((3, 32, 32), 10, channels=9)
    with pytest.raises(OptionError, match="images of 2x2 pixels are too small"):
        space.supernet((3, 2, 2), 10)
    supernet = DARTS(channels=4, cells=1).supernet((3, 8, 8), 10)
    with pytest.raises(ValueError, match=r"mix\['normal'\] has shape \(14, 8\); this supernet expects \(14, 7\)"):
        supernet(torch.randn(2, 3, 8, 8), {cell: torch.zeros(14, 8) for cell in CELLS})
