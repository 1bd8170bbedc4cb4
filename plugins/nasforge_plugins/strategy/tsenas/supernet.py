"""The supernet that fills the first store: networks that hold each known cell at every width, trained together."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nasforge import FitModule, Network, Shape, WeightInheritance, WeightStore, entries


class CellSupernet(FitModule):
    """Trains the networks of `space.cover()`; tensors with one key and one shape are one parameter.

    A step's loss is the sum over the networks, so that each cell at each width takes part in every step. What
    BatchNorms gather stays with the networks and is thrown away: it must not be inherited.

    Args:
        space: whose cells are trained.
        input_shape, classes: of the images.
        channels: initial width, that of the candidates to come.
        learning_rate, momentum, weight_decay, clip: SGD, cosine to 0.
    """

    def __init__(
        self,
        space: WeightInheritance,
        input_shape: Shape,
        classes: int,
        *,
        channels: int | None,
        learning_rate: float,
        momentum: float,
        weight_decay: float,
        clip: float,
    ) -> None:
        super().__init__(clip=clip)
        self._sgd = (learning_rate, 0.0, momentum, weight_decay)
        self.shared = nn.ParameterList()
        self._places: dict[str, int] = {}
        self._networks = tuple(self._taken_in(space, one, input_shape, classes, channels) for one in space.cover())

    def _taken_in(
        self, space: WeightInheritance, architecture: Any, input_shape: Shape, classes: int, channels: int | None
    ) -> tuple[Network, dict[str, int]]:
        """A network, whose tensors join the shared ones; and at which place of these each of its own is, by name."""
        network = space.build(architecture, input_shape, classes, channels=channels)
        own = dict(network.named_parameters())
        found = entries(space, architecture, own)
        for name, entry in found.items():
            if entry not in self._places:
                self._places[entry] = len(self.shared)
                self.shared.append(own[name])
        # Kept in a plain tuple: their own parameters are no part of this module's state.
        return network, {name: self._places[entry] for name, entry in found.items()}

    def on_fit_start(self) -> None:
        """What the networks own themselves, the statistics of BatchNorms, goes where the parameters are."""
        for network, _ in self._networks:
            network.to(self.device)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """One step of all networks."""
        images, labels = batch
        losses = []
        for network, places in self._networks:
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
