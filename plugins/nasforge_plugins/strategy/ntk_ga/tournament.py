"""The tournament (II, DARTS step; Fig. 2): groups of candidates train side by side for a short while, one of each wins.

What they compete in depends on the space:

- growing cells: a `Tower` with a layer for each group; the largest alpha wins;
- shared weights: the supernet under one candidate at a time; the smallest validation loss wins;
- whole networks: `LogitMixtures`, one for each group; the largest alpha wins.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge import (
    Architecture,
    Cells,
    Channels,
    Clip,
    Count,
    CountOrZero,
    FitData,
    FitModule,
    LearningRate,
    Mix,
    PlannedNetwork,
    Population,
    Probability,
    Run,
    SearchData,
    SearchSpace,
    Shape,
    Supernet,
    WeightDecay,
    WeightSharing,
    batch_statistics,
    capturable,
    one_hot_l1,
)
from nasforge_plugins.shared.growing_cells import GrowingCells

Loss = Literal["cross_entropy", "l1"]
Groups = Sequence[Sequence[Architecture]]
JUDGED = 0.1
"""The share of a tournament's images that only the judging sees: one of the code's ten subsets."""
LAST_SIDE = 4
"""The side of the map that the tower's linear layer reads."""


@dataclass(frozen=True, kw_only=True)
class Arena:
    """When tournaments are held, and how.

    Attributes:
        period: every how many generations; 0 holds none.
        size: candidates of a group, one of which survives.
        images: how many images a tournament reads; the weights see nine tenths of them.
        epochs: how often the weights see theirs.
        channels, cells: width and depth of supernets and whole networks; None is the space's own.
        dropout: applied to a tower's last features.
    """

    period: CountOrZero = 3
    size: Population = 2
    images: Annotated[int, Field(ge=10, le=1_000_000_000)] = 2000
    epochs: Count = 1
    loss: Loss = "cross_entropy"
    channels: Channels | None = None
    cells: Cells | None = None
    learning_rate: LearningRate = 0.004
    weight_decay: WeightDecay = 1e-5
    clip: Clip = 2.0
    dropout: Probability = 0.2

    def winners(self, groups: Groups, name: str, run: Run) -> list[int]:
        """The place of the winner in each group.

        Args:
            name: of the fit, unique in the run.
        """
        tournament = self.tournament(groups, run)
        tournament.about = [[architecture.to_json() for architecture in group] for group in groups]
        return run.fit(tournament, name, self.epochs, self.data(run.data)).winners

    def tournament(self, groups: Groups, run: Run) -> Tournament:
        """The module to fit, with fresh weights."""
        space, shape, classes = run.space, run.data.input_shape, run.data.classes
        sizes = [len(group) for group in groups]
        adam = {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay}
        options: dict[str, Any] = {"loss": self.loss, "clip": self.clip, **adam}
        if isinstance(space, GrowingCells):
            return AlphaTournament(Tower(groups, space, shape, classes, self.dropout), sizes, **options)
        if isinstance(space, WeightSharing):
            mixes = [space.mix_of(architecture) for group in groups for architecture in group]
            return SharedTournament(space.supernet(shape, classes, **self._size), mixes, sizes, **options)
        return AlphaTournament(LogitMixtures(groups, space, shape, classes, **self._size), sizes, **options)

    def data(self, data: SearchData) -> FitData:
        """Images for the weights and others to judge by.

        Raises:
            DataError: there are too few images for both.
        """
        return data.subset(min(self.images, len(data.train))).split(JUDGED)

    def networks(self, space: SearchSpace, data: SearchData, candidates: int) -> list[PlannedNetwork]:
        """The largest networks of a tournament of that many candidates; none where cells grow."""
        if isinstance(space, GrowingCells):
            return []
        images = min(self.images, len(data.train))
        plan: dict[str, Any] = {
            "batch_size": min(data.batch_size, images - round(images * JUDGED)),
            "lower": "strategy.tournament.channels, strategy.tournament.cells or data.batch_size",
        }
        if isinstance(space, WeightSharing):
            plan["what"] = "the supernet of a tournament"
            return [
                PlannedNetwork.supernet(
                    lambda space: space.supernet(data.input_shape, data.classes, **self._size), data, **plan
                )
            ]
        plan["what"] = "a candidate in a tournament"
        return [PlannedNetwork.any_architecture(data, self._size, copies=candidates, **plan)]

    @property
    def _size(self) -> dict[str, Any]:
        return {"channels": self.channels, "cells": self.cells}


