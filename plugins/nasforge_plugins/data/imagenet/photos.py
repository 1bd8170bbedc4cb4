"""Photos as a source of pictures: random crops for training and center crops for all else, as on ImageNet."""

from __future__ import annotations

import io
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import get_worker_info
from torchvision.io import ImageReadMode, decode_jpeg

from nasforge import DataError, text_of

JPEG = b"\xff\xd8\xff"
"""How a JPEG file begins."""
CENTER = 224 / 256
"""The share of an image's shorter side that the center crop keeps."""
TRIES = 10
"""How often a random crop is drawn until it lies inside the image."""
AREAS = (0.08, 1.0)
"""The range of a random crop's area, as a share of the image's."""
RATIOS = (3 / 4, 4 / 3)
"""The range of a random crop's width / height."""

Box = tuple[int, int, int, int]
"""Top, left, height and width in pixels."""


class Photos(ABC):
    """Photos of any size as uint8 images (N, 3, side, side), read on access; the views for training are random crops.

    A subclass says what a photo's file contains.

    Args:
        side: in pixels.
        threads: how many photos are read at once outside a loader's workers, each of which reads one.
    """

    numbers = 2 * TRIES + 2

    def __init__(self, *, side: int, threads: int) -> None:
        self.side, self.threads = side, threads

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def where(self, position: int) -> str:
        """What a message calls a photo."""

    @abstractmethod
    def content(self, position: int) -> np.ndarray:
        """The bytes of a photo's file, uint8; any error means that it cannot be read."""

    def __getitem__(self, positions: Tensor) -> Tensor:
        """The center crops at `positions`; a `DataError` names a photo that was removed or changed since the start."""
        return self._read(positions, None)

    def views(self, positions: Tensor, numbers: Tensor) -> Tensor:
        """Random crops of the images at `positions`, each determined by its row of `numbers` (B, N)."""
        return self._read(positions, numbers.tolist())

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of what determines the photos: hashing every pixel would cost an epoch."""

    def _read(self, positions: Tensor, numbers: Sequence[Sequence[float]] | None) -> Tensor:
        pictures = torch.empty(len(positions), 3, self.side, self.side, dtype=torch.uint8)

        def read(row: int) -> None:
            pixels = self._decoded(int(positions[row]))
            pictures[row] = self._center(pixels) if numbers is None else self._crop(pixels, numbers[row])

        if self.threads > 1 and get_worker_info() is None:
            with ThreadPoolExecutor(self.threads) as pool:  # torchvision decodes without Python's lock
                list(pool.map(read, range(len(positions))))
        else:
            for row in range(len(positions)):
                read(row)
        return pictures

    def _decoded(self, position: int) -> Tensor:
        """The pixels of a photo, uint8 (3, H, W); a `DataError` names one that cannot be read."""
        try:
            content = self.content(position)
            if content[: len(JPEG)].tobytes() == JPEG:
                pixels: Tensor = decode_jpeg(torch.from_numpy(content), mode=ImageReadMode.RGB)
                return pixels
            with Image.open(io.BytesIO(content.tobytes())) as image:
                return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
        except Exception as error:  # decoders have as many kinds of error as there are formats
            raise DataError(f"{self.where(position)} cannot be read ({text_of(error)})") from None

    def _center(self, pixels: Tensor) -> Tensor:
        """The center crop of an image (3, H, W)."""
        short, side = round(self.side / CENTER), self.side
        height, width = (int(short * length / min(pixels.shape[1:])) for length in pixels.shape[1:])
        top, left = (round((length - side) / 2) for length in (height, width))
        return _scaled(pixels, height, width)[:, top : top + side, left : left + side]

    def _crop(self, pixels: Tensor, numbers: Sequence[float]) -> Tensor:
        top, left, height, width = random_crop(numbers, pixels.shape[1], pixels.shape[2])
        return _scaled(pixels[:, top : top + height, left : left + width], self.side, self.side)


def random_crop(numbers: Sequence[float], height: int, width: int) -> Box:
    """The box that `torchvision.transforms.RandomResizedCrop` takes, from uniform numbers in [0, 1).

    Args:
        numbers: area and ratio of each try, then the place.
        height, width: of the image.
    """
    for area, ratio in zip(numbers[: 2 * TRIES : 2], numbers[1 : 2 * TRIES : 2], strict=True):
        area = height * width * _between(AREAS[0], AREAS[1], area)
        ratio = math.exp(_between(math.log(RATIOS[0]), math.log(RATIOS[1]), ratio))
        rows, columns = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < rows <= height and 0 < columns <= width:
            down, right = numbers[2 * TRIES :]
            return int(down * (height - rows + 1)), int(right * (width - columns + 1)), rows, columns
    rows = min(height, round(width / RATIOS[0]))
    columns = min(width, round(height * RATIOS[1]))
    return (height - rows) // 2, (width - columns) // 2, rows, columns


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def _scaled(pixels: Tensor, height: int, width: int) -> Tensor:
    """Scale uint8 pixels (3, H, W) bilinearly, with antialiasing, as Pillow does to within one level."""
    return interpolate(pixels[None], (height, width), mode="bilinear", antialias=True)[0]
