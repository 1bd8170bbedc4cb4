"""Open parquet files of images and labels with the library `datasets`, and say what is wrong with them."""

from __future__ import annotations

import glob
import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nasforge import DataError, OptionError, counted, text_of

COLUMNS = ("image", "label")
_PIECE = re.compile(r"(.+)-\d+-of-0*(\d+)")


def files_of(part: Path) -> list[Path]:
    """The files that a pattern such as FOLDER/train*.parquet matches, sorted."""
    return sorted(part.parent.glob(part.name))


def check_parts(parts: Sequence[Path]) -> None:
    """Refuse files that are missing, cannot be read, or lack images or labels, by what stands at their ends.

    Raises:
        DataError: names the file, or the pattern that no file matches.
        OptionError: the library is not installed.
    """
    library()
    for part in parts:
        files = files_of(part)
        if not files:
            raise DataError(
                f"there is no file {part}; data=imagenet tests networks on its images (those of test*.parquet have no "
                "labels on ImageNet)"
            )
        check_complete(files)
        for file in files:
            _check(file)


def check_complete(files: Sequence[Path]) -> None:
    """Raise a `DataError` if names such as train-00000-of-00294 tell that files are missing."""
    for file in files:
        if piece := _PIECE.fullmatch(file.stem):
            name, count = piece[1], int(piece[2])
            here = sum(1 for other in files if re.fullmatch(rf"{re.escape(name)}-\d+-of-0*{count}", other.stem))
            if here < count:
                raise DataError(f"{file.parent} has {here} of {count} files of '{name}'; download the others too")


def library() -> Any:
    """The package `datasets`; an `OptionError` says how to install it."""
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        message = f"parquet files need the package datasets ({error}): pip install 'nasforge[parquet]'"
        raise OptionError(message) from error


def opened(files: Sequence[Path]) -> Any:
    """A `datasets.Dataset` with the bytes of images and labels, read from the library's cache.

    The library writes the rows to its cache first, once for each place of the files, which takes the files' space
    again: a row of a compressed file cannot be read alone.
    """
    datasets = library()
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        rows = datasets.Dataset.from_parquet([glob.escape(str(file)) for file in files], columns=list(COLUMNS))
        return rows.cast_column("image", datasets.Image(decode=False))
    except Exception as error:  # the library has its own, and lets those of the disk and of pyarrow through
        cause = error.__cause__ or error
        raise DataError(
            f"the rows of {files[0].parent} cannot be copied to {datasets.config.HF_DATASETS_CACHE}, the cache of the "
            f"package datasets ({text_of(cause)}); HF_DATASETS_CACHE=FOLDER moves it to where there is as much space "
            "again as the files take"
        ) from error


def _check(file: Path) -> None:
    parquet, types = (importlib.import_module(name) for name in ("pyarrow.parquet", "pyarrow.types"))
    try:
        with parquet.ParquetFile(file) as content:
            schema, groups = content.schema_arrow, content.metadata
    except Exception as error:  # pyarrow has a kind of error for each kind of damage
        raise DataError(f"{file} cannot be read ({text_of(error)})") from None
    if missing := [name for name in COLUMNS if name not in schema.names]:
        raise DataError(
            f"{file} has no column '{missing[0]}', but {', '.join(schema.names)}; data=imagenet needs image and label"
        )
    image, label = (schema.field(name).type for name in COLUMNS)
    inside = [image.field(number) for number in range(image.num_fields) if image.field(number).name == "bytes"]
    held = inside[0].type if inside else image
    if not (types.is_binary(held) or types.is_large_binary(held)):
        raise DataError(f"the column 'image' of {file} holds {image}; data=imagenet needs the bytes of image files")
    if not types.is_integer(label):
        raise DataError(f"the column 'label' of {file} holds {label}; data=imagenet needs whole numbers from 0")
    place = groups.schema.names.index("label")
    statistics = [groups.row_group(number).column(place).statistics for number in range(groups.num_row_groups)]
    if nulls := sum(each.null_count or 0 for each in statistics if each is not None):
        raise DataError(f"{file} has {counted(nulls, 'row')} without a label; data=imagenet needs one for each image")
