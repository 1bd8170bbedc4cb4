"""Policies and mixtures draw from the generator that they are given, image by image and for any number of ranks."""

import pytest
import torch

from nasforge import Preprocessing
from nasforge.devices.portions import ALONE, Portion
from nasforge.randomness import generator_of
from nasforge.training.augmentation import mixed, mixture, with_policy
from nasforge.training.recipe import Recipe

POLICIES = ("autoaugment", "randaugment", "trivialaugment")


def pixels(n=11, channels=3):
    return torch.randint(0, 256, (n, channels, 8, 8), dtype=torch.uint8, generator=generator_of("pixels"))


def seen(policy, channels=3):
    return with_policy(Preprocessing((0.5,) * channels, (0.25,) * channels, pad=1, flip=True, cutout=3), policy)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_policy_is_a_function_of_the_generator_for_any_number_of_ranks(policy, channels):
    preprocessing, images = seen(policy, channels), pixels(channels=channels)
    before = torch.get_rng_state()
    whole = preprocessing.augment(images, generator_of("draw"))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    for ranks in (1, 2, 3):
        for rank in range(ranks):
            portion = Portion(rank, ranks, len(images))
            own = preprocessing.augment(portion.of(images), generator_of("draw"), portion)
            assert torch.equal(own, portion.of(whole))
    assert not torch.equal(whole, preprocessing.augment(images, generator_of("another draw")))


@pytest.mark.parametrize("policy", POLICIES)
def test_each_image_of_a_batch_is_distorted_differently(policy):
    same = pixels(1).expand(16, -1, -1, -1)
    distorted = with_policy(Preprocessing((0.5,) * 3, (0.25,) * 3), policy).augment(same, generator_of("draw"))
    assert len({image.numpy().tobytes() for image in distorted}) > 4


def test_no_policy_is_the_preprocessing_itself():
    preprocessing = seen("none")
    assert type(preprocessing) is Preprocessing
    assert repr(seen("randaugment")) != repr(seen("trivialaugment"))


@pytest.mark.parametrize("recipe", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
def test_the_weights_of_the_classes_are_the_shares_of_the_images(recipe):
    transform = mixture(Recipe(**recipe), 5)
    labels, generator = torch.arange(10) % 5, generator_of("draw")
    # Each image has the value of its class, so the mean of a mixed image is the mean of the weighted classes.
    images = labels.double().view(-1, 1, 1, 1).expand(-1, 1, 6, 6)
    partly = 0
    for _ in range(20):
        mixed_images, weights = mixed(transform, images, labels, generator, ALONE, 10)
        assert weights.shape == (10, 5)
        torch.testing.assert_close(weights.sum(1), torch.ones(10, dtype=torch.double), rtol=0, atol=1e-6)
        expected = (weights * torch.arange(5)).sum(1)
        torch.testing.assert_close(mixed_images.mean((1, 2, 3)), expected, rtol=0, atol=1e-6)
        partly += int(((weights > 0.01) & (weights < 0.99)).any())
    assert partly > 10


def test_with_both_each_batch_takes_one_at_random():
    transform, generator = mixture(Recipe(mixup=1.0, cutmix=1.0), 2), generator_of("draw")
    labels = torch.arange(8) % 2
    images = labels.double().view(-1, 1, 1, 1).expand(-1, 1, 6, 6)
    blended = [bool(((batch > 0) & (batch < 1)).any()) for batch in
               (mixed(transform, images, labels, generator, ALONE, 8)[0] for _ in range(30))]  # fmt: skip
    assert 5 < sum(blended) < 25


def test_without_mixup_and_cutmix_nothing_is_mixed():
    assert mixture(Recipe(), 5) is None
