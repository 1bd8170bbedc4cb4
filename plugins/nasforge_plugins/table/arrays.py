"""Arrays of an `.npz`, and every mistake in them named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from nasforge import DataError, text_of


class Arrays:
    """The arrays of an open file, each read when it is asked for; a `DataError` names what is missing or broken.

    Attributes:
        names: of all arrays in the file.
    """

    def __init__(self, path: Path, file: np.lib.npyio.NpzFile) -> None:
        self.path, self._file, self.names = path, file, sorted(file.files)

    def __getitem__(self, key: str) -> np.ndarray:
        if key not in self.names:
            raise DataError(f"{self.path} has no array '{key}'; it holds {', '.join(self.names)}")
        try:
            array = self._file[key]
        except Exception as error:  # zipfile, zlib, lzma and numpy each have errors of their own for a damaged member
            raise DataError(f"{self.path}: '{key}' cannot be read ({text_of(error)[:200]}); it must be whole") from None
        if not isinstance(array, np.ndarray):  # numpy returns the bytes of what does not begin as an array does
            raise DataError(f"{self.path}: '{key}' is no array; numpy.savez writes arrays")
        return array

    def shaped(self, key: str, *shape: int) -> np.ndarray:
        """The array `key`, which must have that shape."""
        if (array := self[key]).shape != shape:
            raise DataError(f"{self.path}: '{key}' has the shape {array.shape}; it must be {shape}")
        return array

    def numbers(self, key: str, *shape: int) -> np.ndarray:
        """The array `key` as float64, which must hold numbers and have that shape."""
        if (array := self.shaped(key, *shape)).dtype.kind not in "fiu":
            raise DataError(f"{self.path}: '{key}' holds {array.dtype}; it must hold numbers")
        return array.astype(np.float64)


@contextmanager
def opened(path: Path) -> Iterator[Arrays]:
    """The arrays of a file; a `DataError` if it is no whole `.npz`."""
    try:
        file = np.load(path, allow_pickle=False)
    except PermissionError:
        raise DataError(f"{path} may not be read; its permissions forbid it") from None
    except Exception:  # zipfile has errors of many kinds, and numpy takes what is no zip for a pickle
        file = None
    if not isinstance(file, np.lib.npyio.NpzFile):  # of a broken download, too: a zip's list of contents is at its end
        raise DataError(f"{path} is no .npz file, or not a whole one")
    with file:
        yield Arrays(path, file)
