"""How good a network is on images that it does not learn from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, l1_loss, one_hot

from nasforge.data import Preprocessing
from nasforge.devices.transfer import sent
from nasforge.images import ImageSet


def one_hot_l1(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean absolute difference of logits (B, classes) from one-hot labels (B,)."""
    return l1_loss(logits, one_hot(labels, logits.shape[1]).to(logits.dtype))


def ordered_batches(
    images: ImageSet, preprocessing: Preprocessing, size: int, device: torch.device | str
) -> Iterator[tuple[Tensor, Tensor]]:
    """All images once, normalised, in their own order, in batches of `size`."""
    for places in torch.split(torch.arange(len(images)), size):
        pixels, labels = images[places]
        yield preprocessing.normalize(sent(pixels, device)), sent(labels, device)


def score(forward: Any, batches: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Mean `accuracy` (fraction) and `cross_entropy` (nats) of `forward(images) -> logits` over batches."""
    return means([totals(forward, batches)])[0]


@torch.no_grad()
def totals(forward: Any, batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Float64 (3,): the number of correct predictions, the sum of losses, and the number of images.

    They stay on the device of the batches, which may still be computing them.
    """
    return reduce(torch.add, (_counted(forward(images).float(), labels) for images, labels in batches))


def means(totals: Sequence[Tensor]) -> list[dict[str, float]]:
    """What `score` returns, for each of several `totals`; the CPU waits here, once, until all are computed."""
    return [
        {"accuracy": correct / count, "cross_entropy": loss / count}
        for correct, loss, count in torch.stack(list(totals)).tolist()
    ]


def _counted(logits: Tensor, labels: Tensor) -> Tensor:
    loss = cross_entropy(logits, labels, reduction="sum").double()
    correct = (logits.argmax(1) == labels).sum()
    return torch.stack([correct.double(), loss, torch.full_like(loss, len(labels))])
