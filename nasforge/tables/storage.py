"""The two kinds of table files: safetensors, which are memory-mapped, and `.npz`, which are small. Neither holds code.

Both hold plain arrays by name, and one text, the table's header.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from nasforge.errors import DataError, text_of
from nasforge.journal.journal import atomic
from nasforge.tables.array_files import open_arrays

HEADER = "nasforge_table"
COMPRESSED = ".npz"
SUFFIXES = (".safetensors", COMPRESSED)
"""Suffixes of table files; plug-ins read `.npz` files of other forms."""


def header_of(path: Path) -> tuple[str | None, set[str]]:
    """Return the text of the header (None if the file has none) and the names of the arrays.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    if path.suffix == COMPRESSED:
        with open_arrays(path) as arrays:
            header = str(arrays[HEADER]) if HEADER in arrays.names else None
            return header, {*arrays.names} - {HEADER}
    try:
        with safe_open(path, framework="numpy") as file:
            return (file.metadata() or {}).get(HEADER), set(file.keys())
    except (SafetensorError, OSError) as error:
        raise DataError(
            f"{path} is not a safetensors file, or is incomplete ({text_of(error)}); import the table again"
        ) from None


def array_of(path: Path, key: str) -> np.ndarray:
    """Read one array, and nothing else of the file; a `DataError` if it is damaged."""
    if path.suffix == COMPRESSED:
        with open_arrays(path) as arrays:
            return arrays[key]
    try:
        with safe_open(path, framework="numpy") as file:
            values: np.ndarray = file.get_tensor(key)
    except (SafetensorError, OSError) as error:
        raise DataError(
            f"{path}: the column '{key}' cannot be read ({text_of(error)}); import the table again"
        ) from None
    return values


def write(path: Path, header: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a file, whole or not at all; its suffix chooses its kind. Equal content gives equal bytes."""
    with atomic(path) as temporary:
        if path.suffix == COMPRESSED:
            with temporary.open("wb") as file:
                members: dict[str, Any] = {HEADER: np.array(header), **arrays}
                np.savez_compressed(file, **members)
        else:  # `save_file` would deny other users access to the file
            temporary.write_bytes(save(dict(arrays), {HEADER: header}))
