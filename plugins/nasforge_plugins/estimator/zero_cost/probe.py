"""A network with a batch of images, and the passes through it that several proxies share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge import one_hot_l1

from .recording import Call, LayerCalls, Rectifiers, layer_weights
from .spectrum import Degenerate

Loss = Callable[[Tensor, Tensor], Tensor]


LOSSES: Mapping[str, Loss] = {"cross_entropy": F.cross_entropy, "l1": one_hot_l1}
CANCELLED = 1e-4
"""Gradients below this share of those under constant statistics are rounding noise. In random cells of five spaces, the
gradient of the sum of the logits had less than 1e-6 or more than 1e-2 of the length of that with random signs."""
SUSPECT = 1e-2
"""Gradients that, times an image, explain less than this share of the differences between logits may be noise."""


@dataclass(frozen=True)
class LossPass:
    """The result of one backward pass from the loss.

    Attributes:
        weights: those of the layers that it reached.
        gradients: of the loss with respect to each of these weights.
        calls: the calls of layers that it reached.
    """

    weights: list[Tensor]
    gradients: list[Tensor]
    calls: list[Call]


@dataclass(frozen=True)
class ImagePass:
    """The result of one backward pass from the sum of the logits to the images.

    Attributes:
        jacobian: (B, C * H * W); None if the logits do not depend on the images.
        logits: (B, classes).
        rectifiers: which units were on, and which ReLUs the pass reached.
    """

    jacobian: Tensor | None
    logits: Tensor
    rectifiers: Rectifiers


class Probe:
    """A network at its initial weights and one batch, for proxies to read. The given network is never changed.

    Args:
        network: gives logits (B, classes). The probe works on a copy, in training mode.
        images: (B, C, H, W), normalized.
        labels: (B,).
        loss: of logits and labels.
        image_similarity: whether `gradient_image_correlation` weights a pair of images by how alike they are.
    """

    def __init__(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        loss: Loss = F.cross_entropy,
        image_similarity: bool = True,
    ) -> None:
        self.network = copy.deepcopy(network).train()
        self.images, self.labels, self.loss, self.image_similarity = images, labels, loss, image_similarity

    def logits(self, images: Tensor | None = None) -> Tensor:
        """(B, classes), of the probe's own images by default. The network gets a copy, since it may work in place."""
        logits: Tensor = self.network((self.images if images is None else images).clone())
        return logits

    @cached_property
    def loss_pass(self) -> LossPass:
        """One forward and one backward pass.

        Raises:
            Degenerate: no layer has weights, or no gradient reaches a layer, or all gradients are zero.
        """
        weights = self.weights
        with LayerCalls(weights) as record:
            loss = self.loss(self.logits(), self.labels)
        gradients = gradients_of(loss, weights)
        reached = [(w, g) for w, g in zip(weights, gradients, strict=True) if g is not None]
        if not any(bool(gradient.any()) for _, gradient in reached):
            raise Degenerate("no gradient reaches any of its layers")
        calls = [call for call in record.calls if call.gradient is not None]
        return LossPass([w.detach() for w, _ in reached], [g for _, g in reached], calls)

    @cached_property
    def weights(self) -> list[Tensor]:
        """Trainable weights of convolutions and linear layers; `Degenerate` if there are none."""
        weights = layer_weights(self.network)
        if not weights:
            raise Degenerate("it has no convolution and no linear layer to train")
        return weights

    @cached_property
    def image_pass(self) -> ImagePass:
        """One forward pass, and one backward pass from the sum of all logits to the images.

        Raises:
            Degenerate: the logits are not finite.
        """
        images = self.images.clone().requires_grad_()
        with Rectifiers() as record:
            logits = self.logits(images)
        check_finite(logits)
        return ImagePass(_by_images(logits, images), logits.detach(), record)

    @cached_property
    def jacobian(self) -> Tensor:
        """(B, C * H * W), in row n the gradient of the sum of all logits by image n; `Degenerate` if there is none.

        In training mode, BatchNorm makes the sum of its outputs over a batch a constant. In a network that ends in one,
        the gradient is therefore zero but for rounding, and statistics count as constants instead.
        """
        rows, logits = self.image_pass.jacobian, self.image_pass.logits
        if rows is None:
            raise Degenerate("its logits do not depend on the images")
        moved = float(rows.norm() * self.images.norm())
        if moved > SUSPECT * float((logits - logits.mean(0)).norm()) * len(rows):
            return rows
        images = self.images.clone().requires_grad_()
        with self.constant_statistics():
            held = _by_images(self.logits(images), images)
        return rows if held is None or float(rows.norm()) > CANCELLED * float(held.norm()) else held

    @property
    def cancels(self) -> bool:
        """Whether BatchNorm makes the sum of the logits over the batch a constant."""
        return self.jacobian is not self.image_pass.jacobian

    @staticmethod
    def constant_statistics() -> LayerCalls:
        """Return a context in which the gradient of an image's logits does not pass through another image."""
        return LayerCalls((), hold_statistics=True)

    @property
    def rectifiers(self) -> Rectifiers:
        """Which units are on, and which ReLUs a backward pass reaches; `Degenerate` if there are no ReLUs."""
        if not self.image_pass.rectifiers.on:
            raise Degenerate("it has no ReLU")
        return self.image_pass.rectifiers


def _by_images(logits: Tensor, images: Tensor) -> Tensor | None:
    """The gradient (B, C * H * W) of the sum of the logits; None if they do not depend on the images."""
    rows = torch.autograd.grad(logits.sum(), images, allow_unused=True)[0] if logits.requires_grad else None
    return None if rows is None else rows.flatten(1)


def check_finite(logits: Tensor) -> None:
    """Raise a `Degenerate` if the logits are not finite: the signs of units would mean nothing."""
    if not torch.isfinite(logits).all():
        raise Degenerate("its logits are not finite")


def gradients_of(value: Tensor, by: list[Tensor]) -> tuple[Tensor | None, ...]:
    """The gradient of a scalar by each tensor, None where it does not depend on it; `Degenerate` if it has none."""
    if not value.requires_grad:
        raise Degenerate("its logits have no gradient")
    gradients: tuple[Tensor | None, ...] = torch.autograd.grad(value, by, allow_unused=True)
    return gradients
