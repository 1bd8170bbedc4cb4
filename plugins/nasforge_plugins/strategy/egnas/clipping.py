"""Gradient clipping as in EG-NAS's published code; the paper clips like DARTS."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nasforge import Supernet, SupernetModule, WeightSharing, capturable


class CountedAlphas(SupernetModule):
    """A supernet module whose gradient norm may include the alphas, as in the published code.

    In that code, nothing clears the alphas' gradients, so they accumulate. The norm that clips the weights includes
    them, so the weights move less and less. No optimizer uses these gradients.

    Args:
        supernet, space, weights: see `SupernetModule`.
        counted: whether the norm includes the alphas; if not, this is a plain `SupernetModule`.
    """

    def __init__(self, supernet: Supernet, space: WeightSharing, *, counted: bool, **weights: Any) -> None:
        super().__init__(supernet, space, **weights)
        self._counted = counted
        self._live: dict[str, Tensor] = {}
        if counted:
            for name, tensor in _named(self.alphas, self.betas).items():
                self.register_buffer(f"gradient_{name}", torch.zeros_like(tensor))

    @property
    def leaves(self) -> list[Tensor]:
        """The weights, and the alphas and betas of this step if the norm includes them."""
        return [*super().leaves, *self._live.values()]

    @capturable
    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """One step of the weights; the alphas get gradients if the norm includes them."""
        if not self._counted:
            return super().training_step(batch, batch_index)
        images, labels = batch
        alphas, betas = (
            {cell: tensor.clone().requires_grad_() for cell, tensor in (tensors or {}).items()}
            for tensors in (self.alphas, self.betas)
        )
        self._live = _named(alphas, betas)
        return self.learn(self.supernet(images, self.space.mix(alphas, betas or None)), labels)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradient norm of the weights, or of weights and alphas."""
        if not self._counted:
            super().on_before_optimizer_step(optimizer)
            return
        for name, tensor in self._live.items():
            gathered = getattr(self, f"gradient_{name}")
            tensor.grad = gathered.clone() if tensor.grad is None else gathered + tensor.grad
        nn.utils.clip_grad_norm_([*self.weights_to_learn, *self._live.values()], self.clip)
        for name, tensor in self._live.items():
            getattr(self, f"gradient_{name}").copy_(tensor.grad)


def _named(alphas: dict[str, Tensor], betas: dict[str, Tensor] | None) -> dict[str, Tensor]:
    """All tensors by buffer name."""
    return {f"alpha_{c}": t for c, t in alphas.items()} | {f"beta_{c}": t for c, t in (betas or {}).items()}
