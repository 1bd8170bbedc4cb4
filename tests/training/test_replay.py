"""A forward pass that is captured once and replayed for every mix, with a tape in the place of a CUDA graph."""

import pytest
import torch
from tape import Tape

from nasforge import batch_statistics
from nasforge.devices.graphs import WARM_UP
from nasforge.devices.replay import Replayed
from nasforge.training.captured_steps import replaying
from nasforge_plugins.space.darts import DARTS
from nasforge_plugins.space.nasbench201 import NASBench201

SPACES = [DARTS(channels=8, cells=3, partial_channels=2), NASBench201(channels=4, cells=1)]


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
    replayed = Replayed(forward, Tape, pytest.fail)
    for images, mix in scenes(space, supernet, count=WARM_UP + 4):
        assert torch.equal(replayed(images, mix), supernet(images, mix))
        for parameter in supernet.parameters():
            parameter.mul_(0.9)
    assert forward.calls == WARM_UP + 1  # once more to capture it


def test_each_shape_of_images_has_a_graph(both):
    space, supernet = both
    forward = Counting(supernet)
    replayed = Replayed(forward, Tape, pytest.fail)
    for batch in (6, 4) * (WARM_UP + 2):
        ((images, mix),) = scenes(space, supernet, count=1, batch=batch)
        assert torch.equal(replayed(images, mix), supernet(images, mix))
    assert forward.calls == 2 * (WARM_UP + 1)


def test_earlier_logits_stay_when_later_ones_are_replayed(both):
    space, supernet = both
    replayed, several = Replayed(supernet, Tape, pytest.fail), list(scenes(space, supernet, count=WARM_UP + 4))
    logits = [replayed(*scene) for scene in several]
    assert all(torch.equal(own, supernet(*scene)) for own, scene in zip(logits, several, strict=True))


def test_gradients_need_the_forward_pass_itself(both):
    space, supernet = both
    forward = Replayed(supernet, pytest.fail, pytest.fail)  # no graph is made
    with torch.enable_grad():
        for images, mix in scenes(space, supernet):
            forward(images, mix).sum().backward()
    assert any(parameter.grad is not None for parameter in supernet.parameters())


def test_a_forward_pass_that_waits_for_the_device_stays_as_it_is(both):
    space, supernet = both

    def asking(images, mix):
        return supernet(images, mix) * (images.sum().item() > 0)

    said = []
    replayed = Replayed(asking, Tape, said.append)
    assert all(torch.equal(replayed(*scene), asking(*scene)) for scene in scenes(space, supernet, count=WARM_UP + 2))
    line = asking.__code__.co_firstlineno + 1
    assert said == [f"aten._local_scalar_dense in {__file__}:{line} (asking) makes the device wait for the host"]


def test_scores_are_replayed_on_a_gpu_alone_unless_the_user_says_no():
    def forward(images, mix):
        return images

    assert replaying(forward, "a test", "cpu", "auto") is forward
    assert replaying(forward, "a test", "cuda:0", False) is forward
    assert isinstance(replaying(forward, "a test", "cuda:0", "auto"), Replayed)
