"""The supernet whose alphas evolve: lines 2, 3 and 17 of Algorithm 1, as a Lightning module."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from nasforge import Mix, Supernet, SupernetModule, WeightSharing, batch_statistics
from nasforge_plugins.strategy.egnas.alphas import Alphas, Vector

if TYPE_CHECKING:
    from nasforge_plugins.strategy.egnas.algorithm import EGNAS, Individual


class EvolvedAlphas(SupernetModule):
    """An epoch of weights, then (or, as the published code has it, before) a step of the alphas."""

    explains: ClassVar[Mapping[str, str]] = {
        "es_accuracy": "the individual of the evolution strategy whose direction the alphas took",
        "parent_accuracy": "the alphas before that step, on the same few validation images",
        "es_fitness": "that individual's cross-entropy and similarity to the alphas (eq. 7), the smaller the better",
    }

    def __init__(self, supernet: Supernet, space: WeightSharing, method: EGNAS, **weights: Any) -> None:
        super().__init__(supernet, space, **weights)
        self.method = method
        if method.clip_counts_alphas:
            for name, tensor in self._architecture().items():
                self.register_buffer(f"gradient_{name}", torch.zeros_like(tensor))

    def work(self, epochs: int, batches: int) -> int:
        """Batches of the weights and individuals of the ES."""
        return epochs * batches + max(0, epochs - self.method.warmup_epochs) * self.method.judged_per_step

    def on_train_epoch_start(self) -> None:
        """The published code moves the alphas before the epoch's weights."""
        super().on_train_epoch_start()
        if self.method.order == "es_first":
            self._move_alphas()

    def on_train_epoch_end(self) -> None:
        """The paper moves them after the weights (line 3 comes before line 4)."""
        super().on_train_epoch_end()
        if self.method.order == "weights_first":
            self._move_alphas()

    def _move_alphas(self) -> None:
        method = self.method
        if self.current_epoch < method.warmup_epochs:
            return
        parent = Alphas(self.alphas, self.betas, self.space, method.search_in, method.row_normalize)
        batches = self.validation_batches(
            method.validation_batches, method.validation_batch_size, augment=method.augment_validation
        )
        training = self.supernet.training
        self.supernet.eval()
        with batch_statistics(self.supernet) if method.statistics == "batch" else nullcontext():
            parent_accuracy = self._score(parent.parent_mix(), batches)["accuracy"]
            judge = partial(self._judge, parent, parent_accuracy, batches)
            moved, best = method.step(parent, judge, self.current_epoch, self.rng("directions"))
        self.supernet.train(training)
        for named, current in zip(parent.named(moved), (self.alphas, self.betas), strict=True):
            for cell, tensor in (named or {}).items():
                (current or {})[cell].copy_(tensor)
        self.record(es_accuracy=best.accuracy, parent_accuracy=parent_accuracy, es_fitness=best.fitness)

    def _judge(self, parent: Alphas, parent_accuracy: float, batches: list[Any], z: Vector) -> Individual:
        """Line 8: one individual, on the parent's batches."""
        scores = self._score(parent.mix(z), batches)
        self.advance()
        return self.method.judged(z, parent, scores["cross_entropy"], scores["accuracy"], parent_accuracy)

    def _score(self, mix: Mix, batches: list[Any]) -> dict[str, float]:
        on_device = {cell: rows.to(self.device).to(self.dtype) for cell, rows in mix.items()}
        return self.score(partial(self.supernet, mix=on_device), batches)

    def _architecture(self) -> dict[str, Tensor]:
        betas = self.betas or {}
        return {f"alpha_{c}": t for c, t in self.alphas.items()} | {f"beta_{c}": t for c, t in betas.items()}

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """Line 3: one step of the weights. The published code lets the alphas gather gradients that nothing clears."""
        if not self.method.clip_counts_alphas:
            return super().training_step(batch, batch_index)
        images, labels = batch
        alphas, betas = (
            {cell: tensor.clone().requires_grad_() for cell, tensor in (named or {}).items()}
            for named in (self.alphas, self.betas)
        )
        self._live = {f"alpha_{c}": t for c, t in alphas.items()} | {f"beta_{c}": t for c, t in betas.items()}
        return self.learn(self.supernet(images, self.space.mix(alphas, betas or None)), labels)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip; in the published code the norm counts the alphas' gathered gradients, so weights move less and less."""
        if not self.method.clip_counts_alphas:
            super().on_before_optimizer_step(optimizer)
            return
        gradients = [torch.zeros_like(live) if live.grad is None else live.grad for live in self._live.values()]
        for (name, tensor), gradient in zip(self._live.items(), self.averages(gradients), strict=True):
            tensor.grad = getattr(self, f"gradient_{name}") + gradient
        nn.utils.clip_grad_norm_([*self.weights_to_learn, *self._live.values()], self.clip)
        for name, tensor in self._live.items():
            getattr(self, f"gradient_{name}").copy_(tensor.grad)
