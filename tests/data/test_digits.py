"""The digits are scikit-learn's own, a fifth of them held out."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from nasforge_plugins.data.digits import Digits


@pytest.fixture(scope="module")
def digits():
    return Digits()


def everything(images):
    return images[torch.arange(len(images))]


def test_pixels_and_labels_are_scikit_learns(digits):
    theirs = load_digits()
    expected = sorted(
        (int(label), (image * 255 / 16).round().astype(np.uint8).tobytes())
        for image, label in zip(theirs.images, theirs.target, strict=True)
    )
    ours = []
    for part in (digits.train, digits.test):
        for image, label in zip(*everything(part), strict=True):
            ours.append((int(label), image.numpy().tobytes()))
    assert sorted(ours) == expected


def test_a_balanced_fifth_is_held_out_and_said_to_be(digits):
    assert (len(digits.train), len(digits.test)) == (1438, 359)
    assert digits.train.shape == (1, 8, 8)
    whole = np.bincount(load_digits().target)
    held_out = torch.bincount(everything(digits.test)[1]).numpy()
    assert (abs(held_out - whole / 5) <= 1).all()
    (note,) = digits.notes
    assert "no official test set" in note
    assert "class-balanced fifth of the 1,797 images is held out" in note


def test_the_held_out_images_are_the_same_each_time_and_no_search_reaches_them(digits):
    assert Digits().test.fingerprint == digits.test.fingerprint
    data = digits.for_search(0)
    assert len(data.train.images) == len(data.train.labels) == 1438
    assert data.train.fingerprint == digits.for_search(1).train.fingerprint


def test_what_a_search_reads(digits):
    data = digits.for_search(0)
    assert (data.input_shape, data.classes) == ((1, 8, 8), 10)
    assert data.class_names == tuple("0123456789")
    assert (data.preprocessing.pad, data.preprocessing.flip, data.preprocessing.cutout) == (1, False, 0)
    normalized = data.preprocessing.normalize(everything(digits.train)[0])
    assert abs(float(normalized.mean())) < 0.01
    assert abs(float(normalized.std()) - 1) < 0.01
