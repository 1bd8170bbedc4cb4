"""A forward pass that is captured once and replayed for every mix, with a tape in the place of a CUDA graph."""

import warnings

import pytest
import torch
from tape import Tape

from nasforge import Replayed, batch_statistics
from nasforge_plugins.space.darts import DARTS
from nasforge_plugins.space.nasbench201 import NASBench201

SPACES = [DARTS(channels=8, cells=3, partial_channels=2), NASBench201(channels=4, cells=1)]


def taped(run, device):
    tape = Tape()
    return tape.replay, tape.capture(run)


def refusing(run, device):
    raise RuntimeError("operation not permitted when stream is capturing\nCompile with TORCH_USE_CUDA_DSA")


class Counting:
    """A forward pass that counts how often Python runs it."""

    def __init__(self, network):
        self.network, self.calls = network, 0

    def __call__(self, images, mix):
        self.calls += 1
        return self.network(images, mix)


def scenes(space, supernet, count=4, batch=6):
    """(images, mix), all different."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        shapes = supernet.alpha_shapes.items()
        alphas = {cell: torch.randn(shape, generator=generator) for cell, shape in shapes}
        yield torch.randn(batch, 1, 8, 8, generator=generator), space.mix(alphas)


@pytest.fixture(params=SPACES, ids=lambda space: space.name)
def both(request):
    torch.manual_seed(0)
    supernet = request.param.supernet((1, 8, 8), 3).eval()
    with torch.no_grad(), batch_statistics(supernet):
        yield request.param, supernet


def test_a_replay_is_the_forward_pass_to_the_bit_under_each_mix_and_after_the_weights_moved(both):
    space, supernet = both
    forward = Counting(supernet)
    replayed = Replayed(forward, taped)
    for images, mix in scenes(space, supernet):
        logits = replayed(images, mix)
        assert torch.equal(logits, supernet(images, mix))
        for parameter in supernet.parameters():
            parameter.mul_(0.9)
    assert forward.calls == 2  # as it is, then once to capture it


def test_each_shape_of_images_is_captured_when_it_comes_again(both):
    space, supernet = both
    forward = Counting(supernet)
    replayed = Replayed(forward, taped)
    calls = []
    for batch in (6, 4, 6, 4, 6, 4):
        ((images, mix),) = scenes(space, supernet, count=1, batch=batch)
        assert torch.equal(replayed(images, mix), supernet(images, mix))
        calls.append(forward.calls)
    assert calls == [1, 2, 3, 4, 4, 4]


def test_earlier_logits_stay_when_later_ones_are_replayed(both):
    space, supernet = both
    replayed = Replayed(supernet, taped)
    images, mixes = zip(*scenes(space, supernet), strict=True)
    together = [replayed(*scene) for scene in zip(images, mixes, strict=True)]
    assert all(torch.equal(logits, supernet(*scene)) for logits, *scene in zip(together, images, mixes, strict=True))


def test_what_cannot_be_captured_runs_as_it_is_after_one_warning(both):
    space, supernet = both
    replayed = Replayed(supernet, refusing)
    (first, second, *others) = scenes(space, supernet)
    replayed(*first)
    with pytest.warns(
        UserWarning, match="without CUDA graphs, which is slower, because operation not permitted"
    ) as said:
        assert torch.equal(replayed(*second), supernet(*second))
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(torch.equal(replayed(*scene), supernet(*scene)) for scene in others)


def test_gradients_need_the_forward_pass_itself(both):
    space, supernet = both
    forward = Replayed(supernet, refusing)
    with torch.enable_grad():
        for images, mix in scenes(space, supernet):
            forward(images, mix).sum().backward()
    assert any(parameter.grad is not None for parameter in supernet.parameters())


def test_a_forward_pass_that_waits_for_the_device_is_never_captured(both):
    space, supernet = both

    def asking(images, mix):
        return supernet(images, mix) * (images.sum().item() > 0)

    replayed = Replayed(asking, taped)
    first, *others = scenes(space, supernet)
    line = asking.__code__.co_firstlineno + 1
    with pytest.warns(UserWarning, match=rf"waits for it \(aten._local_scalar_dense in {__file__}:{line} \(asking\)\)"):
        assert torch.equal(replayed(*first), asking(*first))
    assert all(torch.equal(replayed(*scene), asking(*scene)) for scene in others)
