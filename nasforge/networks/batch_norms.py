"""The statistics of the BatchNorms of networks that share weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def batch_statistics(module: nn.Module) -> Iterator[None]:
    """Inside, every BatchNorm normalises with the statistics of its batch and does not update running ones.

    Running statistics belong to the mixture they were gathered with; scores of another mixture with them are biased.
    """
    norms = _norms(module)
    before = [(norm.training, norm.track_running_stats) for norm in norms]
    for norm in norms:
        norm.training, norm.track_running_stats = True, False
    try:
        yield
    finally:
        for norm, (training, track) in zip(norms, before, strict=True):
            norm.training, norm.track_running_stats = training, track


@torch.no_grad()
def recalibrate(module: nn.Module, forward: Callable[[Tensor], Tensor], batches: Iterable[Tensor]) -> None:
    """Set the running statistics of every BatchNorm of `module` to their means over the batches of images.

    The other layers keep their mode: a supernet in eval mode computes only the operations of its mix (Guo et al. 2020).

    Args:
        forward: passes images through `module`.
    """
    norms = _norms(module)
    before = [(norm.training, norm.momentum) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.training, norm.momentum = True, None
    try:
        for images in batches:
            forward(images)
    finally:
        for norm, (training, momentum) in zip(norms, before, strict=True):
            norm.training, norm.momentum = training, momentum


def _norms(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
