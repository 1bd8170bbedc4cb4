"""Reads images from a single `.npz`, with a message for every mistake in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nasforge import DataError, ImageSet, hold_out, open_arrays
from nasforge_plugins.data.own_images import SIDE, require_enough

NEEDED = ("train_images", "train_labels", "classes")
OPTIONAL = ("test_images", "test_labels")


@dataclass(frozen=True)
class NpzImages:
    """The content of a file: training and test images, class names, and whether nasforge held out the test set."""

    train: ImageSet
    test: ImageSet
    class_names: tuple[str, ...]
    held_out: bool


def read_npz(path: Path) -> NpzImages:
    """Images from `train_images` (N, H, W) or (N, H, W, C) uint8, `train_labels` (N,) and `classes` (names).

    Without `test_images` and `test_labels`, a class-balanced fifth is held out. Other arrays are ignored.

    Raises:
        DataError: the file or an array is missing or broken; the message names it and says what would be right.
    """
    arrays = _arrays(path)
    names = _names(path, arrays["classes"])
    held_out = not any(key in arrays for key in OPTIONAL)
    whole = _image_set(path, arrays, "train", names)
    require_enough(path, whole.labels, names, held_out=held_out)
    if held_out:
        return NpzImages(*hold_out(whole), names, held_out)
    test = _image_set(path, arrays, "test", names)
    if test.shape != whole.shape:
        raise DataError(f"{path}: test images are {test.shape} (C, H, W), but training images are {whole.shape}")
    return NpzImages(whole, test, names, held_out)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise DataError(f"there is no file {path}; it should be an .npz with the arrays {', '.join(NEEDED)}")
    with open_arrays(path) as file:
        return {key: file[key] for key in (*NEEDED, *OPTIONAL) if key in NEEDED or key in file.names}


def _names(path: Path, classes: np.ndarray) -> tuple[str, ...]:
    names = tuple(name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in classes.flat)
    if classes.ndim != 1:
        raise DataError(f"{path}: 'classes' has the shape {classes.shape}; it must be a list of names")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: 'classes' names '{twice}' more than once")
    return names


def _image_set(path: Path, arrays: dict[str, np.ndarray], part: str, names: tuple[str, ...]) -> ImageSet:
    """The images and labels of `part` as (N, C, H, W)."""
    for key in (f"{part}_images", f"{part}_labels"):
        if key not in arrays:
            raise DataError(f"{path} has no array '{key}'; it must have images and labels in pairs")
    images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise DataError(
            f"{path}: '{part}_images' is {images.dtype} of shape {images.shape}; "
            "it must be uint8 (0 to 255), (N, H, W) or (N, H, W, C)"
        )
    pixels = images[..., None] if images.ndim == 3 else images
    count, height, width, channels = pixels.shape
    if count == 0 or channels == 0:
        raise DataError(f"{path}: '{part}_images' has the shape {images.shape}; it must hold at least one image")
    if min(height, width) < SIDE:
        raise DataError(
            f"{path}: '{part}_images' has the shape {images.shape}, images of {height} x {width} pixels; "
            f"each side must be {SIDE} or more, and channels must come last"
        )
    _check_labels(path, f"{part}_labels", labels, count, len(names))
    planes = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    return ImageSet.of(planes, torch.from_numpy(labels.astype(np.int64)))


def _check_labels(path: Path, key: str, labels: np.ndarray, images: int, classes: int) -> None:
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != images:
        raise DataError(f"{path}: '{key}' is {labels.dtype} of shape {labels.shape}; it must be {images} whole numbers")
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= classes:
        wrong = lowest if lowest < 0 else highest
        raise DataError(f"{path}: '{key}' holds {wrong}; labels of {classes} classes go from 0 to {classes - 1}")
