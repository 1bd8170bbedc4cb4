"""The supernet that fills the first weight store: chains of all known cells at every width, with shared weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call

from nasforge import (
    Architecture,
    Count,
    FitModule,
    Network,
    SGDOptions,
    Shape,
    WeightInheritance,
    WeightStore,
    capturable_in_parts,
    entries,
)

PATHS = 4
"""Chains that one step trains; its loss is the sum of their losses."""


@dataclass(frozen=True, kw_only=True)
class CellSupernetOptions:
    """The supernet of all known cells.

    Attributes:
        epochs: of its training.
        chains: random ones in it, so that cells meet many neighbors.
    """

    epochs: Count = 4
    chains: Annotated[int, Field(ge=0, le=1_000)] = 16


class CellSupernet(FitModule):
    """Algorithm 2, lines 2 and 3: many chains whose tensors are one parameter if they have the same key and shape.

    The paper stacks all eight cells; the chains of `space.cover()` are that stack at every width. In the stack alone, a
    cell is trained with the same neighbors only. Additional random chains, a few of them in each step, train it with
    others (single-path one-shot training, Guo et al. 2020). The running statistics of BatchNorms stay with the chains
    and are thrown away: they must not be inherited.

    Args:
        space: its known cells are trained.
        input_shape, classes: of the images.
        channels: initial width, equal to that of the candidates.
        chains: number of random chains in addition to the cover.
        rng: draws the random chains.
        optimizer: moves the shared weights.
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
        optimizer: SGDOptions,
    ) -> None:
        super().__init__(clip=optimizer.clip)
        self._optimizer = optimizer
        self.shared = nn.ParameterList()
        self._places: dict[str, int] = {}
        architectures = [*space.cover(), *(space.sample(rng) for _ in range(chains))]
        # In a plain tuple, because their own parameters are not part of this module's state.
        self._networks = tuple(
            self._added(space, architecture, input_shape, classes, channels) for architecture in architectures
        )
        self._losses = [partial(self._loss, *chain) for chain in self._networks]

    def _added(
        self,
        space: WeightInheritance,
        architecture: Architecture,
        input_shape: Shape,
        classes: int,
        channels: int | None,
    ) -> tuple[Network, dict[str, int]]:
        """Build a network and add its tensors to the shared ones.

        Returns:
            The network, and for each of its tensors by name the index of the shared parameter.
        """
        network = space.build(architecture, input_shape, classes, channels=channels)
        own = dict(network.named_parameters())
        own_entries = entries(space, architecture, own)
        for name, entry in own_entries.items():
            if entry not in self._places:
                self._places[entry] = len(self.shared)
                self.shared.append(own[name])
        return network, {name: self._places[entry] for name, entry in own_entries.items()}

    @property
    def networks(self) -> list[nn.Module]:
        """The chains, which are not submodules of this one."""
        return [network for network, _ in self._networks]

    def on_train_epoch_start(self) -> None:
        """Begin this epoch's draws of chains, and move the networks' own tensors to the parameters' device."""
        super().on_train_epoch_start()
        self._draw = self.rng("paths")
        for network, _ in self._networks:
            network.to(self.device).to(self.dtype)

    @capturable_in_parts
    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """One step of `PATHS` random chains, each of which a GPU may replay."""
        chains = self._draw.choice(len(self._networks), size=min(PATHS, len(self._networks)), replace=False)
        return torch.stack([self.replayed_loss(self._losses[chain], *batch) for chain in chains]).sum()

    def _loss(self, network: Network, places: dict[str, int], images: Tensor, labels: Tensor) -> Tensor:
        own = {name: self.shared[place] for name, place in places.items()}
        return self.learn(functional_call(network, own, (images,)), labels)

    def configure_optimizers(self) -> Any:
        """SGD with its schedule."""
        sgd = self._optimizer
        return self.sgd(
            sgd.learning_rate,
            sgd.final_learning_rate,
            sgd.momentum,
            sgd.weight_decay,
            schedule=sgd.schedule,
            warmup=sgd.learning_rate_warmup,
        )

    def store(self, facts: dict[str, str]) -> WeightStore:
        """The trained weights, as the first version of a store."""
        tensors = {entry: self.shared[place].detach().cpu().contiguous() for entry, place in self._places.items()}
        return WeightStore(tensors, facts)
