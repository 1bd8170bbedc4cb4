"""The short fits of a tournament. Each ends with scores: of every candidate one number, larger for the better one."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge import FitModule, Mix, Supernet, batch_statistics, one_hot_l1, ordered_batches

from .contests import Contest

Loss = Literal["cross_entropy", "l1"]


class Tournament(FitModule, ABC):
    """Adam on the weights over the training images; then, once, the candidates are judged on the validation images.

    Attributes:
        sizes: how many candidates each group has.
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
        """Of each group, one for each of its candidates."""

    @property
    def winners(self) -> list[int]:
        """The place of the best candidate in each group; the first one of equal ones."""
        return [int(scores.argmax()) for scores in self.scores]

    def configure_optimizers(self) -> Any:
        """Adam at a constant rate; the seed's code triples or halves it after every pass."""
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
        """What the weights minimise; the cross-entropy is counted in either case."""
        cross_entropy = self.learn(logits, labels)
        return cross_entropy if self.loss == "cross_entropy" else one_hot_l1(logits, labels)

    def validation(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches (images, labels) of the validation images."""
        images = self.data.validation
        assert images is not None  # tournaments fit on a split
        size = math.ceil(len(images) / math.ceil(len(images) / self.data.batch_size))  # no last one of a few images
        return ordered_batches(images, self.data.preprocessing, size, self.device, self.portion)


class AlphaTournament(Tournament):
    """Alphas, at first all 1, whose softmax are the shares of a contest; the largest one wins.

    The weights learn with the alphas as they are; then the alphas alone learn, in one pass over the validation images.
    """

    def __init__(self, contest: Contest, sizes: Sequence[int], **options: Any) -> None:
        super().__init__(sizes, **options)
        self.contest = contest
        self.alphas = nn.ParameterList(torch.ones(size) for size in sizes)

    @property
    def scores(self) -> list[Tensor]:
        """The alphas."""
        return [alpha.detach() for alpha in self.alphas]

    @property
    def weights_to_learn(self) -> list[nn.Parameter]:
        """All but the alphas."""
        return list(self.contest.parameters())

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """One step of the weights."""
        images, labels = batch
        losses = [self.counted_loss(logits, labels) for logits in self.contest(images, self._shares(self.scores))]
        return torch.stack(losses).sum()

    def judge(self) -> None:
        """One pass of the alphas."""
        adam = torch.optim.Adam(list(self.alphas), **self._adam)
        function = F.cross_entropy if self.loss == "cross_entropy" else one_hot_l1
        for images, labels in self.validation():
            logits = self.contest(images.to(self.dtype), self._shares(self.alphas))
            loss = torch.stack([function(one, labels) for one in logits]).sum()
            weighed = self.weight(len(labels)) * loss
            gradients = self.averages(torch.autograd.grad(weighed, list(self.alphas)))
            for alpha, gradient in zip(self.alphas, gradients, strict=True):
                alpha.grad = gradient
            adam.step()
        adam.zero_grad()

    def _shares(self, alphas: Any) -> list[Tensor]:
        return [alpha.softmax(0) for alpha in alphas]


class SharedTournament(Tournament):
    """On spaces that share weights: each step trains the supernet under one candidate, drawn uniformly; the smallest
    cross-entropy on the validation images wins.

    Args:
        mixes: one-hot mixing weights of the candidates, group after group.
    """

    losses: Tensor

    def __init__(self, supernet: Supernet, mixes: Sequence[Mix], sizes: Sequence[int], **options: Any) -> None:
        super().__init__(sizes, **options)
        self.supernet, self.mixes = supernet, mixes
        self.register_buffer("losses", torch.zeros(len(mixes)))

    @property
    def scores(self) -> list[Tensor]:
        """Minus the cross-entropies."""
        return list(torch.split(-self.losses, list(self.sizes)))

    def on_train_epoch_start(self) -> None:
        """The epoch's order of candidates."""
        super().on_train_epoch_start()
        self._draw = self.rng("candidates")

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """One step of the weights that one candidate uses."""
        images, labels = batch
        mix = self._on_device(self.mixes[int(self._draw.integers(len(self.mixes)))])
        return self.counted_loss(self.supernet(images, mix), labels)

    def judge(self) -> None:
        """Score every candidate, normalised by each batch: running statistics belong to no single one."""
        batches = list(self.validation())
        with batch_statistics(self.supernet):
            for place, mix in enumerate(self.mixes):
                found = self.score(partial(self.supernet, mix=self._on_device(mix)), batches)
                self.losses[place] = found["cross_entropy"]

    def _on_device(self, mix: Mix) -> Mix:
        return {cell: rows.to(self.device).to(self.dtype) for cell, rows in mix.items()}
