"""The supernet that fills the first store: chains of all known cells at every width, whose weights are shared."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from nasforge import Architecture, FitModule, Network, Shape, WeightInheritance, WeightStore, entries

PATHS = 4
"""Chains that a step trains; its loss is the sum of theirs."""


class CellSupernet(FitModule):
    """Trains many chains whose tensors are one parameter wherever key and shape are the same.

    The paper stacks all eight cells; the chains of `space.cover()` are that stack at every width. A cell so trained
    knows one neighbourhood alone. Random chains beside it, a few of all in each step, let it meet others (single-path
    one-shot training, Guo et al. 2020). What BatchNorms gather stays with the chains and is thrown away: it must not
    be inherited.

    Args:
        space: whose cells are trained.
        input_shape, classes: of the images.
        channels: initial width, that of the candidates to come.
        chains: how many random ones there are beside the cover's.
        rng: what they are drawn from.
        learning_rate, momentum, weight_decay, clip: SGD, cosine to 0.
    """

    def __init__(
        self,
        space: WeightInheritance,
        input_shape: Shape,
        classes: int,
        *,
        channels: int | None,
        chains: int,
        rng: np.random.Generator,
        learning_rate: float,
        momentum: float,
        weight_decay: float,
        clip: float,
    ) -> None:
        super().__init__(clip=clip)
        self._sgd = (learning_rate, 0.0, momentum, weight_decay)
        self.shared = nn.ParameterList()
        self._places: dict[str, int] = {}
        everyone = [*space.cover(), *(space.sample(rng) for _ in range(chains))]
        # In a plain tuple: their own parameters are no part of this module's state.
        self._networks = tuple(self._taken_in(space, one, input_shape, classes, channels) for one in everyone)

    def _taken_in(
        self,
        space: WeightInheritance,
        architecture: Architecture,
        input_shape: Shape,
        classes: int,
        channels: int | None,
    ) -> tuple[Network, dict[str, int]]:
        """A network, whose tensors join the shared ones, and the places of its own among these, by name."""
        network = space.build(architecture, input_shape, classes, channels=channels)
        own = dict(network.named_parameters())
        found = entries(space, architecture, own)
        for name, entry in found.items():
            if entry not in self._places:
                self._places[entry] = len(self.shared)
                self.shared.append(own[name])
        return network, {name: self._places[entry] for name, entry in found.items()}

    @property
    def networks(self) -> list[nn.Module]:
        """The chains, which are no modules of this one."""
        return [network for network, _ in self._networks]

    def on_train_epoch_start(self) -> None:
        """Begin this epoch's draws of chains; what networks own themselves goes where the parameters are."""
        super().on_train_epoch_start()
        self._draw = self.rng("paths")
        for network, _ in self._networks:
            network.to(self.device).to(self.dtype)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """One step of a few chains."""
        images, labels = batch
        losses = []
        for index in self._draw.choice(len(self._networks), size=min(PATHS, len(self._networks)), replace=False):
            network, places = self._networks[index]
            own = {name: self.shared[place] for name, place in places.items()}
            losses.append(self.learn(functional_call(network, own, (images,)), labels))
        return torch.stack(losses).sum()

    def configure_optimizers(self) -> Any:
        """SGD with a cosine schedule to 0."""
        return self.sgd(*self._sgd)

    def store(self, facts: dict[str, str]) -> WeightStore:
        """What was learned, as the first version of a store."""
        tensors = {entry: self.shared[place].detach().cpu().contiguous() for entry, place in self._places.items()}
        return WeightStore(tensors, facts)