class Tournament(FitModule, ABC):
    """Adam moves the weights on the training images; after the last epoch the validation images judge the candidates.

    Attributes:
        sizes: the number of candidates in each group.
    """

    def __init__(
        self, sizes: Sequence[int], *, loss: Loss, learning_rate: float, weight_decay: float, clip: float
    ) -> None:
        super().__init__(clip=clip)
        self.sizes, self.loss = tuple(sizes), loss
        self._adam: dict[str, Any] = {"lr": learning_rate, "weight_decay": weight_decay}

    @property
    @abstractmethod
    def scores(self) -> list[Tensor]:
        """For each group (candidates,), larger for the better candidate."""

    @property
    def winners(self) -> list[int]:
        """The place of the best candidate in each group; of equal candidates, the first."""
        return [int(scores.argmax()) for scores in self.scores]

    def configure_optimizers(self) -> Any:
        """Adam at a constant rate; the code multiplies the rate by 3 or by 0.5 after each pass."""
        return torch.optim.Adam(self.weights_to_learn, **self._adam)

    def on_train_epoch_end(self) -> None:
        """Judge the candidates after the last epoch."""
        super().on_train_epoch_end()
        if self.current_epoch + 1 == self.trainer.max_epochs:
            with torch.enable_grad():  # type: ignore[no-untyped-call]
                self.judge()

    @abstractmethod
    def judge(self) -> None:
        """Set the scores."""

    def counted_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss that the weights minimize; the cross-entropy is recorded in either case."""
        cross_entropy = self.learn(logits, labels)
        return cross_entropy if self.loss == "cross_entropy" else one_hot_l1(logits, labels)


class AlphaTournament(Tournament):
    """Alphas, all 1 at first, whose softmax weighs the candidates of a group; the largest alpha wins.

    The weights learn under constant alphas; then the alphas alone learn, in one pass over the validation images.

    Args:
        contest: maps images and the weight of each candidate, (candidates,) for each group, to a list of logits
            (B, classes), whose losses are summed.
    """

    def __init__(self, contest: nn.Module, sizes: Sequence[int], **options: Any) -> None:
        super().__init__(sizes, **options)
        self.contest = contest
        self.alphas = nn.ParameterList(torch.ones(size) for size in sizes)

    @property
    def scores(self) -> list[Tensor]:
        """The alphas."""
        return [alpha.detach() for alpha in self.alphas]

    @property
    def weights_to_learn(self) -> list[nn.Parameter]:
        """All parameters but the alphas."""
        return list(self.contest.parameters())

    @capturable
    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """One step of the weights."""
        images, labels = batch
        losses = [self.counted_loss(logits, labels) for logits in self.contest(images, self._shares(self.scores))]
        return torch.stack(losses).sum()

    def judge(self) -> None:
        """One pass of the alphas."""
        adam = torch.optim.Adam(list(self.alphas), **self._adam)
        for batch in self.all_validation_batches(self.data.batch_size):
            gradients = self.gradients(self._loss_of_shares, batch, list(self.alphas))
            for alpha, gradient in zip(self.alphas, gradients, strict=True):
                alpha.grad = gradient
            adam.step()
        adam.zero_grad()

    def _loss_of_shares(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = batch
        function = F.cross_entropy if self.loss == "cross_entropy" else one_hot_l1
        losses = [function(logits, labels) for logits in self.contest(images, self._shares(self.alphas))]
        return torch.stack(losses).sum()

    def _shares(self, alphas: Any) -> list[Tensor]:
        return [alpha.softmax(0) for alpha in alphas]


class SharedTournament(Tournament):
    """Each step trains the supernet under one candidate, drawn uniformly; the smallest validation cross-entropy wins.

    Args:
        mixes: the one-hot mixing weights of the candidates, group after group.
    """

    losses: Tensor

    def __init__(self, supernet: Supernet, mixes: Sequence[Mix], sizes: Sequence[int], **options: Any) -> None:
        super().__init__(sizes, **options)
        self.supernet, self.mixes = supernet, mixes
        self._mix: dict[str, Tensor] = {}
        self.register_buffer("losses", torch.zeros(len(mixes)))

    @property
    def scores(self) -> list[Tensor]:
        """The negative cross-entropies."""
        return list(torch.split(-self.losses, list(self.sizes)))

    def on_train_epoch_start(self) -> None:
        """Seed the epoch's order of candidates."""
        super().on_train_epoch_start()
        self._draw = self.rng("candidates")
        self._mixes = [self.on_device(mix) for mix in self.mixes]
        self._mix = self._mix or {cell: rows.clone() for cell, rows in self._mixes[0].items()}

    def on_train_batch_start(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Draw this step's candidate."""
        drawn = self._mixes[int(self._draw.integers(len(self._mixes)))]
        for cell, rows in self._mix.items():
            rows.copy_(drawn[cell])

    @capturable
    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """One step of the weights that one candidate uses."""
        images, labels = batch
        return self.counted_loss(self.supernet(images, self._mix), labels)

    def judge(self) -> None:
        """Score each candidate with the statistics of each batch: the running ones mix all candidates."""
        batches = list(self.all_validation_batches(self.data.batch_size))
        with batch_statistics(self.supernet):
            scores = self.score_mixes(self.replaying(self.supernet), self.mixes, batches)
        self.losses = self.losses.new_tensor([candidate["cross_entropy"] for candidate in scores])


class Tower(nn.Module):
    """A layer for each group, which concatenates its cells' outputs times their shares; then Dropout, max pooling to
    4x4 and a linear layer.

    Each cell's output is normalized before its share, as in a DARTS supernet. The code normalizes once, behind the last
    layer, where BatchNorm cancels the shares of that layer.

    Args:
        dropout: applied to the features before the linear layer.
    """

    def __init__(self, groups: Groups, space: GrowingCells, input_shape: Shape, classes: int, dropout: float) -> None:
        super().__init__()
        width = input_shape[0]
        self.layers = nn.ModuleList()
        for group in groups:
            self.layers.append(nn.ModuleList(_normalized(space, architecture, width) for architecture in group))
            width = sum(map(space.cell_width, group))
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.AdaptiveMaxPool2d(LAST_SIDE),
            nn.Flatten(),
            nn.Linear(LAST_SIDE**2 * width, classes),
        )

    def forward(self, images: Tensor, shares: Sequence[Tensor]) -> list[Tensor]:
        """One tensor of logits (B, classes), to which all groups contribute."""
        x = images
        for layer, share in zip(self.layers, shares, strict=True):
            assert isinstance(layer, nn.ModuleList)
            x = torch.cat([part * cell(x) for cell, part in zip(layer, share, strict=True)], dim=1)
        return [self.head(x)]


def _normalized(space: GrowingCells, architecture: Architecture, width: int) -> nn.Module:
    cell = space.cell_module(architecture, width)
    return nn.Sequential(cell, nn.BatchNorm2d(space.cell_width(architecture), affine=False))


class LogitMixtures(nn.Module):
    """Each group on its own: its networks' logits, mixed by their shares."""

    def __init__(
        self,
        groups: Groups,
        space: SearchSpace,
        input_shape: Shape,
        classes: int,
        *,
        channels: int | None,
        cells: int | None,
    ) -> None:
        super().__init__()
        self.groups = nn.ModuleList(
            nn.ModuleList(
                space.build(architecture, input_shape, classes, channels=channels, cells=cells)
                for architecture in group
            )
            for group in groups
        )

    def forward(self, images: Tensor, shares: Sequence[Tensor]) -> list[Tensor]:
        """The mixed logits (B, classes) of each group."""
        mixed = []
        for group, share in zip(self.groups, shares, strict=True):
            assert isinstance(group, nn.ModuleList)
            logits = torch.stack([network(images) for network in group])  # (candidates, B, classes)
            mixed.append(torch.einsum("n,nbc->bc", share, logits))
        return mixed
