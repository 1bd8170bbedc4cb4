"""Augmentation by torchvision's v2 transforms: policies for each image, and mixtures of the images of a batch.

These transforms draw from torch's global generator. Here they draw from the epoch's generator, so that a resumed epoch
repeats them, and each rank draws for the whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import torch
from torch import Tensor

from nasforge.data import Preprocessing
from nasforge.devices.portions import Member, Portion
from nasforge.training.recipe import Augmentation, Recipe

POLICY_CHANNELS = (1, 3)
"""The numbers of channels for which torchvision's policies are defined."""


@dataclass(frozen=True, kw_only=True)
class PolicyPreprocessing(Preprocessing):
    """A preprocessing that also applies a policy to each image, after the crop and the flip.

    A policy draws its operations once per call, so each image needs a call of its own.
    """

    policy: Augmentation

    def distort(self, images: Tensor, generator: torch.Generator, portion: Portion) -> Tensor:
        """Apply the policy to uint8 images (B, C, H, W)."""
        seeds = portion.of(_seeds(portion.whole, generator)).tolist()
        with torch.random.fork_rng(devices=[]):
            return torch.stack([self._distorted(image, seed) for image, seed in zip(images, seeds, strict=True)])

    def _distorted(self, image: Tensor, seed: int) -> Tensor:
        torch.default_generator.manual_seed(seed)
        distorted: Tensor = policy_of(self.policy)(image)
        return distorted


def with_policy(preprocessing: Preprocessing, policy: Augmentation) -> Preprocessing:
    """Return a preprocessing that applies a policy instead of its own distortion, unless the policy is `none`."""
    if policy == "none":
        return preprocessing
    plain = {field.name: getattr(preprocessing, field.name) for field in fields(Preprocessing)}
    return PolicyPreprocessing(**plain, policy=policy)


@cache
def policy_of(name: Augmentation) -> Any:
    """Return the transform of torchvision with that name."""
    from torchvision.transforms import v2

    if name == "autoaugment":
        return v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)
    return v2.RandAugment() if name == "randaugment" else v2.TrivialAugmentWide()


def mixture(recipe: Recipe, classes: int) -> Any:
    """Return the transform that mixes a batch as the recipe says; None if it does not mix.

    Args:
        classes: number of classes.
    """
    if not (recipe.mixup or recipe.cutmix):
        return None
    from torchvision.transforms import v2

    chosen = [v2.MixUp(alpha=recipe.mixup, num_classes=classes)] if recipe.mixup else []
    chosen += [v2.CutMix(alpha=recipe.cutmix, num_classes=classes)] if recipe.cutmix else []
    return v2.RandomChoice(chosen)


def mixed(
    mixture: Any, images: Tensor, labels: Tensor, generator: torch.Generator, member: Member, whole: int
) -> tuple[Tensor, Tensor]:
    """Mix a batch with itself; images keep their shape, and labels (B,) become weights of the classes (B, classes).

    Args:
        images, labels: this rank's rows of the batch.
        whole: number of rows of the whole batch. An image is mixed with its neighbor there, on whatever rank that is.
    """
    portion = member.portion(whole)
    images, labels = _gathered(images, member, portion), _gathered(labels, member, portion)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(_seeds(1, generator)))
        images, weights = mixture(images, labels)
    return portion.of(images), portion.of(weights).to(images.dtype)


def _gathered(rows: Tensor, member: Member, portion: Portion) -> Tensor:
    """Return the rows of all ranks: each adds its own to zeros."""
    if member.ranks == 1:
        return rows
    all_rows = rows.new_zeros((portion.whole, *rows.shape[1:]))
    portion.of(all_rows).copy_(rows)
    return member.total(all_rows)


def _seeds(count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(2**62, (count,), generator=generator)
