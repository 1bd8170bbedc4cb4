"""The Lightning modules that `Run.fit` trains: what all fits share, and a supernet's weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nasforge.data import FitData
from nasforge.devices.portions import ALONE, Member
from nasforge.devices.replay import Forward
from nasforge.devices.transfer import sent
from nasforge.errors import NasforgeError
from nasforge.randomness import generator_of, rng_of, seed_everything, seed_of
from nasforge.registry.ranges import Schedule
from nasforge.space import Mix, Supernet, WeightSharing
from nasforge.training.captured_steps import CapturedParts, capturable
from nasforge.training.schedules import scheduler
from nasforge.training.scoring import means, totals

Batch = tuple[Tensor, Tensor]
"""Images (B, C, H, W), as the network reads them, and labels (B,)."""


class DivergedError(NasforgeError):
    """A loss that is not a finite number."""


class FitModule(pl.LightningModule):
    """A Lightning module whose every draw is a function of (run seed, fit name, epoch, purpose).

    So an epoch that is run again after a crash repeats itself to the bit. Subclasses write `training_step` by way of
    `learn`, and `configure_optimizers`. Gradients are clipped to `clip`; history is kept per epoch.

    Several processes may share a fit; a subclass is written as if there were one. It takes the mean of a loss over the
    batch that it is given, reads other images with `validation_batch` and its relatives, and decides by what `score`
    and `gradients` return. Each process then has a part of every batch, and these results are those of the whole batch.

    Attributes:
        data: what this fit reads; set by `bind`.
        about: what else decides the fit's outcome, as JSON: everything that is in neither the class, the tensors nor
            the data. It is part of the fit's key.
        advance: moves the progress bar by one unit of `work`; set by `Run.fit`.
        history: metric name -> one value per epoch (None where an epoch has none).
        accumulate: number of batches whose gradients make one step of the optimizer.
        differs: how one step differs from another in what it computes, if its `training_step` has no mark.
        explains: what each metric is that the class itself records, in a few words; shown with the curves.
    """

    data: FitData
    about: Any = None
    explains: ClassVar[Mapping[str, str]] = {
        "train_accuracy": "on the augmented training images, while the weights move",
        "train_loss": "cross-entropy on the augmented training images, while the weights move",
    }
    accumulate = 1
    differs: ClassVar[str] = ""
    advance: Callable[[], object] = dict  # does nothing, and can be pickled

    def __init__(self, *, clip: float) -> None:
        super().__init__()
        self.clip = clip
        self.history: dict[str, list[float | None]] = {}
        self._fit_name, self._seed, self._member = "", 0, ALONE
        self._seen = torch.zeros(3)  # the sum of losses, correct predictions, and images of the epoch

    def bind(self, name: str, seed: int, data: FitData, member: Member = ALONE) -> None:
        """Tell the module which fit it is in, and which of the processes that share it this is; `train` calls it."""
        self._fit_name, self._seed, self.data, self._member = name, seed, data, member

    def __getstate__(self) -> dict[str, Any]:
        """What goes to other processes: everything but the progress bar, which is the run's."""
        return {name: value for name, value in super().__getstate__().items() if name != "advance"}

    @property
    def networks(self) -> list[nn.Module]:
        """The networks that compute in this fit; override it for those that are not submodules of the module."""
        return [self]

    @property
    def leaves(self) -> list[Tensor]:
        """The tensors that the backward pass of a step gives gradients; override it for those that are no parameters of
        the module."""
        return list(self.parameters())

    def validation_batch(self, chosen: Tensor, augmentation: torch.Generator | None = None) -> Batch:
        """The validation images at the places `chosen` (B,), on the device; augmented if `augmentation` is given."""
        validation, preprocessing = self.data.validation, self.data.preprocessing
        assert validation is not None  # a method that asks for them fits on halves() or split()
        portion = self._member.portion(len(chosen))
        if augmentation is None:
            images, labels = (tensor.to(self.device) for tensor in validation[portion.of(chosen)])
            return preprocessing.normalize(images).to(self.dtype), labels
        numbers = portion.of(torch.rand(portion.whole, validation.numbers, generator=augmentation))
        images, labels = (tensor.to(self.device) for tensor in validation.views(portion.of(chosen), numbers))
        return preprocessing.augment(images, augmentation, portion).to(self.dtype), labels

    def all_validation_batches(self, size: int) -> Iterator[Batch]:
        """All validation images once, in their own order, in batches of about equal sizes up to `size`."""
        assert self.data.validation is not None  # as above
        count = len(self.data.validation)
        size = math.ceil(count / math.ceil(count / size))  # so that the last batch is not one of a few images
        return (self.validation_batch(chosen) for chosen in torch.split(torch.arange(count), size))

    def score(self, forward: Any, batches: Iterable[Batch]) -> dict[str, float]:
        """As the function `score`, in the fit's precision."""
        counted = self._member.total(totals(forward, self._in_precision(batches)))
        return means([counted])[0]

    def score_mixes(self, forward: Forward, mixes: Iterable[Mix], batches: Sequence[Batch]) -> list[dict[str, float]]:
        """What `score` returns for a supernet under each of several mixes; the CPU waits for a GPU only once.

        Args:
            forward: maps images and a mix to logits: a supernet, or what `replaying` makes of it.
        """
        forwards = (partial(forward, mix=self.on_device(mix)) for mix in mixes)
        counted = torch.stack([totals(under_mix, self._in_precision(batches)) for under_mix in forwards])
        return means(self._member.total(counted).unbind())

    def replaying(self, supernet: Forward) -> Forward:
        """The supernet's forward pass for many mixes, which a fit that captures its steps captures too.

        Until the result is dropped, modules must stay in their modes, with batch statistics or without.
        """
        strategy = self.trainer.strategy
        return strategy.replaying(supernet) if isinstance(strategy, CapturedParts) else supernet

    def on_device(self, mix: Mix) -> Mix:
        """Return the mix on the fit's device and in its precision."""
        return {cell: sent(weights.to(self.dtype), self.device) for cell, weights in mix.items()}

    def _in_precision(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        return ((images.to(self.dtype), labels) for images, labels in batches)

    def gradients(self, loss: Callable[[Batch], Tensor], batch: Batch, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The gradient of `loss(batch)` with respect to each of `tensors`; zeros where it does not depend on one.

        Args:
            loss: a mean over the images of the batch that it is given, or a sum of such means.
        """
        weighted = self._member.weight(len(batch[1])) * loss(batch)
        gradients = torch.autograd.grad(weighted, tensors, allow_unused=True)
        known = [
            torch.zeros_like(tensor) if gradient is None else gradient
            for tensor, gradient in zip(tensors, gradients, strict=True)
        ]
        return self._member.averages(known)

    def replayed(self, function: Callable[..., Any], *inputs: Tensor) -> Any:
        """Return `function(*inputs)`. A fit that captures its steps gives the function a graph of its own.

        Like a `training_step` that is `capturable`, the function must do the same to the same tensors in every call.
        """
        strategy = self.trainer.strategy
        return strategy.replayed(function, *inputs) if isinstance(strategy, CapturedParts) else function(*inputs)

    def replayed_loss(self, loss: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """Return the scalar `loss(*inputs)`. If the fit captures its steps, a CUDA graph computes it and its gradients.

        Use it in a `training_step` that is `capturable_in_parts`. The `leaves` get its gradients in the backward pass
        of the step, and in no other. If the step adds other terms, compute them last.

        Args:
            loss: must run the same operations on the same tensors in every call. Pass the same object each time, such
                as a bound method: a new lambda would be a new loss, with a graph of its own.
            inputs: of equal shapes for all losses of a whole batch.
        """
        strategy = self.trainer.strategy
        return strategy.replayed_loss(loss, *inputs) if isinstance(strategy, CapturedParts) else loss(*inputs)

    def work(self, epochs: int, batches: int) -> int:
        """How many units the progress bar of a whole fit has; `batches` is the number of batches in an epoch."""
        return epochs * batches

    def generator(self, purpose: str) -> torch.Generator:
        """A CPU generator for one purpose in the current epoch."""
        return generator_of(self._seed, self._fit_name, self.current_epoch, purpose)

    def rng(self, purpose: str) -> np.random.Generator:
        """A NumPy generator for one purpose in the current epoch."""
        return rng_of(self._seed, self._fit_name, self.current_epoch, purpose)

    def record(self, **metrics: float) -> None:
        """Add metrics of the current epoch to the history and to every logger."""
        for name, value in metrics.items():
            series = self.history.setdefault(name, [])
            series.extend([None] * (self.current_epoch - len(series)))
            series[self.current_epoch :] = [value]
            self.log(name, value)

    def explanations(self) -> dict[str, str]:
        """What each recorded metric is, if `explains` of the module's class or of a base class has it."""
        known: dict[str, str] = {}
        for base in reversed(type(self).__mro__):
            known |= base.__dict__.get("explains", {})
        return {name: known[name] for name in self.history if name in known}

    def on_train_batch_end(self, *_: Any) -> None:
        """One unit of work is done."""
        self.advance()

    @property
    def stopped_early(self) -> bool:
        """Whether the module has ended its fit before the last epoch; a function of its history."""
        return False

    @property
    def weights_to_learn(self) -> list[nn.Parameter]:
        """The parameters that the weights' optimizer moves."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def learn(self, logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The mean cross-entropy of logits (B, classes); it counts towards the epoch's recorded loss and accuracy.

        Args:
            labels: classes (B,), or weights of the classes (B, classes), the largest of which counts for the accuracy.
        """
        loss = cross_entropy(logits, labels, label_smoothing=label_smoothing)
        with torch.no_grad():
            correct = (logits.argmax(1) == (labels if labels.ndim == 1 else labels.argmax(1))).sum()
            self._seen += torch.stack([loss * len(labels), correct, torch.full_like(loss, len(labels))])
        return loss

    def on_train_epoch_start(self) -> None:
        """Seed the epoch, whatever was drawn before."""
        # Drop-path and dropout draw from the global generator, and no two ranks should drop the same.
        own = [f"rank {self._member.rank}"] if self._member.rank else []
        seed_everything(seed_of(self._seed, self._fit_name, self.current_epoch, "epoch", *own))
        self._augmentation = self.generator("augmentation")
        self._batches = 0
        self._seen = self._seen.to(self.device).zero_()

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment whole batches on the device."""
        images, labels = batch
        portion = self._member.portion(self.data.images_in_batch(self._batches))
        self._batches, self._rows = self._batches + 1, len(labels)
        images = self.data.preprocessing.augment(images, self._augmentation, portion)
        return images.to(self.dtype), labels

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """The shared fit averages the gradients of all ranks, so a rank with more images must count for more."""
        super().backward(self._member.weight(self._rows) * loss, *args, **kwargs)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradient norm of the weights."""
        nn.utils.clip_grad_norm_(self.weights_to_learn, self.clip)

    def on_train_epoch_end(self) -> None:
        """Record the epoch's mean loss and accuracy.

        Raises:
            DivergedError: the loss is not a number.
        """
        loss, correct, count = self._member.total(self._seen).tolist()
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss of fit '{self._fit_name}' is {loss} in epoch {self.current_epoch + 1}; "
                "a lower learning rate or a stronger gradient clip would keep it finite"
            )
        self.record(train_loss=loss / count, train_accuracy=correct / count)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A checkpoint holds the history too."""
        checkpoint["nasforge_history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """See `on_save_checkpoint`."""
        self.history = checkpoint["nasforge_history"]

    def sgd(
        self,
        learning_rate: float,
        final: float,
        momentum: float,
        weight_decay: float,
        *,
        nesterov: bool = False,
        schedule: Schedule = "cosine",
        warmup: int = 0,
    ) -> Any:
        """SGD with a schedule per epoch from `learning_rate` to `final` over the whole fit; see `scheduler`."""
        weights = self.weights_to_learn
        optimizer = torch.optim.SGD(weights, learning_rate, momentum, weight_decay=weight_decay, nesterov=nesterov)
        epochs = self.trainer.max_epochs or 1
        rates = scheduler(optimizer, epochs=epochs, final=final, schedule=schedule, warmup=warmup)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rates, "interval": "epoch"}}


class OneShotModule(FitModule):
    """Trains the weights of a supernet; a subclass chooses the mixing weights of each step.

    Args:
        supernet: with fresh or inherited weights.
        space: turns alphas and architectures into mixes.
        learning_rate, final_learning_rate, schedule, learning_rate_warmup: of the weights; see `scheduler`.
        momentum, weight_decay, clip: of the weights.
    """

    def __init__(
        self,
        supernet: Supernet,
        space: WeightSharing,
        *,
        learning_rate: float,
        final_learning_rate: float,
        momentum: float,
        weight_decay: float,
        clip: float,
        schedule: Schedule = "cosine",
        learning_rate_warmup: int = 0,
    ) -> None:
        super().__init__(clip=clip)
        self.supernet, self.space = supernet, space
        self._sgd = (learning_rate, final_learning_rate, momentum, weight_decay)
        self._course: dict[str, Any] = {"schedule": schedule, "warmup": learning_rate_warmup}

    def configure_optimizers(self) -> Any:
        """SGD with its schedule."""
        return self.sgd(*self._sgd, **self._course)


class SupernetModule(OneShotModule):
    """Trains the weights of a supernet under the mixing weights of its alphas.

    Alphas are buffers. Checkpoints hold them; the weights' optimizer, decay, clipping and counts leave them out.
    A subclass moves them.

    Args:
        supernet, space, weights: see `OneShotModule`.
        edge_normalization: whether there are betas (PC-DARTS) as well as alphas.
    """

    def __init__(
        self,
        supernet: Supernet,
        space: WeightSharing,
        *,
        edge_normalization: bool = False,
        **weights: Any,
    ) -> None:
        super().__init__(supernet, space, **weights)
        self._edge_normalization = edge_normalization
        for cell, shape in supernet.alpha_shapes.items():
            self.register_buffer(f"alpha_{cell}", 1e-3 * torch.randn(shape))
            if edge_normalization:
                self.register_buffer(f"beta_{cell}", 1e-3 * torch.randn(shape[0]))

    @property
    def alphas(self) -> dict[str, Tensor]:
        """Architecture parameters (edges, columns) by cell type."""
        return {cell: getattr(self, f"alpha_{cell}") for cell in self.supernet.alpha_shapes}

    @property
    def betas(self) -> dict[str, Tensor] | None:
        """Edge parameters (edges,) by cell type, if there are any."""
        return {cell: getattr(self, f"beta_{cell}") for cell in self.alphas} if self._edge_normalization else None

    @property
    def mix(self) -> Mix:
        """The mixing weights of the current alphas and betas."""
        return self.space.mix(self.alphas, self.betas)

    @capturable
    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """One step of the weights."""
        images, labels = batch
        return self.learn(self.supernet(images, self.mix), labels)

    def validation_batches(self, n: int, size: int, *, augment: bool = False) -> list[Batch]:
        """`n` random batches of up to `size` validation images, on the device; the same ones throughout an epoch."""
        assert self.data.validation is not None  # one-shot methods fit on halves()
        order = torch.from_numpy(self.rng("validation").permutation(len(self.data.validation)))
        draw = self.generator("validation augmentation") if augment else None
        return [self.validation_batch(chosen, draw) for chosen in torch.split(order[: n * size], size)]


def supernet_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The supernet's own tensors, selected from a `OneShotModule`'s state."""
    prefix = "supernet."
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
