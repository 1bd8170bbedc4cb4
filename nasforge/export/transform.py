"""Turns images of any size and kind into what a network reads, in the way its training images were read."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from nasforge.data import Preprocessing, Resampling
from nasforge.errors import DataError, text_of
from nasforge.space import Shape

AnyImage = Image.Image | np.ndarray | Tensor | str | PathLike[str]
"""A PIL image, uint8 pixels, or the path of an image file."""
ORIENTATION = 0x0112
"""The EXIF tag for the camera's orientation."""
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By orientation: what turns the picture upright; 1 is upright."""
_MODES = {1: "L", 3: "RGB"}
"""By number of channels: Pillow's name for gray and color images."""


def upright(image: Image.Image) -> Image.Image:
    """Turn an image upright by its EXIF data; `ImageOps.exif_transpose` fails if the metadata is unusual."""
    image.load()  # this turns a TIFF upright
    try:
        turn = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
    except Exception:  # Pillow has many kinds of error for broken metadata; the pixels are intact
        turn = None
    return image if turn is None else image.transpose(turn)


def fitted(image: Image.Image, shape: Shape, *, center: float = 1.0, resampling: Resampling = "lanczos") -> Tensor:
    """Return the center of an image as uint8 (C, H, W): upright, gray or in color, scaled to the shape.

    Args:
        shape: (C, H, W) of the result; the largest centered rectangle with the ratio W / H is scaled to it.
        center: the share of that rectangle's sides that remains.
        resampling: Pillow's filter.

    Raises:
        DataError: the image has more than 8 bits per channel, or C is neither 1 nor 3.
    """
    channels, height, width = shape
    if image.mode.startswith(("I", "F")):
        raise DataError(f"the image has Pillow's mode {image.mode}, more than 8 bits per channel; convert it to 8 bits")
    if channels not in _MODES:
        raise DataError(f"the network reads {channels} channels, which no image file has; pass an array (H, W, C)")
    method = Image.Resampling[resampling.upper()]
    scaled = ImageOps.fit(upright(image).convert(_MODES[channels]), (width, height), method, bleed=(1 - center) / 2)
    return torch.from_numpy(np.array(scaled).reshape(height, width, channels).transpose(2, 0, 1).copy())


@dataclass(frozen=True)
class Transform:
    """Maps images to the input of a network: `network(transform(image))`.

    Attributes:
        input_shape: (C, H, W) of the images that the network was trained on.
        mean, std: per channel, of pixels in [0, 1].
        center, resampling: how an image of another size is read; see `fitted`.
    """

    input_shape: Shape
    mean: tuple[float, ...]
    std: tuple[float, ...]
    center: float = 1.0
    resampling: Resampling = "lanczos"

    def __call__(self, images: AnyImage) -> Tensor:
        """Return float32 (B, C, H, W), normalized; a single image is a batch of one.

        Images of another size are cropped to their center and scaled; gray and color images become what the network
        reads, and alpha channels are dropped.

        Args:
            images: a PIL image or the path of an image file, both turned upright; a uint8 array (H, W), (H, W, C) or
                (B, H, W, C); or a uint8 tensor (C, H, W) or (B, C, H, W).

        Raises:
            DataError: the images are none of these; the message says what is wrong.
        """
        return Preprocessing(self.mean, self.std).normalize(self.pixels(images))

    def pixels(self, images: AnyImage) -> Tensor:
        """Return the same as uint8 (B, C, H, W), not yet normalized."""
        if isinstance(images, str | PathLike):
            return self._of_file(images)
        if isinstance(images, Image.Image):
            return self._fitted(images)[None]
        batch = _batch(images)
        if tuple(batch.shape[1:]) == self.input_shape:
            return batch
        return torch.stack([self._of_pixels(image) for image in batch])

    def _of_file(self, path: str | PathLike[str]) -> Tensor:
        try:
            with Image.open(path) as image:
                return self._fitted(image)[None]
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        except FileNotFoundError:
            raise DataError(f"there is no image file {path}") from None
        except Exception as error:  # Pillow's decoders have as many kinds of error as there are formats
            raise DataError(f"{path} cannot be read as an image ({text_of(error)})") from None

    def _of_pixels(self, image: Tensor) -> Tensor:
        """Pixels (C, H, W) of another shape, as a file with these pixels would be read."""
        channels = len(image)
        if channels <= 4 and self.input_shape[0] in _MODES:
            opaque = image[: 1 if channels < 3 else 3].permute(1, 2, 0).contiguous().numpy()
            return self._fitted(Image.fromarray(opaque[..., 0] if channels < 3 else opaque))
        if channels != self.input_shape[0]:
            raise DataError(
                f"images have {channels} channels, but the network reads {self.input_shape[0]}; "
                "a batch of gray images needs an axis of one channel, images[..., None]"
            )
        return torch.cat([self._fitted(Image.fromarray(plane.numpy()), 1) for plane in image])

    def _fitted(self, image: Image.Image, channels: int | None = None) -> Tensor:
        shape = (channels or self.input_shape[0], *self.input_shape[1:])
        return fitted(image, shape, center=self.center, resampling=self.resampling)


def _batch(images: np.ndarray | Tensor) -> Tensor:
    """Return pixels as (B, C, H, W)."""
    if not isinstance(images, np.ndarray | Tensor):
        kind = type(images).__name__
        raise DataError(f"an image must be a PIL image, a path, a NumPy array or a torch tensor, not of type {kind}")
    if images.dtype not in (np.uint8, torch.uint8):
        raise DataError(f"images are {images.dtype}; they must be uint8, with pixels from 0 to 255")
    channels_last = not isinstance(images, Tensor)
    batch = images.cpu() if isinstance(images, Tensor) else torch.from_numpy(np.ascontiguousarray(images))
    if batch.ndim == 2 and channels_last:
        batch = batch[..., None]
    if batch.ndim not in (3, 4) or 0 in batch.shape:
        forms = "(H, W), (H, W, C) or (B, H, W, C)" if channels_last else "(C, H, W) or (B, C, H, W)"
        raise DataError(f"images have the shape {tuple(images.shape)}; it must be {forms}")
    batch = batch if batch.ndim == 4 else batch[None]
    return batch.permute(0, 3, 1, 2).contiguous() if channels_last else batch
