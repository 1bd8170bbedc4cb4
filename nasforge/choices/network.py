"""A chosen network for the trainer: the user's own module, with what was chosen."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from nasforge.space import Network


class ChosenNetwork(Network):
    """Wraps a user's module; a module that is a `Network` itself, with drop-path or an auxiliary head, needs none."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes)."""
        return cast(Tensor, self.module(images))
