"""The part of the spaces' suite that is about the abilities `VectorEncoded` and `WeightSharing`."""

# ruff: noqa: D102  # a test's name says what it holds
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from nasforge.architecture import Architecture
from nasforge.errors import OptionError
from nasforge.space import SearchSpace, VectorEncoded, WeightSharing
from nasforge.testing.samples import samples

CHOICES = {"partial_channels": (1, 2), "include_none": (False, True), "pool_normalization": (False, True)}
"""What a supernet may leave open, with two values that the suites ask for."""


class TakesVectors:
    """`encode` and `decode` are inverse to each other."""

    def test_vectors_there_and_back(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        if not isinstance(space, VectorEncoded):
            return
        for one in architectures:
            vector = space.encode(one)
            _check_vector(vector, space.cardinalities)
            back = space.decode(vector)
            assert back == one, (
                f"decode(encode(a)) must be a: {one} has the vector {vector.tolist()}, that gives {back}"
            )
            assert _encoded_again(space, one, vector), (
                "encode() handed out an array of its own; give a new one each time"
            )

    def test_every_vector_is_an_architecture(self, space: SearchSpace) -> None:
        if not isinstance(space, VectorEncoded):
            return
        rng = np.random.default_rng(1)
        for _ in range(5):
            vector = rng.integers(space.cardinalities)
            kept = vector.copy()
            one = space.decode(vector)
            assert (vector == kept).all(), "decode() changed the vector; it must leave it as it is"
            assert space.validate(one) == one, f"decode() gave what validate() changes: {one}"
            back = space.encode(one)
            assert (back == kept).all(), f"encode(decode(v)) must be v: {kept.tolist()} came back as {back.tolist()}"


class SharesWeights:
    """A supernet computes under any mix, and mixes, architectures and supernets belong together."""

    def test_supernet_computes_under_any_mix(self, space: SearchSpace) -> None:
        if not isinstance(space, WeightSharing):
            return
        supernet = space.supernet((3, 8, 8), 4, channels=16, cells=3)
        alphas = {cell: torch.zeros(shape, requires_grad=True) for cell, shape in supernet.alpha_shapes.items()}
        logits = supernet(torch.rand(4, 3, 8, 8), space.mix(alphas))
        assert logits.shape == (4, 4), f"a supernet gives logits (B, classes), here (4, 4), not {tuple(logits.shape)}"
        logits.square().sum().backward()
        assert all(alpha.grad is not None for alpha in alphas.values()), "the mix must be differentiable"
        one_hot = space.mix_of(space.sample(np.random.default_rng(9)))
        assert supernet(torch.rand(4, 3, 8, 8), one_hot).shape == (4, 4), "rows of zeros are allowed in a mix"

    def test_options_build_the_supernet_again(self, space: SearchSpace) -> None:
        if not isinstance(space, WeightSharing):
            return
        supernet = space.supernet((3, 8, 8), 4, channels=16, cells=3)
        again = space.supernet((3, 8, 8), 4, **supernet.options)  # type: ignore[arg-type]
        assert again.state_dict().keys() == supernet.state_dict().keys(), "`options` must be enough to build it again"
        again.load_state_dict(supernet.state_dict())
        images, mix = torch.rand(4, 3, 8, 8), space.mix_of(samples(space, 9)[0])
        with torch.no_grad():
            same = torch.allclose(supernet.eval()(images, mix), again.eval()(images, mix), atol=1e-5)
        assert same, "a supernet built again from `options`, with the same weights, must compute the same"

    def test_betas_weigh_edges(self, space: SearchSpace) -> None:
        if not isinstance(space, WeightSharing):
            return
        shapes = space.supernet((3, 8, 8), 4, channels=16, cells=3).alpha_shapes
        alphas = {cell: torch.randn(shape) for cell, shape in shapes.items()}
        betas = {cell: torch.zeros(shape[0], requires_grad=True) for cell, shape in shapes.items()}
        mix, plain = space.mix(alphas, betas), space.mix(alphas)
        for cell, rows in plain.items():
            assert mix[cell].shape == rows.shape, (
                f"mix() with betas must give what it gives without: '{cell}' has shape {tuple(mix[cell].shape)}, not "
                f"{tuple(rows.shape)}"
            )
            assert (mix[cell] <= rows + 1e-6).all(), (
                f"betas are softmaxed over the edges into a node: mix()['{cell}'] with them must nowhere be larger"
            )

    def test_supernet_options_are_what_it_leaves_open(self, space: SearchSpace) -> None:
        if not isinstance(space, WeightSharing):
            return
        unknown = space.supernet_options - set(CHOICES)
        assert not unknown, f"`supernet_options` may hold {', '.join(CHOICES)}, not {', '.join(sorted(unknown))}"
        for option, values in CHOICES.items():
            refused = [value for value in values if not _takes(space, option, value)]
            if option in space.supernet_options:
                assert not refused, f"`supernet_options` says {option}, and supernet({option}={refused[0]}) is refused"
            else:
                assert refused, (
                    f"supernet() takes {option}={values[0]} and {values[1]}: name it in `supernet_options`, or refuse "
                    f"it, self.check_supernet_choices({option}={option}), so that nobody asks for it in vain"
                )

    def test_derived_architectures_are_what_their_mix_says(self, space: SearchSpace) -> None:
        if not isinstance(space, WeightSharing):
            return
        supernet = space.supernet((3, 8, 8), 4, channels=16, cells=3)
        for _ in range(5):
            alphas = {cell: torch.randn(shape) for cell, shape in supernet.alpha_shapes.items()}
            kept = _clone(alphas)
            mix = space.mix(alphas)
            assert _equal(alphas, kept), "mix() changed the alphas; it must leave them as they are"
            kept = _clone(mix)
            one = space.derive(mix)
            assert _equal(mix, kept), "derive() changed the mix; it must leave it as it is"
            assert space.validate(one) == one, f"derive() gave what validate() changes: {one}"
            back = space.derive(space.mix_of(one))
            assert back == one, f"derive(mix_of(a)) must be a: {one} came back as {back}"


def _takes(space: WeightSharing, option: str, value: int | bool) -> bool:
    """Whether the supernet can be asked for this; if so, its `options` must say it."""
    try:
        supernet = space.supernet((3, 8, 8), 4, channels=16, cells=3, **{option: value})  # type: ignore[arg-type]
    except OptionError as refusal:
        if option in str(refusal):
            return False
        pytest.fail(f"supernet({option}={value}) is refused without naming {option}: {refusal}", pytrace=False)
    if option in space.supernet_options:
        said = supernet.options.get(option)
        assert said == value, f"`options` of supernet({option}={value}) says {option}: {said}"
    return True


def _check_vector(vector: np.ndarray, cardinalities: tuple[int, ...]) -> None:
    assert isinstance(vector, np.ndarray), (
        f"encode() must give a numpy array of integers, not a {type(vector).__name__}"
    )
    assert np.issubdtype(vector.dtype, np.integer), (
        f"encode() must give integers, not {vector.dtype}: np.array(..., int)"
    )
    assert vector.shape == (len(cardinalities),), (
        f"encode() must give one integer for each of the {len(cardinalities)} decisions, not shape {vector.shape}"
    )
    for position, (value, choices) in enumerate(zip(vector, cardinalities, strict=True)):
        assert 0 <= value < choices, (
            f"encode() gave {value} at {position}, where cardinalities allow 0 to {choices - 1}"
        )


def _encoded_again(space: VectorEncoded, one: Architecture, vector: np.ndarray) -> bool:
    """Whether the vector is the same after the first one was written into."""
    kept = vector.copy()
    vector[:] = -1
    return bool((space.encode(one) == kept).all())


def _clone(tensors: object) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in dict(tensors).items()}  # type: ignore[call-overload]


def _equal(tensors: object, others: dict[str, Tensor]) -> bool:
    return all(torch.equal(dict(tensors)[name], other) for name, other in others.items())  # type: ignore[call-overload]
