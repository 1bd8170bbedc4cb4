"""Pieces of cells: drop-path, folded scales, and the channel shuffle."""

import pytest
import torch
from torch import nn

from nasforge import drop_path, scaled_norm, softmax_per_node, weighted_sum


def test_drop_path_drops_whole_samples_and_divides_the_kept():
    torch.manual_seed(0)
    out = drop_path(torch.ones(4000, 2, 3, 3), 0.2, training=True).flatten(1)
    kept = out[:, 0] > 0
    assert torch.equal(out, out[:, :1].expand_as(out))
    torch.testing.assert_close(out[kept], torch.full_like(out[kept], 1 / 0.8))
    assert kept.float().mean().item() == pytest.approx(0.8, abs=0.03)


def test_drop_path_is_off_in_eval_mode_and_at_zero_and_leaves_its_input_alone():
    x = torch.ones(8, 2, 3, 3)
    assert drop_path(x, 0.5, training=False) is x
    assert drop_path(x, 0.0, training=True) is x
    drop_path(x, 0.5, training=True)
    assert torch.equal(x, torch.ones_like(x))


def test_edge_weights_add_up_to_one_at_each_node():
    betas = torch.randn(4, 9)
    weights = softmax_per_node(betas, (2, 3, 4))
    torch.testing.assert_close(weights[:, 2:5], betas[:, 2:5].softmax(dim=1))
    torch.testing.assert_close(torch.stack([w.sum(1) for w in weights.split([2, 3, 4], dim=1)]), torch.ones(3, 4))


class Substitute(nn.BatchNorm2d):
    """Stands for a BatchNorm that averages over ranks."""


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", [nn.BatchNorm2d, Substitute])
@pytest.mark.parametrize("track", [True, False])
def test_scaled_norm_is_the_norm_times_the_scale(kind, training, track):
    norm, twin = (kind(3, affine=False, track_running_stats=track).double().train(training) for _ in range(2))
    x, scale = torch.randn(4, 3, 5, 5).double(), torch.tensor([0.5, 0.0, 2.0]).double()
    torch.testing.assert_close(scaled_norm(norm, x, scale), twin(x) * scale[:, None, None])
    for name, buffer in twin.named_buffers():
        torch.testing.assert_close(norm.get_buffer(name), buffer)


def test_weighted_sum_leaves_its_inputs_alone():
    x, y, z = torch.randn(3, 2, 4).unbind()
    before = x.clone(), y.clone(), z.clone()
    weight = torch.tensor(0.5)
    torch.testing.assert_close(weighted_sum([(x, None), (y, None), (z, weight)]), x + y + z / 2)
    torch.testing.assert_close(weighted_sum([(x, weight), (y, None), (z, weight)]), x / 2 + y + z / 2)
    assert all(torch.equal(now, then) for now, then in zip((x, y, z), before, strict=True))
    with pytest.raises(ValueError, match="at least one term"):
        weighted_sum([])
