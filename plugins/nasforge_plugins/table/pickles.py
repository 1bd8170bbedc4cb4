"""Pickles of numbers, texts and containers, read without running what they ask for.

A pickle may name any function to be called while it is read. These name none but the ones below, or are refused.
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
"""The first number in a file that torch.save wrote before 1.6."""


LEAST_MEMORY, MEMORY_BY_SIZE = 2 << 30, 64
"""Bytes that reading a file may need: as many in any case, or as many times its own size (bz2 shrinks it tenfold)."""


def load(path: Path) -> Any:
    """The object in a pickle; arrays in it become lists. A `DataError` if it is broken or asks for foreign code."""
    return _loaded(path, open)


def load_bz2(path: Path) -> Any:
    """As `load`, of a `.pickle.pbz2`."""
    return _loaded(path, bz2.open)


def _loaded(path: Path, opened: Callable[..., Any]) -> Any:
    try:
        with _bounded_memory(path), opened(path, "rb") as file:
            return _Numbers(file).load()
    except Exception as error:  # bz2 and pickle raise nearly anything for a damaged file
        raise _unreadable(path, error) from None


def load_torch(path: Path) -> Any:
    """The object that torch.save wrote, in its form of today or that before 1.6; tensors in it become None.

    Raises:
        DataError: the file is broken or asks for foreign code.
    """
    try:
        with _bounded_memory(path):
            return _torch_object(path)
    except Exception as error:  # zipfile and pickle raise nearly anything for a damaged file
        raise _unreadable(path, error) from None


def _torch_object(path: Path) -> Any:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            (name,) = (one for one in archive.namelist() if one.endswith("/data.pkl"))
            with archive.open(name) as file:
                return _Numbers(file).load()
    with path.open("rb") as file:  # three short pickles come first: magic number, protocol, the writer's machine
        if _Numbers(file).load() != TORCH_MAGIC:
            raise pickle.UnpicklingError("torch.save did not write it")
        for _ in range(2):
            _Numbers(file).load()
        return _Numbers(file).load()


@contextmanager
def _bounded_memory(path: Path) -> Iterator[None]:
    """Let a file have the memory that its size explains: one damaged byte can make a pickle ask for all there is.

    Where the system does not say how much this process has (elsewhere than on Linux) nothing is bounded.
    """
    try:
        import resource

        has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    except (ImportError, OSError):
        yield
        return
    most = has + max(LEAST_MEMORY, MEMORY_BY_SIZE * path.stat().st_size)
    bounds = [bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([most, *bounds]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path} cannot be read ({text_of(error)[:200]}); it must be whole, and hold nothing but numbers and texts"
    )


class _Numbers(pickle.Unpickler):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Any:
        """Called for every function or class that the pickle names."""
        if module == "torch" and name.endswith("Storage"):
            return None  # part of a tensor's name for its data
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> None:
        """Called for the data of a tensor, which lie elsewhere in the file and stay there."""


class _Type:
    """Stands for numpy.dtype, whose own way to restore its state trusts the file."""

    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = code, "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    def numbers(self, content: bytes) -> list[Any]:
        """Those in the bytes of an array."""
        if not re.fullmatch(r"[iuf][1248]|b1", self.code) or self.order not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError(f"it holds numpy's numbers of type {self.code}")
        listed: list[Any] = np.frombuffer(content, np.dtype(self.order + self.code)).tolist()
        return listed


class _Array(list[Any]):
    """Stands for numpy.ndarray: the numbers of an array of one dimension."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, _, content = state
        self[:] = kind.numbers(content)
        if tuple(shape) != (len(self),):
            raise pickle.UnpicklingError(f"it holds an array of shape {shape} and {len(self)} numbers")


def _array(*_: object) -> _Array:
    """Stands for numpy's `_reconstruct`, which makes an empty array."""
    return _Array()


def _array_of(content: bytes, kind: _Type, shape: tuple[int, ...], _: str) -> _Array:
    """Stands for numpy's `_frombuffer`, which pickles of protocol 5 have instead."""
    array = _Array()
    array.__setstate__((1, shape, kind, False, content))
    return array


def _no_bytes(*arguments: object) -> bytes:
    """Stands for `bytes`, by which old pickles write none of them; a number would reserve memory."""
    if arguments:
        raise pickle.UnpicklingError("it asks for bytes")
    return b""


def _number(kind: _Type, content: bytes) -> int | float | bool:
    """Stands for numpy's `scalar`."""
    (value,) = kind.numbers(content)
    return value  # type: ignore[no-any-return]


def _encoded(text: str, encoding: str) -> bytes:
    """Stands for `_codecs.encode`, by which old pickles write bytes as text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding}")
    return text.encode("latin1")


def _unread(*_: object) -> None:
    """Stands for a tensor."""


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
