"""The bilevel optimization of DARTS as a Lightning module; equations are the paper's (Liu et al., ICLR 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nasforge import Supernet, SupernetModule, WeightSharing, batch_statistics
from nasforge_plugins.strategy.darts.collapse import parameter_free
from nasforge_plugins.strategy.darts.unrolled import architecture_gradient, unrolled_gradient

Batch = tuple[Tensor, Tensor]
ADAM_BETAS = (0.5, 0.999)
SCORED_AT_ONCE = 256


class GradientAlphas(SupernetModule):
    """One step of the alphas on validation images, then one of the weights on training images (Algorithm 1).

    Args:
        supernet, space, weights: see `SupernetModule`.
        epochs: number of epochs of the fit; `trace` has room for this many mixes.
        alphas, betas: initial values by cell type, (edges, columns) and (edges,), which are copied; None draws them.
        order: 1 uses the current weights (xi = 0), 2 unrolls one step of the weights (eqs. 7 and 8).
        warmup_epochs: number of epochs that train only the weights.
        alpha_learning_rate, alpha_weight_decay: options of Adam, which moves alphas and betas.
        augment_validation: whether the alphas' images are augmented, as in the published code.

    Raises:
        ValueError: the initial alphas or betas do not have this supernet's cell types and shapes.
    """

    explains: ClassVar[Mapping[str, str]] = {
        "validation_accuracy": "the supernet under its current alphas, on the images that move them",
        "validation_loss": "cross-entropy of the supernet under its current alphas, on the images that move them",
        "parameter_free_operations": "in the derived cell",
    }

    def __init__(
        self,
        supernet: Supernet,
        space: WeightSharing,
        *,
        epochs: int,
        alphas: Mapping[str, Tensor] | None = None,
        betas: Mapping[str, Tensor] | None = None,
        order: Literal[1, 2] = 1,
        warmup_epochs: int = 0,
        alpha_learning_rate: float = 3e-4,
        alpha_weight_decay: float = 1e-3,
        augment_validation: bool = True,
        **weights: Any,
    ) -> None:
        super().__init__(supernet, space, **weights)
        _begin("alphas", self.alphas, alphas)
        _begin("betas", self.betas or {}, betas)
        self.order, self.warmup_epochs, self.augment_validation = order, warmup_epochs, augment_validation
        self._alpha_options = (alpha_learning_rate, ADAM_BETAS, 1e-8, alpha_weight_decay)
        self._adam_state: dict[str, Any] | None = None
        for cell, rows in self._softmaxed().items():
            self.register_buffer(f"trace_{cell}", torch.zeros(epochs + 1, *rows.shape))
        self._trace(0)

    @property
    def trace(self) -> dict[str, Tensor]:
        """Softmax of the alphas (finished epochs + 1, edges, operations) by cell type, at the start and after each
        epoch. It excludes the betas; see `edge_weights`."""
        done = max(map(len, self.history.values()), default=0)
        return {cell: getattr(self, f"trace_{cell}")[: done + 1] for cell in self.alphas}

    @property
    def edge_weights(self) -> dict[str, Tensor] | None:
        """Softmax of the betas (edges,) over the edges into each node, by cell type; None without betas."""
        if self.betas is None:
            return None
        mix = self.mix  # alpha times beta: only the space knows which edges share a node
        return {cell: mix[cell].sum(-1) / rows.sum(-1) for cell, rows in self._softmaxed().items()}

    def work(self, epochs: int, batches: int) -> int:
        """The number of batches for the weights plus those for the alphas."""
        return batches * (epochs + max(0, epochs - self.warmup_epochs))

    def configure_optimizers(self) -> Any:
        """SGD for the weights, which Lightning steps, and Adam for alphas and betas, which this module steps."""
        self._adam = torch.optim.Adam(self._architecture(), *self._alpha_options)
        if self._adam_state is not None:
            self._adam.load_state_dict(self._adam_state)
        return super().configure_optimizers()

    def on_train_epoch_start(self) -> None:
        """Seed this epoch's draws of validation images, which are with replacement across steps."""
        super().on_train_epoch_start()
        self._draw = self.generator("validation")

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Step the alphas, after the warm-up; the step of the weights follows."""
        if self.current_epoch >= self.warmup_epochs:
            with self.trainer.precision_plugin.train_step_context():
                self._move_alphas(batch, self.data.images_in_batch(batch_idx))
            self.advance()

    def on_train_epoch_end(self) -> None:
        """Record the validation scores, the mix, and the parameter-free operations of the derived cell."""
        super().on_train_epoch_end()
        scores = self._validated()
        self.record(validation_loss=scores["cross_entropy"], validation_accuracy=scores["accuracy"])
        free, _ = parameter_free(self.space.derive(self.mix), self.space)
        self.record(parameter_free_operations=free)
        self._trace(self.current_epoch + 1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add Adam's moments to the checkpoint."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["nasforge_adam"] = self._adam.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep Adam's moments until `configure_optimizers`, which comes later, makes the optimizer."""
        super().on_load_checkpoint(checkpoint)
        self._adam_state = checkpoint["nasforge_adam"]

    def loss(self, batch: Batch, architecture: Sequence[Tensor]) -> Tensor:
        """L_val(w, alpha) or L_train(w, alpha), depending on the batch.

        Args:
            architecture: alphas and betas, as `live` returns them.
        """
        images, labels = batch
        return cross_entropy(self.supernet(images, self._mix_of(architecture)), labels)

    def live(self) -> list[Tensor]:
        """Alphas, then betas, as leaf tensors with gradients that share the memory of the buffers."""
        return [tensor.detach().requires_grad_() for tensor in self._architecture()]

    def _move_alphas(self, training: Batch, size: int) -> None:
        validation = self._validation_batch(size)
        if self.order == 2:
            gradients = unrolled_gradient(self, training, validation)
        else:
            gradients = self.replayed(self._first_order, *validation)
        for tensor, gradient in zip(self._architecture(), gradients, strict=True):
            tensor.grad = gradient
        self._adam.step()

    def _first_order(self, *validation: Tensor) -> list[Tensor]:
        return architecture_gradient(self, (validation[0], validation[1]))

    def _validation_batch(self, size: int) -> Batch:
        validation = self.data.validation
        assert validation is not None  # fits of one-shot methods read halves()
        chosen = torch.randperm(len(validation), generator=self._draw)[:size]
        return self.validation_batch(chosen, self._draw if self.augment_validation else None)

    def _validated(self) -> dict[str, float]:
        """`accuracy` and `cross_entropy` on all validation images without augmentation. BatchNorm uses the statistics
        of each batch, because the running ones belong to weights and mixes of the last few hundred steps."""
        training = self.supernet.training
        self.supernet.eval()
        with batch_statistics(self.supernet):
            forward = partial(self.replaying(self.supernet), mix=self.mix)
            scores = self.score(forward, self.all_validation_batches(SCORED_AT_ONCE))
        self.supernet.train(training)
        return scores

    def _architecture(self) -> list[Tensor]:
        return [*self.alphas.values(), *(self.betas or {}).values()]

    def _mix_of(self, architecture: Sequence[Tensor]) -> Any:
        alphas = dict(zip(self.alphas, architecture, strict=False))
        betas = dict(zip(self.betas or {}, architecture[len(alphas) :], strict=True))
        return self.space.mix(alphas, betas or None)

    def _softmaxed(self) -> dict[str, Tensor]:
        mix = self.space.mix(self.alphas)
        return {cell: mix[cell] for cell in self.alphas}

    def _trace(self, epochs: int) -> None:
        for cell, rows in self._softmaxed().items():
            getattr(self, f"trace_{cell}")[epochs] = rows


def _begin(what: str, own: Mapping[str, Tensor], given: Mapping[str, Tensor] | None) -> None:
    if given is None:
        return
    has, takes = ({cell: tuple(tensor.shape) for cell, tensor in named.items()} for named in (given, own))
    if has != takes:
        raise ValueError(f"the initial {what} have {has}; this supernet needs {takes or 'none'}")
    for cell, tensor in given.items():
        own[cell].copy_(tensor)
