"""Reads pickles of numbers, strings and containers without running code from them.

A pickle may name any function to be called while it is read. A pickle that names one not listed below is refused.
"""

from __future__ import annotations

import bz2
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from nasforge import DataError, text_of

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""The first number in a file written by torch.save before 1.6."""


LEAST_MEMORY, MEMORY_BY_SIZE = 2 << 30, 64
"""Limit of memory for reading a file: the larger of this many bytes and this multiple of its size (bz2 compresses
tenfold)."""


def load(path: Path) -> Any:
    """The object in a pickle, with arrays as lists. A `DataError` if it is broken or asks for foreign code."""
    return _loaded(path, open)


def load_bz2(path: Path) -> Any:
    """The object in a `.pickle.pbz2`; see `load`."""
    return _loaded(path, bz2.open)


def load_arrays(path: Path) -> Any:
    """The object in a pickle, with each array in a `HeldArray`; see `load`."""
    return _loaded(path, open, _Arrays)


def _loaded(path: Path, open_file: Callable[..., Any], reader: type[_Numbers] | None = None) -> Any:
    try:
        with _bounded_memory(path), open_file(path, "rb") as file:
            return (reader or _Numbers)(file).load()
    except Exception as error:  # bz2 and pickle raise almost any error for a damaged file
        raise _unreadable(path, error) from None


def load_torch(path: Path) -> Any:
    """The object written by torch.save, in its current format or that before 1.6, with None in place of tensors.

    Raises:
        DataError: the file is broken or asks for foreign code.
    """
    try:
        with _bounded_memory(path):
            return _torch_object(path)
    except Exception as error:  # zipfile and pickle raise almost any error for a damaged file
        raise _unreadable(path, error) from None


def _torch_object(path: Path) -> Any:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(name) as file:
                return _Numbers(file).load()
    with path.open("rb") as file:  # three short pickles come first: magic number, protocol, the writer's machine
        if _Numbers(file).load() != TORCH_MAGIC:
            raise pickle.UnpicklingError("it was not written by torch.save")
        for _ in range(2):
            _Numbers(file).load()
        return _Numbers(file).load()


@contextmanager
def _bounded_memory(path: Path) -> Iterator[None]:
    """Limit memory in proportion to the file's size: one damaged byte can make a pickle allocate all memory.

    Without effect where the system does not report the memory of this process (other than on Linux).
    """
    try:
        import resource

        in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    except (ImportError, OSError):
        yield
        return
    limit = in_use + max(LEAST_MEMORY, MEMORY_BY_SIZE * path.stat().st_size)
    bounds = [bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([limit, *bounds]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path} cannot be read ({text_of(error)[:200]}); it must be complete and hold only numbers and strings"
    )


class _Numbers(pickle.Unpickler):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a function or class that the pickle names."""
        if module == "torch" and name.endswith("Storage"):
            return None  # part of a tensor's reference to its data
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> None:
        """Skip the data of a tensor, which are elsewhere in the file."""


class _Arrays(_Numbers):
    """Keeps arrays as such."""

    def __init__(self, file: IO[bytes]) -> None:
        pickle.Unpickler.__init__(self, file, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        """See `_Numbers.find_class`."""
        usual = super().find_class(module, name)
        return {_array: _held_array, _array_of: _held_array_of}.get(usual, usual)


class _Type:
    """Replaces numpy.dtype, whose `__setstate__` trusts the file."""

    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = code, "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    def numbers(self, content: bytes) -> list[Any]:
        """The numbers in the bytes of an array."""
        numbers: list[Any] = self.array(content).tolist()
        return numbers

    def array(self, content: bytes) -> np.ndarray:
        """The same as an array (N,)."""
        if not re.fullmatch(r"[iuf][1248]|b1", self.code) or self.order not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError(f"it holds numpy numbers of type {self.code}")
        return np.frombuffer(content, np.dtype(self.order + self.code))


class _Array(list[Any]):
    """Replaces numpy.ndarray: the numbers of a one-dimensional array."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, _, content = state
        self[:] = kind.numbers(content)
        if tuple(shape) != (len(self),):
            raise pickle.UnpicklingError(f"it holds an array of shape {shape} with {len(self)} numbers")


class HeldArray:
    """Replaces numpy.ndarray where the numbers are many: `values` is an array that cannot be written to."""

    values: np.ndarray

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_column, content = state
        flat = kind.array(content.encode("latin1") if isinstance(content, str) else content)  # Python 2 wrote text
        self.values = flat.reshape(shape, order="F" if by_column else "C")


def _held_array(*_: object) -> HeldArray:
    """Replaces numpy's `_reconstruct`, as `_array` does."""
    return HeldArray()


def _held_array_of(content: bytes, kind: _Type, shape: tuple[int, ...], order: str) -> HeldArray:
    """Replaces numpy's `_frombuffer`, as `_array_of` does."""
    array = HeldArray()
    array.__setstate__((1, shape, kind, order == "F", content))
    return array


def _array(*_: object) -> _Array:
    """Replaces numpy's `_reconstruct`, which makes an empty array."""
    return _Array()


def _array_of(content: bytes, kind: _Type, shape: tuple[int, ...], _: str) -> _Array:
    """Replaces numpy's `_frombuffer`, which pickles of protocol 5 use instead."""
    array = _Array()
    array.__setstate__((1, shape, kind, False, content))
    return array


def _no_bytes(*arguments: object) -> bytes:
    """Replaces `bytes`, which old pickles call for an empty string; with a number it would allocate memory."""
    if arguments:
        raise pickle.UnpicklingError("it asks for bytes")
    return b""


def _number(kind: _Type, content: bytes) -> int | float | bool:
    """Replaces numpy's `scalar`."""
    (value,) = kind.numbers(content)
    return value  # type: ignore[no-any-return]


def _encoded(text: str, encoding: str) -> bytes:
    """Replaces `_codecs.encode`, with which old pickles write bytes as text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding}")
    return text.encode("latin1")


def _unread(*_: object) -> None:
    """Replaces a tensor with None."""


_ALLOWED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("numpy", "dtype"): _Type,
    ("numpy.core.multiarray", "scalar"): _number,
    ("numpy._core.multiarray", "scalar"): _number,
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy._core.multiarray", "_reconstruct"): _array,
    ("numpy.core.numeric", "_frombuffer"): _array_of,
    ("numpy._core.numeric", "_frombuffer"): _array_of,
    ("numpy", "ndarray"): None,
    ("builtins", "bytes"): _no_bytes,
    ("__builtin__", "bytes"): _no_bytes,
    ("_codecs", "encode"): _encoded,
    ("torch._utils", "_rebuild_tensor_v2"): _unread,
    ("torch.storage", "_load_from_bytes"): _unread,
}
