"""Tables of published numbers: a benchmark's measurements of every architecture of a space, in a memory-mapped file.

The file is a safetensors file, which holds no code. Each column is one float64 tensor of shape (rows,) named
`DATASET/METRIC`. An architecture with the vector (d0, d1, ...) has the row number that these digits form, with d0 as
the most significant digit (`numpy.ravel_multi_index`). NaN means "not measured". The file's metadata has one entry,
`nasforge_table`, a JSON object:

    format         1
    name           name of the table
    space          registry name of the space
    cardinalities  number of choices of each decision; their product is the number of rows
    columns        in order: dataset, metric, direction, report_only, about, sha256 (of the column's bytes)
    source         where the numbers come from
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from nasforge.architecture import Objective
from nasforge.errors import DataError, reason, text_of, unknown
from nasforge.journal.journal import atomic, digest

FORMAT = 1
HEADER = "nasforge_table"
Direction = Literal["max", "min"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        dataset: the data set, or for a latency the device.
        metric: name of the metric, including its unit if it has one; every `*accuracy*` is a fraction in [0, 1].
        direction: `max` or `min`.
        report_only: whether it was measured on test data, so that no strategy may see it.
        about: how it was measured (epochs, seeds, part of the data), in a few words.
    """

    dataset: str
    metric: str
    direction: Direction
    report_only: bool = False
    about: str = ""

    @property
    def key(self) -> str:
        """The column's name in the file."""
        return f"{self.dataset}/{self.metric}"

    @property
    def objective(self) -> Objective:
        """The objective of an estimator that returns this metric."""
        return Objective(self.metric, self.direction, self.report_only)


@dataclass(frozen=True, eq=False)
class Table:
    """Published numbers of the architectures of a `VectorEncoded` space. Make one with `Table.of` or `Table.open`.

    Attributes:
        name: name of the table; its file has this name plus a suffix.
        space: registry name of the space.
        cardinalities: number of choices of each decision.
        digests: the sha256 of each column, by key; checked whenever a column is read.
        source: where the numbers come from.
        path: the file that the table was read from, if any.
    """

    name: str
    space: str
    cardinalities: tuple[int, ...]
    columns: tuple[Column, ...]
    digests: Mapping[str, str] = field(repr=False)
    source: str
    path: Path | None
    read: Callable[[str], np.ndarray] = field(repr=False)

    @classmethod
    def of(
        cls,
        space: str,
        cardinalities: Sequence[int],
        values: Mapping[Column, np.ndarray],
        *,
        source: str,
        name: str | None = None,
        path: Path | None = None,
    ) -> Table:
        """Make a table from arrays (rows,), in the order of `values`; its name defaults to the name of the space.

        Raises:
            DataError: an array has the wrong shape, an infinite number, or accuracies outside [0, 1].
        """
        arrays = {column.key: np.ascontiguousarray(array, dtype="<f8") for column, array in values.items()}
        digests = {key: _sha256(array) for key, array in arrays.items()}
        table = cls(
            name or space, space, tuple(cardinalities), tuple(values), digests, source, path, arrays.__getitem__
        )
        for column in table.columns:
            table.values(column)
        return table

    @classmethod
    def open(cls, path: Path) -> Table | None:
        """Open a file that `write` made; columns are read on demand.

        Returns:
            The table, or None for a safetensors file that is not a table.

        Raises:
            DataError: the file is truncated or damaged, or written by another version.
        """
        header, keys = _header(path)
        if header is None:
            return None
        try:
            table = _from_header(json.loads(header), path)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{path}: its header is damaged ({reason(error)}); import the table again") from None
        for key in table.digests:
            if key not in keys:
                raise DataError(f"{path} lacks the column '{key}' that its header lists; import the table again")
        return table

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all; equal tables give equal bytes."""
        columns = [{**asdict(column), "sha256": self.digests[column.key]} for column in self.columns]
        header = {
            "format": FORMAT,
            "name": self.name,
            "space": self.space,
            "cardinalities": self.cardinalities,
            "columns": columns,
            "source": self.source,
        }
        with atomic(path) as temporary:
            tensors = {column.key: self.values(column) for column in self.columns}
            temporary.write_bytes(
                save(tensors, {HEADER: json.dumps(header)})
            )  # `save_file` would deny other users access to the file

    @property
    def rows(self) -> int:
        """Number of architectures in the space."""
        return math.prod(self.cardinalities)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets of the columns, each once, in order."""
        return tuple(dict.fromkeys(column.dataset for column in self.columns))

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the numbers that does not depend on the file."""
        return digest([self.space, self.cardinalities, sorted(self.digests.items())])

    def __str__(self) -> str:
        return str(self.path or f"table '{self.name}'")

    def of_dataset(self, dataset: str) -> tuple[Column, ...]:
        """Return the columns of `dataset`; an `UnknownNameError` lists the known ones."""
        if dataset not in self.datasets:
            raise unknown(f"data set in {self}", dataset, self.datasets)
        return tuple(column for column in self.columns if column.dataset == dataset)

    def values(self, column: Column) -> np.ndarray:
        """Return a column (rows,), float64; NaN where an architecture was not measured.

        Raises:
            DataError: the file is damaged, or a value is outside the column's range.
        """
        values = self.read(column.key)
        if values.shape != (self.rows,) or values.dtype != np.dtype("<f8"):
            raise DataError(
                f"{self}: '{column.key}' is {values.dtype} of shape {values.shape}; "
                f"{self.rows} architectures of '{self.space}' need float64 of shape ({self.rows},)"
            )
        if _sha256(values) != self.digests[column.key]:
            raise DataError(f"{self}: the column '{column.key}' is damaged: its checksum differs; import it again")
        if np.isinf(values).any():
            raise DataError(f"{self}: '{column.key}' holds an infinite number, at row {np.isinf(values).argmax()}")
        if "accuracy" in column.metric and ((values < 0) | (values > 1)).any():
            wrong = values[(values < 0) | (values > 1)][0]
            raise DataError(f"{self}: '{column.key}' holds {wrong:g}; accuracies are fractions between 0 and 1")
        return values

    def matrix(self, columns: Sequence[Column]) -> np.ndarray:
        """Return columns side by side (rows, columns), float64, read-only; each row is one architecture."""
        matrix = np.column_stack([self.values(column) for column in columns])
        matrix.setflags(write=False)
        return matrix

    def row(self, vector: Sequence[int] | np.ndarray) -> int:
        """Return the row of an architecture's vector (decisions,); a `DataError` if it is outside the space."""
        row = 0
        digits = (
            vector.tolist() if isinstance(vector, np.ndarray) else vector
        )  # numpy's own indexing takes nine times longer
        for digit, choices in zip(digits, self.cardinalities, strict=True):
            if not 0 <= digit < choices:
                raise DataError(f"{self}: space '{self.space}' has no vector {list(digits)}")
            row = row * choices + digit
        return row


