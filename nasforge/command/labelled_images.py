"""Labelled images from arrays, a torch dataset or a Hugging Face dataset, checked and in one form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from nasforge.errors import DataError


class TableOfImages(Protocol):
    """A `datasets.Dataset` of Hugging Face, with a column of images and one of labels."""

    features: Any
    column_names: Any


LabelledImages = tuple[ArrayLike, ArrayLike] | Dataset[Any] | TableOfImages
"""(images, labels), a torch dataset of such pairs, or a Hugging Face dataset."""
_FORMS = "(images, labels), a torch Dataset of such pairs, or a Hugging Face Dataset"


@dataclass(frozen=True, eq=False)
class Part:
    """Images (N, H, W, C) uint8 and labels (N,) int64, and the class names that came with them."""

    images: np.ndarray
    labels: np.ndarray
    class_names: Sequence[str] = ()

    @classmethod
    def of(cls, source: LabelledImages, where: str) -> Part:
        """Collect and check them; a `DataError` says what would be right. `where` is the argument's name."""
        names: Sequence[str] = ()
        if isinstance(source, tuple) and len(source) == 2:
            images, labels = source
        elif hasattr(source, "column_names"):
            images, labels, names = _from_table(source, where)
        elif hasattr(source, "__getitem__") and hasattr(source, "__len__") and not isinstance(source, Mapping):
            images, labels, names = _from_dataset(source, where)
        else:
            raise DataError(f"{where} is a {type(source).__name__}; it must be {_FORMS}")
        pixels = _pixels(images, where)
        return cls(pixels, _checked_labels(labels, len(pixels), where), names)


Collected = tuple[Any, Any, Sequence[str]]
"""Images, labels and class names, not yet checked."""


def _from_dataset(dataset: Any, where: str) -> Collected:
    """Read every pair of a map-style dataset; torchvision's have their names in `classes`."""
    pairs = [dataset[index] for index in range(len(dataset))]
    for index, pair in enumerate(pairs):
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            raise DataError(f"{where}: item {index} is a {type(pair).__name__}; it must be a pair (image, label)")
    names = getattr(dataset, "classes", ())
    return _stacked((image for image, _ in pairs), where), [label for _, label in pairs], names


def _from_table(table: Any, where: str) -> Collected:
    """Read the columns of images and labels of a Hugging Face dataset."""
    if isinstance(table, Mapping) or not hasattr(table, "__len__"):
        raise DataError(
            f"{where} is a {type(table).__name__}; pass one split that is in memory, for example dataset['train']"
        )
    features = dict(table.features)
    images = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    labels = [name for name, feature in features.items() if hasattr(feature, "names")]
    image = _column(features, images, ("image", "img"), f"{where} has no single column of images")
    label = _column(features, labels, ("label", "labels"), f"{where} has no single column of labels")
    rows = list(table)
    names = getattr(features[label], "names", ())
    return _stacked((row[image] for row in rows), where), [row[label] for row in rows], names


def _column(features: Mapping[str, Any], fitting: Sequence[str], usual: Sequence[str], problem: str) -> str:
    """Return the column with a usual name, or else the only one that fits."""
    names = [name for name in usual if name in features] or list(fitting)
    if len(names) != 1:
        raise DataError(f"{problem} among {', '.join(features)}; name it '{usual[0]}', by rename_column")
    return names[0]


def _stacked(images: Iterable[Any], where: str) -> np.ndarray:
    """Make one array of single images: PIL images, all gray or all in color, or arrays and tensors of one shape."""
    singles = list(images)
    gray = all(isinstance(image, Image.Image) and image.mode in ("1", "L") for image in singles)
    mode = "L" if gray else "RGB"
    arrays = [_array(image.convert(mode) if isinstance(image, Image.Image) else image, where) for image in singles]
    for index, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            raise DataError(
                f"{where}: image {index} has the shape {array.shape}, and image 0 {arrays[0].shape}; "
                "scale all images to one size, for example by the dataset's transform"
            )
    return np.stack(arrays) if arrays else np.zeros((0, 1, 1), np.uint8)


def _array(values: Any, where: str) -> np.ndarray:
    try:
        return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    except (TypeError, ValueError):  # a dtype that NumPy lacks, or nested lists of different lengths
        raise DataError(f"{where}: a {type(values).__name__} is no array of numbers; it must be {_FORMS}") from None


def _pixels(images: Any, where: str) -> np.ndarray:
    """Return uint8 (N, H, W, C) for uint8 or float images (N, H, W), (N, H, W, C) or (N, C, H, W)."""
    pixels = _array(images, where)
    right = "they must be uint8, from 0 to 255, or floats from 0 to 1"
    if pixels.ndim not in (3, 4) or 0 in pixels.shape:
        raise DataError(
            f"{where}: images have the shape {pixels.shape}; it must be (N, H, W), (N, H, W, C) or (N, C, H, W)"
        )
    if pixels.dtype.kind == "f":
        if np.isnan(pixels).any():
            raise DataError(f"{where}: images hold NaN; {right}")
        low, high = pixels.min(), pixels.max()
        if low < 0 or high > 1:
            raise DataError(f"{where}: images are floats from {low:.4g} to {high:.4g}; {right}")
        pixels = np.rint(255 * pixels).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise DataError(f"{where}: images are {pixels.dtype}; {right}")
    if pixels.ndim == 3:
        return pixels[..., None]
    return np.ascontiguousarray(pixels if _channels_last(pixels.shape, where) else pixels.transpose(0, 2, 3, 1))


def _channels_last(shape: Sequence[int], where: str) -> bool:
    """Return whether (N, H, W, C) is meant, not (N, C, H, W): gray and color decide, then 2 or 4 channels."""
    for usual in ((1, 3), (2, 4)):
        if shape[3] in usual or shape[1] in usual:
            return shape[3] in usual
    raise DataError(
        f"{where}: images have the shape {tuple(shape)}, in which no axis holds 1 to 4 channels; "
        "it must be (N, H, W), (N, H, W, C) or (N, C, H, W)"
    )


def _checked_labels(labels: Any, images: int, where: str) -> np.ndarray:
    """Return the labels as int64 (N,)."""
    array = _array([_number(label) for label in labels] if isinstance(labels, list | tuple) else labels, where)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        kind = "text" if array.dtype.kind in "US" else array.dtype
        raise DataError(f"{where}: labels are {kind} of shape {array.shape}; they must be whole numbers, one per image")
    if len(array) != images:
        raise DataError(f"{where}: there are {images} images and {len(array)} labels; each image needs one label")
    if array.min() < 0:
        raise DataError(f"{where}: a label is {array.min()}; labels are whole numbers from 0")
    return array.astype(np.int64)


def _number(label: Any) -> Any:
    """Return the number in a tensor or array of one element."""
    return label.item() if hasattr(label, "item") and getattr(label, "ndim", 0) == 0 else label
