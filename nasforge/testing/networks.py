"""The part of the spaces' suite for `build`."""

# ruff: noqa: D102  # a test's name says what it checks
from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from nasforge.architecture import Architecture
from nasforge.errors import OptionError
from nasforge.space import Network, SearchSpace, Shape
from nasforge.testing.samples import SHAPES
from nasforge.testing.watching import left_alone

SMALL = {"channels": 8, "cells": 3}


class BuildsNetworks:
    """Networks return logits for images of every shape, and their weights are a function of torch's seed."""

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("classes", [2, 10])
    def test_networks_give_logits(self, space: SearchSpace, shape: Shape, classes: int) -> None:
        architecture = space.sample(np.random.default_rng(5))
        kept = architecture.to_json()
        network = space.build(architecture, shape, classes, channels=8, cells=3)
        assert isinstance(network, Network), f"build() must return a nasforge.Network, not a {type(network).__name__}"
        assert architecture.to_json() == kept, "build() changed the architecture; it must not change its argument"
        logits = network(torch.rand(4, *shape))
        _check_logits(logits, 4, classes, f"images {shape}")
        logits.sum().backward()

    def test_an_auxiliary_head_gives_logits_too(self, space: SearchSpace) -> None:
        architecture, images = space.sample(np.random.default_rng(5)), torch.rand(4, 3, 8, 8)
        try:
            network = space.build(architecture, (3, 8, 8), 5, channels=8, cells=3, auxiliary=True)
        except OptionError:  # no such head, or not for images this small
            network = space.build(architecture, (3, 8, 8), 5, channels=8, cells=3)
        logits, auxiliary = network.with_auxiliary(images)
        _check_logits(logits, 4, 5, "with_auxiliary(): images (3, 8, 8)")
        if auxiliary is not None:
            _check_logits(auxiliary, 4, 5, "the auxiliary head: images (3, 8, 8)")

    def test_networks_come_from_the_global_generator(self, space: SearchSpace) -> None:
        architecture = space.sample(np.random.default_rng(6))
        first, second, third = (_seeded(space, architecture, seed) for seed in (7, 7, 8))
        _check_apart(first, second)
        assert first.keys() == second.keys(), "one architecture must always have tensors of the same names"
        differing = [name for name in first if not torch.equal(first[name], second[name])]
        assert not differing, (
            f"equal seeds must give equal weights, drawn from torch's generator; {differing[0]} differs"
        )
        drawn = [name for name, tensor in first.items() if (tensor != tensor.flatten()[:1]).any()]
        moved = [name for name in drawn if not torch.equal(first[name], third[name])]
        assert moved or not drawn, (
            f"build() returned the same weights for another seed of torch's generator (for example {drawn[0]}): build "
            "a new network in each call, and draw its weights from that generator"
        )

    def test_drop_path_is_off_in_eval_mode(self, space: SearchSpace) -> None:
        network = space.build(space.sample(np.random.default_rng(8)), (3, 8, 8), 2, channels=8, cells=3).eval()
        images = torch.rand(4, 3, 8, 8)
        with torch.no_grad():
            plain = network(images)
            assert torch.equal(network(images), plain), "in eval mode the same images must give the same logits"
            network.drop_path = 0.9
            assert torch.equal(network(images), plain), "drop_path must do nothing in eval mode"

    def test_images_of_a_batch_do_not_meet(self, space: SearchSpace) -> None:
        network = space.build(space.sample(np.random.default_rng(8)), (3, 8, 8), 2, channels=8, cells=3).eval()
        images = torch.rand(4, 3, 8, 8)
        with torch.no_grad():
            together, alone = network(images), network(images[:2])
        assert torch.allclose(together[:2], alone, atol=1e-4), (
            "in eval mode an image's logits must not depend on the other images of its batch"
        )


def _seeded(space: SearchSpace, architecture: Architecture, seed: int) -> dict[str, Tensor]:
    """Return the tensors of a small network, after seeding torch's global generator."""
    torch.manual_seed(seed)
    with left_alone("build()", but_torch=True):
        return space.build(architecture, (3, 8, 8), 2, channels=8, cells=3).state_dict()


def _check_apart(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    """Fail if two networks share a tensor, because training one would change the other."""
    known = {tensor.untyped_storage().data_ptr() for tensor in first.values() if tensor.numel()}
    shared = [
        name for name, tensor in second.items() if tensor.numel() and tensor.untyped_storage().data_ptr() in known
    ]
    assert not shared, f"two networks from build() share {shared[0]}: training one changes the other"


def weights_of(space: SearchSpace) -> list[tuple[str, str]]:
    """Return (name, digest) of the tensors of a small network, in its order."""
    tensors = _seeded(space, space.sample(np.random.default_rng(6)), 7)
    return [(name, _digest(tensor)) for name, tensor in tensors.items()]


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(bytes(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())).hexdigest()


def _check_logits(logits: Tensor, images: int, classes: int, source: str) -> None:
    assert isinstance(logits, Tensor), f"{source} must return a tensor of logits, not a {type(logits).__name__}"
    assert logits.shape == (images, classes), (
        f"{source} must return logits (B, classes), here {(images, classes)}, not {tuple(logits.shape)}"
    )
    assert logits.isfinite().all(), f"{source} returned logits that are not finite, with new weights"
