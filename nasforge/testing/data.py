"""The suite of data modules: types and classes, the right normalization, and no test image among training images."""

# ruff: noqa: D102  # a test's name says what it checks
from __future__ import annotations

import copy
import hashlib
from functools import cached_property

import pytest
import torch
from torch import Tensor

from nasforge.data import DataModule
from nasforge.images import ImageSet
from nasforge.registry.entry_points import registry
from nasforge.testing.watching import copied, left_alone

LEAKED = 0.02
"""The fraction of test images that may also be training images: published sets contain a few by accident."""
READ = 20_000
"""How many training images the suite reads at most."""


class DataContract:
    """The suite of a `DataModule` whose files are installed. Supply the fixture `data`."""

    def test_it_says_what_its_images_are(self, data: DataModule) -> None:
        assert {"batch_size", "workers"} <= set(vars(data)), "call super().__init__(batch_size=..., workers=...)"
        shape = data.train.shape
        assert data.test.shape == shape, (
            f"test images have shape {data.test.shape}, training images {shape}; both must have one shape"
        )
        mean, deviation = data.normalization
        assert len(mean) == len(deviation) == shape[0], (
            f"`normalization` has {len(mean)} means and {len(deviation)} deviations; images have {shape[0]} channel(s)"
        )

    def test_the_data_to_search_next_is_installed(self, data: DataModule) -> None:
        if data.next_data is not None:
            name, installed = data.next_data[0], ", ".join(sorted(registry("data")))
            assert name in registry("data"), f"`next_data` names '{name}', which is none of the data here: {installed}"

    def test_the_normalization_fits_the_training_images(self, data: DataModule) -> None:
        images = _some(data.train, 2_000)
        pixels = images.double() / 255
        mean, deviation = pixels.mean((0, 2, 3)), pixels.std((0, 2, 3)).clamp_min(1e-3)
        center, width = (torch.tensor(values, dtype=torch.float64) for values in data.normalization)
        fits = ((center - mean).abs() < 0.25 * deviation).all() and ((width / deviation - 1).abs() < 0.3).all()
        assert fits, (
            f"`normalization` is {data.normalization}, but pixels in [0, 1] have mean {_rounded(mean)} and deviation "
            f"{_rounded(deviation)}"
        )

    @pytest.mark.parametrize("part", ["train", "test"])
    def test_images_are_bytes_and_labels_are_classes(self, data: DataModule, part: str) -> None:
        images: ImageSet = getattr(data, part)
        pixels, labels = images[torch.arange(min(8, len(images)))]
        assert pixels.dtype == torch.uint8, f"images of `{part}` must be uint8 (N, C, H, W), not {pixels.dtype}"
        assert pixels.ndim == 4, f"images of `{part}` must be (N, C, H, W), not of shape {tuple(pixels.shape)}"
        assert labels.dtype == torch.int64, f"labels of `{part}` must be int64 (N,), not {labels.dtype}"
        unnamed = set(images.labels[images.positions].tolist()) - set(range(len(data.class_names)))
        assert not unnamed, f"`{part}` has labels {sorted(unnamed)}, but there are {len(data.class_names)} class names"

    def test_every_class_is_trained_on(self, data: DataModule) -> None:
        labels = set(data.train.labels[data.train.positions].tolist())
        missing = [name for index, name in enumerate(data.class_names) if index not in labels]
        assert not missing, f"there is no training image of class {', '.join(missing)}"

    def test_no_test_image_is_trained_on(self, data: DataModule) -> None:
        train, test = data.train, data.test
        if train.images is test.images:
            shared = len(set(train.positions.tolist()) & set(test.positions.tolist()))
            assert not shared, f"{shared} of {len(test)} test images are training images, so test results are invalid"
        known = set(_digests(_some(train, READ)))
        tested = _digests(_some(test, READ // 10))
        leaked = sum(digest in known for digest in tested)
        assert leaked <= LEAKED * len(tested), (
            f"{leaked} of {len(tested)} test images equal a training image in every pixel, so test results are "
            "invalid; use hold_out() to split a set without test images"
        )

    def test_asked_twice_it_gives_the_same(self, data: DataModule) -> None:
        with left_alone("reading `train` and `test`"):
            first = data.train.fingerprint, data.test.fingerprint
            fresh = _forgetful(data)
            second = fresh.train.fingerprint, fresh.test.fingerprint
        assert first == second, "`train` or `test` changed when read again: split and shuffle with a fixed seed"
        assert data.for_search(0).halves().fingerprint == data.for_search(0).halves().fingerprint

    def test_a_copy_in_another_process_is_the_same(self, data: DataModule) -> None:
        seen = data.for_search(0)
        assert copied(seen, f"the images of data '{data.name}'").train.fingerprint == seen.train.fingerprint


def _some(images: ImageSet, limit: int) -> Tensor:
    """Return at most `limit` images, spread over the whole set."""
    chosen = torch.linspace(0, len(images) - 1, min(len(images), limit)).long()
    return torch.cat([images[part][0] for part in torch.split(chosen, 512)])


def _digests(images: Tensor) -> list[bytes]:
    return [hashlib.blake2b(bytes(image.numpy()), digest_size=16).digest() for image in images.contiguous()]


def _forgetful(data: DataModule) -> DataModule:
    """Return a copy without cached properties, so that it reads its files again."""
    fresh = copy.copy(data)
    for cls in type(data).__mro__:
        for name, value in vars(cls).items():
            if isinstance(value, cached_property):
                vars(fresh).pop(name, None)
    return fresh


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 3) for value in values.tolist()]
