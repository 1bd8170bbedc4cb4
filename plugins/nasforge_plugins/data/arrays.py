"""Your own images in an `.npz` file."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from nasforge import HELD_OUT_NOTE, BatchSize, CountOrZero, DataModule, ImageSet, Workers, user_path
from nasforge_plugins.data.npz import NpzImages, read_npz
from nasforge_plugins.data.own_images import statistics


class Arrays(DataModule):
    """Your own images as one .npz: train_images, train_labels, classes and, if you have them, test_images, test_labels.

    Images are uint8, (N, H, W) or (N, H, W, C), with any number of channels and at least 4 pixels per side. Without
    test arrays, a class-balanced fifth is held out. `DataError` names the array that is missing or wrong.
    """

    name = "arrays"

    def __init__(
        self,
        *,
        path: Path = Path("data.npz"),
        pad: CountOrZero = 2,
        flip: bool = False,
        batch_size: BatchSize = 64,
        workers: Workers = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, workers=workers)
        self.path, self.pad, self.flip = user_path(path).absolute(), pad, flip

    @cached_property
    def _file(self) -> NpzImages:
        return read_npz(self.path)

    @property
    def train(self) -> ImageSet:
        """`train_images`, without the held-out fifth if there are no test images."""
        return self._file.train

    @property
    def test(self) -> ImageSet:
        """`test_images`, or the held-out fifth."""
        return self._file.test

    @property
    def places(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    @property
    def class_names(self) -> tuple[str, ...]:
        """`classes`."""
        return self._file.class_names

    @cached_property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of the training images, or of 50,000 of them if there are more."""
        return statistics(self.train, sample=50_000)

    @property
    def notes(self) -> tuple[str, ...]:
        """A note if nasforge held out the test set."""
        return (HELD_OUT_NOTE,) if self._file.held_out else ()
