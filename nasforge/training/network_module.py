"""The Lightning module that trains one network."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nasforge.devices.graphs import graphs_on
from nasforge.networks.convolutions import layout_of
from nasforge.space import Network
from nasforge.training.augmentation import mixed, mixture
from nasforge.training.averaging import update_average
from nasforge.training.captured_steps import capturable
from nasforge.training.modules import Batch, FitModule
from nasforge.training.recipe import PLAIN, Recipe


class NetworkModule(FitModule):
    """Trains one network from scratch; without a recipe as DARTS (section A.2.1) evaluates cells.

    Args:
        network: what `SearchSpace.build` returns.
        learning_rate, momentum, weight_decay, clip: SGD, cosine to 0.
        drop_path: the probability rises linearly from 0 in the first epoch towards this value.
        auxiliary_weight: of the auxiliary head's loss, if the network has one.
        recipe: what differs from that.
        classes: number of classes; only mixup and cutmix need it.

    Attributes:
        network: the network to test; with `ema` it holds the average of the weights.
        raw: the network that the optimizer moves then; None without `ema`.
    """

    explains: ClassVar[Mapping[str, str]] = {
        "held_out_accuracy": "on the training images that the training leaves out, after each epoch",
        "held_out_loss": "cross-entropy on the training images that the training leaves out, after each epoch",
    }

    def __init__(
        self,
        network: Network,
        *,
        learning_rate: float,
        momentum: float,
        weight_decay: float,
        clip: float,
        drop_path: float = 0.0,
        auxiliary_weight: float = 0.0,
        recipe: Recipe = PLAIN,
        classes: int = 0,
    ) -> None:
        super().__init__(clip=clip)
        self.network = network.to(memory_format=layout_of(network))
        self.raw: Network | None = copy.deepcopy(self.network) if recipe.ema else None
        if self.raw is not None:
            self.network.requires_grad_(False)
        self._sgd = (learning_rate, momentum, weight_decay)
        self._drop_path, self._auxiliary_weight = drop_path, auxiliary_weight
        self.recipe, self.accumulate, self.about = recipe, recipe.accumulate, recipe.changes or None
        self._mixture = mixture(recipe, classes)

    @property
    def learner(self) -> Network:
        """The network that the optimizer moves."""
        return self.network if self.raw is None else self.raw

    @property
    def stopped_early(self) -> bool:
        """Whether the accuracy on the held-out images has not improved for `patience` epochs."""
        series = self.history.get("held_out_accuracy", [])
        if self.recipe.patience is None or not series:
            return False
        best = max(accuracy for accuracy in series if accuracy is not None)
        return len(series) - 1 - series.index(best) >= self.recipe.patience

    def on_train_epoch_start(self) -> None:
        """Set this epoch's drop-path probability, p * epoch / epochs."""
        super().on_train_epoch_start()
        probability = self._drop_path * self.current_epoch / (self.trainer.max_epochs or 1)
        self.learner.drop_path = self._in_place(probability) if self._drop_path else 0.0

    def _in_place(self, probability: float) -> float | Tensor:
        """The number itself; where steps can be captured, in a tensor that is the same throughout the fit."""
        if graphs_on(self.device) is None:
            return probability
        before = self.learner.drop_path
        tensor = before if isinstance(before, Tensor) else torch.zeros((), device=self.device)
        return tensor.fill_(probability)

    def on_train_end(self) -> None:
        """Leave a number, which does not belong to a device."""
        self.learner.drop_path = float(self.learner.drop_path)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment the batch, then mix its images as the recipe says."""
        whole = self.data.images_in_batch(self._batches)
        images, labels = super().on_after_batch_transfer(batch, dataloader_idx)
        if self._mixture is None:
            return images, labels
        return mixed(self._mixture, images, labels, self._augmentation, self._member, whole)

    @capturable
    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """One step; the auxiliary head's loss is added."""
        images, labels = batch
        logits, auxiliary = self.learner.with_auxiliary(images)
        smoothing = self.recipe.label_smoothing
        loss = self.learn(logits, labels, smoothing)
        if auxiliary is None:
            return loss
        return loss + self._auxiliary_weight * cross_entropy(auxiliary, labels, label_smoothing=smoothing)

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Weigh the batches of a step by their images, where Lightning would weigh them equally."""
        super().backward(self._share() * loss if self.accumulate > 1 else loss, *args, **kwargs)

    def _share(self) -> float:
        """The batch's share of the images of its step, times the number by which Lightning divides the loss."""
        batch = self._batches - 1
        first = batch - batch % self.accumulate
        step = range(first, min(first + self.accumulate, int(self.trainer.num_training_batches)))
        return self.accumulate * self.data.images_in_batch(batch) / sum(map(self.data.images_in_batch, step))

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then update the average of the weights."""
        super().optimizer_step(*args, **kwargs)
        if self.raw is not None:
            update_average(self.network, self.raw, self.recipe.ema, self.trainer.global_step)

    def on_train_epoch_end(self) -> None:
        """Record the epoch, and how well the network does on held-out images; stop when that no longer improves."""
        super().on_train_epoch_end()
        if self.recipe.held_out:
            self.network.eval()
            scores = self.score(self.network, self.all_validation_batches(500))
            self.network.train()
            self.record(held_out_accuracy=scores["accuracy"], held_out_loss=scores["cross_entropy"])
            self.trainer.should_stop = self.trainer.should_stop or self.stopped_early

    def configure_optimizers(self) -> Any:
        """SGD with the recipe's schedule of the learning rate; by default cosine to 0."""
        rate, momentum, weight_decay = self._sgd
        return self.sgd(
            self.recipe.scaled(rate, self.data.batch_size),
            0.0,
            momentum,
            weight_decay,
            nesterov=self.recipe.nesterov,
            schedule=self.recipe.schedule,
            warmup=self.recipe.warmup_epochs,
        )