def _header(path: Path) -> tuple[str | None, set[str]]:
    """Return the text of the header (None if the file has none) and the names of the tensors."""
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            return (file.metadata() or {}).get(HEADER), set(file.keys())
    except (SafetensorError, OSError) as error:
        raise DataError(
            f"{path} is not a safetensors file, or is incomplete ({text_of(error)}); import the table again"
        ) from None


def _from_header(header: Mapping[str, Any], path: Path) -> Table:
    if header["format"] != FORMAT:
        raise DataError(f"{path} has table format {header['format']}; this version reads {FORMAT}: import it again")
    columns, digests = [], {}
    for listed in header["columns"]:
        described = dict(listed)
        sha256 = described.pop("sha256")
        columns.append(Column(**described))
        digests[columns[-1].key] = str(sha256)
    for column in columns:
        if column.direction not in get_args(Direction):
            raise ValueError(f"the direction of '{column.key}' is '{column.direction}'")
    cardinalities = tuple(int(choices) for choices in header["cardinalities"])
    name, space, source = (str(header[key]) for key in ("name", "space", "source"))
    return Table(name, space, cardinalities, tuple(columns), digests, source, path, partial(_tensor, path))


def _tensor(path: Path, key: str) -> np.ndarray:
    """Read one column, and nothing else of the file."""
    try:
        with safe_open(path, framework="numpy") as file:
            values: np.ndarray = file.get_tensor(key)
    except (SafetensorError, OSError) as error:
        raise DataError(
            f"{path}: the column '{key}' cannot be read ({text_of(error)}); import the table again"
        ) from None
    return values


def _sha256(values: np.ndarray) -> str:
    return hashlib.sha256(values.data).hexdigest()
