"""Candidate operations: shapes, what they are made of, and the padding rule."""

import pytest
import torch
from torch import nn

from nasforge import OPERATIONS, FactorizedReduce, UnknownNameError, operation


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [1, 4, 7, 8])
@pytest.mark.parametrize("name", list(OPERATIONS))
def test_sides_become_side_over_stride_rounded_up(name, side, stride):
    out = operation(name, 4, stride).eval()(torch.randn(2, 4, side, side))
    assert out.shape == (2, 4, -(-side // stride), -(-side // stride))


# depthwise k*k*C, pointwise C*C, BatchNorm 2C; C=4
@pytest.mark.parametrize(
    ("name", "affine", "plain"),
    [
        ("none", 0, 0),
        ("max_pool_3x3", 0, 0),
        ("avg_pool_3x3", 0, 0),
        ("skip_connect", 0, 0),
        ("sep_conv_3x3", 2 * (36 + 16 + 8), 2 * (36 + 16)),
        ("sep_conv_5x5", 2 * (100 + 16 + 8), 2 * (100 + 16)),
        ("sep_conv_7x7", 2 * (196 + 16 + 8), 2 * (196 + 16)),
        ("dil_conv_3x3", 36 + 16 + 8, 36 + 16),
        ("dil_conv_5x5", 100 + 16 + 8, 100 + 16),
        ("conv_7x1_1x7", 2 * 7 * 16 + 8, 2 * 7 * 16),
        ("conv_3x1_1x3", 2 * 3 * 16 + 8, 2 * 3 * 16),
        ("max_pool_5x5", 0, 0),
        ("max_pool_7x7", 0, 0),
        ("nor_conv_1x1", 16 + 8, 16),
        ("nor_conv_3x3", 9 * 16 + 8, 9 * 16),
    ],
)
def test_parameter_counts(name, affine, plain):
    for flag, expected in ((True, affine), (False, plain)):
        assert sum(p.numel() for p in operation(name, 4, 1, flag).parameters()) == expected


def test_skip_at_stride_two_is_a_factorized_reduce():
    assert isinstance(operation("skip_connect", 4), nn.Identity)
    assert isinstance(operation("skip_connect", 4, 2), FactorizedReduce)


def test_average_leaves_padding_out():
    assert torch.equal(operation("avg_pool_3x3", 1)(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 4, 4))


@pytest.mark.parametrize(("name", "kernel"), [("conv_7x1_1x7", 7), ("conv_3x1_1x3", 3)])
def test_the_flat_kernel_comes_first(name, kernel):
    kernels = [layer.kernel_size for layer in operation(name, 4) if isinstance(layer, nn.Conv2d)]
    assert kernels == [(1, kernel), (kernel, 1)]


@pytest.mark.parametrize(("name", "reach"), [("max_pool_3x3", 1), ("max_pool_5x5", 2), ("max_pool_7x7", 3)])
def test_a_maximum_reaches_half_its_window(name, reach):
    x = torch.zeros(1, 1, 9, 9)
    x[0, 0, 4, 4] = 1.0
    assert operation(name, 1)(x).sum() == (2 * reach + 1) ** 2


def test_factorized_reduce_shifts_by_one_pixel_and_pads_odd_sides_with_zeros():
    reduce = FactorizedReduce(1, 2, affine=False).eval()
    nn.init.ones_(reduce.conv_even.weight)
    nn.init.ones_(reduce.conv_odd.weight)
    x = torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    even, odd = reduce(x)[0] * (1 + reduce.norm.eps) ** 0.5
    torch.testing.assert_close(even, torch.tensor([[1.0, 3.0], [7.0, 9.0]]))
    torch.testing.assert_close(odd, torch.tensor([[5.0, 0.0], [0.0, 0.0]]))


def test_factorized_reduce_needs_an_even_width():
    with pytest.raises(ValueError, match="channels_out=3: FactorizedReduce needs an even number"):
        FactorizedReduce(4, 3)


def test_unknown_operation_names_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no operation named 'sep_conv_3x'\. Did you mean 'sep_conv_3x3'\?"):
        operation("sep_conv_3x", 4)
