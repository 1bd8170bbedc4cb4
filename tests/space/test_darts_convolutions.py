"""The fast parts of the DARTS supernet compute what the library computes."""

import pytest
import torch
from torch.nn import functional as F

from nasforge_plugins.space.darts.depthwise import DepthwiseConv2d
from nasforge_plugins.space.darts.supernet import partial_join


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 1, 1), (5, 1, 2), (3, 2, 2), (5, 2, 1)])
def test_depthwise_gradients_are_the_librarys(kernel, stride, dilation, layout):
    conv = DepthwiseConv2d(6, kernel, stride, dilation).double()
    x = torch.randn(2, 6, 7, 7).double().contiguous(memory_format=layout).requires_grad_()
    expected = F.conv2d(x, conv.weight, None, stride, conv.padding, dilation, 6)
    out = conv(x)
    seed = torch.randn_like(out)
    torch.testing.assert_close(out, expected)
    for own, theirs in zip(
        torch.autograd.grad(out, (x, conv.weight), seed),
        torch.autograd.grad(expected, (x, conv.weight), seed),
        strict=True,
    ):
        torch.testing.assert_close(own, theirs, rtol=1e-10, atol=1e-10)


def test_depthwise_can_be_differentiated_twice_and_per_sample():
    conv = DepthwiseConv2d(2, 3).double()
    x = torch.randn(2, 2, 4, 4).double().requires_grad_()
    assert torch.autograd.gradgradcheck(conv, (x,))

    def loss(weight, image):
        return torch.func.functional_call(conv, {"weight": weight}, (image[None],)).square().sum()

    each = torch.func.vmap(torch.func.grad(loss), (None, 0))(conv.weight.detach(), x.detach())
    whole = torch.autograd.grad(conv(x).square().sum(), conv.weight)[0]
    torch.testing.assert_close(each.sum(0), whole)


def test_depthwise_works_under_autocast():
    conv = DepthwiseConv2d(4, 3)
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = conv(x)
    out.float().sum().backward()
    assert out.dtype == torch.bfloat16
    assert x.grad.dtype == conv.weight.grad.dtype == torch.float32


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_partial_join_interleaves_groups(layout):
    x = torch.arange(8.0).view(1, 8, 1, 1).expand(2, 8, 3, 3).contiguous(memory_format=layout)
    joined = partial_join(x[:, :2], x[:, 2:], 4)
    assert joined[0, :, 0, 0].tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
    assert joined.is_contiguous(memory_format=layout)
