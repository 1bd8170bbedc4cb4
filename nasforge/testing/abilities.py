"""The part of the spaces' suite for the abilities `VectorEncoded` and `WeightSharing`."""

# ruff: noqa: D102  # a test's name says what it checks
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from nasforge.architecture import Architecture
from nasforge.bounds.discretization import Discretization, by_score
from nasforge.errors import OptionError
from nasforge.networks.sizes import architecture_size
from nasforge.space import Elastic, SearchSpace, VectorEncoded, WeightSharing
from nasforge.testing.samples import samples

CHOICES = {"partial_channels": (1, 2), "include_none": (False, True), "pool_normalization": (False, True)}
"""Options that a supernet may support, each with two values that the suites request."""


class TakesVectors:
    """`encode` and `decode` are inverses."""

    def test_vectors_there_and_back(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        if not isinstance(space, VectorEncoded):
            return
        for architecture in architectures:
            vector = space.encode(architecture)
            _check_vector(vector, space.cardinalities)
            back = space.decode(vector)
            assert back == architecture, (
                f"decode(encode(a)) must be a: {architecture} has the vector {vector.tolist()}, which decodes to {back}"
            )
            assert _encoded_again(space, architecture, vector), (
                "encode() returned an array that the space keeps; return a new one each time"
            )

    def test_neighbors_are_others_and_the_nearest_is_itself(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        if not isinstance(space, VectorEncoded):
            return
        architecture = architectures[0]
        neighbors = space.neighbors(architecture)
        assert architecture not in neighbors, "neighbors() must not return the architecture itself"
        assert len(set(neighbors)) == len(neighbors), "neighbors() returned an architecture twice"
        found = space.nearest(space.encode(architecture))
        assert found == architecture, f"nearest(encode(a)) must be a: it is {found} for {architecture}"

    def test_every_vector_is_an_architecture(self, space: SearchSpace) -> None:
        if not isinstance(space, VectorEncoded):
            return
        rng = np.random.default_rng(1)
        for _ in range(5):
            vector = rng.integers(space.cardinalities)
            kept = vector.copy()
            architecture = space.decode(vector)
            assert (vector == kept).all(), "decode() changed the vector; it must not change its argument"
            assert space.validate(architecture) == architecture, (
                f"decode() returned an architecture that validate() changes: {architecture}"
            )
            back = space.encode(architecture)
            assert (back == kept).all(), f"encode(decode(v)) must be v: {kept.tolist()} came back as {back.tolist()}"


class SharesWeights:
    """A supernet computes under any mix; mixes, architectures and supernets are consistent."""

    def test_supernet_computes_under_any_mix(self, space: SearchSpace) -> None:
        if not isinstance(space, WeightSharing):
            return
        supernet = space.supernet((3, 8, 8), 4, channels=16, cells=3)
        alphas = {cell: torch.zeros(shape, requires_grad=True) for cell, shape in supernet.alpha_shapes.items()}
        logits = supernet(torch.rand(4, 3, 8, 8), space.mix(alphas))
        assert logits.shape == (4, 4), (
            f"supernets must return logits (B, classes), here (4, 4), not {tuple(logits.shape)}"
        )
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
                f"mix() must return the same shapes with betas as without: '{cell}' has shape "
                f"{tuple(mix[cell].shape)}, not {tuple(rows.shape)}"
            )
            assert (mix[cell] <= rows + 1e-6).all(), (
                f"betas are softmaxed over the edges into a node, so mix()['{cell}'] must not be larger with betas"
            )

    def test_supernet_options_are_what_it_leaves_open(self, space: SearchSpace) -> None:
        if not isinstance(space, WeightSharing):
            return
        unknown = space.supernet_options - set(CHOICES)
        assert not unknown, f"`supernet_options` may contain {', '.join(CHOICES)}, not {', '.join(sorted(unknown))}"
        for option, values in CHOICES.items():
            refused = [value for value in values if not _takes(space, option, value)]
            if option in space.supernet_options:
                assert not refused, f"`supernet_options` has {option}, but supernet({option}={refused[0]}) is refused"
            else:
                assert refused, (
                    f"supernet() accepts {option}={values[0]} and {values[1]}: add it to `supernet_options`, or refuse "
                    f"it with self.check_supernet_choices({option}={option}), so that it is not ignored"
                )

    def test_derived_architectures_are_what_their_mix_says(self, space: SearchSpace) -> None:
        if not isinstance(space, WeightSharing):
            return
        supernet = space.supernet((3, 8, 8), 4, channels=16, cells=3)
        for _ in range(5):
            alphas = {cell: torch.randn(shape) for cell, shape in supernet.alpha_shapes.items()}
            kept = _clone(alphas)
            mix = space.mix(alphas)
            assert _equal(alphas, kept), "mix() changed the alphas; it must not change its argument"
            kept = _clone(mix)
            architecture = space.derive(mix)
            assert _equal(mix, kept), "derive() changed the mix; it must not change its argument"
            assert space.validate(architecture) == architecture, (
                f"derive() returned an architecture that validate() changes: {architecture}"
            )
            back = space.derive(space.mix_of(architecture))
            assert back == architecture, f"derive(mix_of(a)) must be a: {architecture} came back as {back}"

    def test_the_derived_architecture_is_the_most_probable_one(self, space: SearchSpace) -> None:
        if not isinstance(space, WeightSharing):
            return
        supernet = space.supernet((3, 8, 8), 4, channels=16, cells=3)
        for _ in range(5):
            mix = space.mix({cell: torch.randn(shape) for cell, shape in supernet.alpha_shapes.items()})
            discretization = Discretization(space, mix)
            selection = next(by_score(discretization.scores(mix)))
            derived, expected = space.derive(mix), discretization.architecture(selection)
            assert derived == expected, (
                f"derive() must keep what `row_groups` allows with the largest product of weights: {expected}, not "
                f"{derived}; override row_groups() if it keeps other rows"
            )


class HasSizes:
    """The largest and the smallest architecture of an `Elastic` space."""

    def test_no_architecture_is_larger_than_the_largest_or_smaller_than_the_smallest(self, space: SearchSpace) -> None:
        if not isinstance(space, Elastic):
            return
        for architecture in (space.largest, space.smallest):
            assert space.validate(architecture) == architecture, f"validate() changes {architecture}"
        most, least, *others = (
            architecture_size(space, architecture, (3, 8, 8), 4)["params_m"]
            for architecture in (space.largest, space.smallest, *samples(space, 4))
        )
        assert least < most, "`largest` must have more parameters than `smallest`"
        outside = [size for size in others if not least <= size <= most]
        assert not outside, (
            f"`smallest` has {least:g} million parameters and `largest` {most:g}, but a random one has {outside[0]:g}"
        )


def _takes(space: WeightSharing, option: str, value: int | bool) -> bool:
    """Return whether the supernet accepts this option; if so, its `options` must record the value."""
    try:
        supernet = space.supernet((3, 8, 8), 4, channels=16, cells=3, **{option: value})  # type: ignore[arg-type]
    except OptionError as refusal:
        if option in str(refusal):
            return False
        pytest.fail(f"supernet({option}={value}) is refused without naming {option}: {refusal}", pytrace=False)
    if option in space.supernet_options:
        recorded = supernet.options.get(option)
        assert recorded == value, f"`options` of supernet({option}={value}) has {option}: {recorded}"
    return True


def _check_vector(vector: np.ndarray, cardinalities: tuple[int, ...]) -> None:
    assert isinstance(vector, np.ndarray), (
        f"encode() must return a numpy array of integers, not a {type(vector).__name__}"
    )
    assert np.issubdtype(vector.dtype, np.integer), (
        f"encode() must return integers, not {vector.dtype}: np.array(..., int)"
    )
    assert vector.shape == (len(cardinalities),), (
        f"encode() must return one integer for each of the {len(cardinalities)} decisions, not shape {vector.shape}"
    )
    for position, (value, choices) in enumerate(zip(vector, cardinalities, strict=True)):
        assert 0 <= value < choices, (
            f"encode() returned {value} at position {position}, but cardinalities allow 0 to {choices - 1}"
        )


def _encoded_again(space: VectorEncoded, architecture: Architecture, vector: np.ndarray) -> bool:
    """Return whether `encode` returns the same vector after the first one was overwritten."""
    kept = vector.copy()
    vector[:] = -1
    return bool((space.encode(architecture) == kept).all())


def _clone(tensors: object) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in dict(tensors).items()}  # type: ignore[call-overload]


def _equal(tensors: object, others: dict[str, Tensor]) -> bool:
    return all(torch.equal(dict(tensors)[name], other) for name, other in others.items())  # type: ignore[call-overload]
