"""A step of retraining on a GPU."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gpu_steps import PLAIN, Batch, Sizes, Step
from gpu_timing import Timing, timings
from nasforge_plugins.space.darts import DARTS
from plain_network import PlainNetwork
from supernet_speed import check_equal

DROP_PATH, AUXILIARY_WEIGHT = 0.2, 0.4


def retraining_step(sizes: Sizes, device: torch.device) -> dict[str, Timing]:
    """A step of DARTS_V2 with an auxiliary head and drop-path."""
    space = DARTS()
    architecture = space.read("DARTS_V2")
    shape = (3, sizes.side, sizes.side)
    plain = PlainNetwork(architecture, sizes.side, **sizes.network).to(device)
    ours = space.build(architecture, shape, 10, auxiliary=True, **sizes.network).to(device)
    ours.load_state_dict(dict(zip(ours.state_dict(), plain.state_dict().values(), strict=True)))
    images = torch.randn(sizes.retraining_batch, *shape, device=device)
    labels = torch.arange(len(images), device=device) % 10
    check_equal(plain, ours, images)
    drop = torch.zeros((), device=device)
    ours.drop_path = drop
    last = copy.deepcopy(ours).to(memory_format=torch.channels_last)
    last.drop_path = drop
    batch = images, labels
    versions = {
        "": _retraining(ours, batch),
        ", channels_last": _retraining(last, batch),
        ", channels_last, bf16": _retraining(last, batch, bf16=True),
    }
    graphs = {f"graph{how}": step.graph() for how, step in versions.items()}  # compared while no path is dropped
    plain.drop_path = DROP_PATH
    drop.fill_(DROP_PATH)
    eager = {f"eager{how}": step.eager for how, step in versions.items()}
    return timings({PLAIN: _retraining(plain, batch).eager, **eager, **graphs}, device, sizes.repeats)


def _retraining(network: Any, batch: Batch, bf16: bool = False) -> Step:
    def loss(images: Tensor, labels: Tensor) -> Tensor:
        logits, auxiliary = network.with_auxiliary(images)
        return cross_entropy(logits, labels) + AUXILIARY_WEIGHT * cross_entropy(auxiliary, labels)

    return Step(network, loss, batch, bf16)
