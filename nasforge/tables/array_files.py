"""Read files of NumPy arrays (`.npz`). The reader trusts nothing, and each error names what is wrong in the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from nasforge.errors import DataError, text_of


class ArrayFile:
    """The arrays of an open file, read on demand; a `DataError` names what is missing or damaged.

    Attributes:
        names: the names of all arrays in the file, sorted.
    """

    def __init__(self, path: Path, file: np.lib.npyio.NpzFile) -> None:
        self.path, self._file, self.names = path, file, sorted(file.files)

    def __getitem__(self, key: str) -> np.ndarray:
        if key not in self.names:
            raise DataError(f"{self.path} has no array '{key}'; it holds {', '.join(self.names) or 'nothing'}")
        try:
            array = self._file[key]
        except Exception as error:  # zipfile, zlib, lzma and numpy each have their own errors for a damaged member
            raise DataError(
                f"{self.path}: '{key}' cannot be read ({text_of(error)[:200]}); "
                "it must be a complete, plain array of numbers or strings"
            ) from None
        if not isinstance(array, np.ndarray):  # numpy returns the bytes of a member without an array header
            raise DataError(f"{self.path}: '{key}' is not an array; numpy.savez writes arrays")
        return array

    def shaped(self, key: str, *shape: int) -> np.ndarray:
        """Return the array `key`, which must have that shape."""
        if (array := self[key]).shape != shape:
            raise DataError(f"{self.path}: '{key}' has the shape {array.shape}; it must be {shape}")
        return array

    def numbers(self, key: str, *shape: int) -> np.ndarray:
        """Return the array `key` as float64; it must hold numbers and have that shape."""
        if (array := self.shaped(key, *shape)).dtype.kind not in "fiu":
            raise DataError(f"{self.path}: '{key}' holds {array.dtype}; it must hold numbers")
        return array.astype(np.float64)


@contextmanager
def open_arrays(path: Path) -> Iterator[ArrayFile]:
    """Open an `.npz` file.

    Raises:
        DataError: the file may not be read, or is not a complete `.npz` file.
    """
    try:
        file = np.load(path, allow_pickle=False)
    except PermissionError:
        raise DataError(f"{path} may not be read; its permissions forbid it") from None
    except Exception:  # zipfile raises many kinds of errors, and numpy takes a file that is not a zip for a pickle
        file = None
    if not isinstance(file, np.lib.npyio.NpzFile):  # also for a broken download: a zip lists its contents at its end
        raise DataError(f"{path} is not an .npz file, or is incomplete; numpy.savez writes them")
    with file:
        yield ArrayFile(path, file)
