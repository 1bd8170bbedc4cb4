"""One's own images as a single `.npz`: read, and every mistake in it named."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nasforge import DataError, ImageSet, hold_out


@dataclass(frozen=True)
class NpzImages:
    """What a file holds: training and test images, class names, and whether the test set was held out by us."""

    train: ImageSet
    test: ImageSet
    class_names: tuple[str, ...]
    held_out: bool


def read_npz(path: Path) -> NpzImages:
    """Images from `train_images` (N, H, W) or (N, H, W, C) uint8, `train_labels` (N,) and `classes` (names).

    `test_images` and `test_labels` may be there too; else a class-balanced fifth is held out.

    Raises:
        DataError: the file is missing or broken, or an array is; the message names it and what would be right.
    """
    arrays = _arrays(path)
    for key in ("train_images", "train_labels", "classes"):
        if key not in arrays:
            raise DataError(f"{path} has no array '{key}'; it holds {', '.join(sorted(arrays)) or 'nothing'}")
    names = tuple(str(name) for name in arrays["classes"].ravel())
    if len(names) < 2:
        raise DataError(f"{path}: 'classes' names {len(names)} class; a classifier needs 2 or more")
    whole = _image_set(path, arrays, "train", names)
    if "test_images" not in arrays:
        train, test = hold_out(whole)
        return NpzImages(train, test, names, held_out=True)
    test = _image_set(path, arrays, "test", names)
    if test.shape != whole.shape:
        raise DataError(f"{path}: test images are {test.shape} (C, H, W), training images {whole.shape}")
    return NpzImages(whole, test, names, held_out=False)


def statistics(images: ImageSet) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation per channel of pixels in [0, 1], over at most 10,000 images evenly spread over the set."""
    step = max(1, len(images) // 10_000)
    pixels = images[torch.arange(0, len(images), step)][0].double() / 255
    deviation = pixels.std((0, 2, 3)).clamp_min(1e-3)
    return tuple(pixels.mean((0, 2, 3)).tolist()), tuple(deviation.tolist())


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise DataError(f"{path} cannot be read as an .npz of plain arrays: {error}") from None


def _image_set(path: Path, arrays: dict[str, np.ndarray], part: str, names: tuple[str, ...]) -> ImageSet:
    images, labels = arrays[f"{part}_images"], arrays.get(f"{part}_labels")
    if labels is None:
        raise DataError(f"{path} has '{part}_images' but no '{part}_labels'")
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise DataError(
            f"{path}: '{part}_images' is {images.dtype} of shape {images.shape}; "
            "it must be uint8, (N, H, W) or (N, H, W, C)"
        )
    _check_labels(path, f"{part}_labels", labels, len(images), len(names))
    pixels = images[..., None] if images.ndim == 3 else images
    planes = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    return ImageSet.of(planes, torch.from_numpy(labels.astype(np.int64)))


def _check_labels(path: Path, key: str, labels: Any, images: int, classes: int) -> None:
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != images:
        raise DataError(f"{path}: '{key}' is {labels.dtype} of shape {labels.shape}; it must be {images} whole numbers")
    counts = np.bincount(labels.clip(0), minlength=classes)
    if labels.min() < 0 or len(counts) > classes:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise DataError(f"{path}: '{key}' holds {wrong}; with {classes} classes labels go from 0 to {classes - 1}")
    if key == "train_labels" and counts.min() < 4:
        raise DataError(f"{path}: class {counts.argmin()} has {counts.min()} training images; each needs 4 or more")
