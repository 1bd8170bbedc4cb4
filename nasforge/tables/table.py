"""Tables of published numbers: a benchmark's measurements of the architectures of a space.

The file is a safetensors file or an `.npz`, which hold no code. Each column is one float64 array of shape (rows,) named
`DATASET/METRIC`. NaN means "not measured". In a table of the whole space, an architecture with the vector (d0, d1, ...)
has the row number that these digits form, with d0 as the most significant digit (`numpy.ravel_multi_index`). A table of
a sample has one more array, `vectors`, integers of shape (rows, decisions). The header is one text, a JSON object:

    format         1
    name           name of the table
    space          registry name of the space
    cardinalities  number of choices of each decision
    columns        in order: dataset, metric, direction, report_only, about, basis, epochs (if they are known),
                   sha256 (of the column's bytes)
    source         where the numbers come from
    vectors        the sha256 of the vectors, as int64; only in a table of a sample
    origin         repository, commit, license, paper and notice of the numbers, if they are known
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from nasforge.errors import DataError, reason, unknown
from nasforge.journal.journal import digest
from nasforge.tables.columns import Basis, Column, Direction, Origin
from nasforge.tables.storage import array_of, header_of, write

FORMAT = 1
VECTORS = "vectors"


@dataclass(frozen=True, eq=False)
class Table:
    """Published numbers of architectures of a `VectorEncoded` space. Make one with `Table.of` or `Table.open`.

    Attributes:
        name: name of the table; its file has this name plus a suffix.
        space: registry name of the space.
        cardinalities: number of choices of each decision.
        digests: the sha256 of each array, by key; checked whenever one is read.
        source: where the numbers come from, in a few words.
        path: the file that the table was read from, if any.
        origin: where the numbers were published, if that is known.
    """

    name: str
    space: str
    cardinalities: tuple[int, ...]
    columns: tuple[Column, ...]
    digests: Mapping[str, str] = field(repr=False)
    source: str
    path: Path | None
    read: Callable[[str], np.ndarray] = field(repr=False)
    origin: Origin | None = None

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
        vectors: np.ndarray | None = None,
        origin: Origin | None = None,
    ) -> Table:
        """Make a table from arrays (rows,), in the order of `values`; its name defaults to the name of the space.

        Args:
            vectors: integers (rows, decisions), the architectures of a table of a sample; None: all architectures.

        Raises:
            DataError: an array has the wrong shape, an infinite number, or accuracies outside [0, 1]; or a vector is
                outside the space or occurs twice.
        """
        arrays = {column.key: np.ascontiguousarray(array, dtype="<f8") for column, array in values.items()}
        if vectors is not None:
            arrays[VECTORS] = np.ascontiguousarray(vectors, dtype="<i8")
        digests = {key: _sha256(array) for key, array in arrays.items()}
        sizes, columns = tuple(cardinalities), tuple(values)
        table = cls(name or space, space, sizes, columns, digests, source, path, arrays.__getitem__, origin)
        for column in table.columns:
            table.values(column)
        return table

    @classmethod
    def open(cls, path: Path) -> Table | None:
        """Open a file that `write` made; columns are read on demand.

        Returns:
            The table, or None for a safetensors file or an `.npz` that is not a table.

        Raises:
            DataError: the file is truncated or damaged, or written by another version.
        """
        header, keys = header_of(path)
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
        header: dict[str, Any] = {
            "format": FORMAT,
            "name": self.name,
            "space": self.space,
            "cardinalities": self.cardinalities,
            "columns": [{**column.described, "sha256": self.digests[column.key]} for column in self.columns],
            "source": self.source,
        }
        arrays = {column.key: self.values(column) for column in self.columns}
        if self.vectors is not None:
            header[VECTORS], arrays[VECTORS] = self.digests[VECTORS], self.vectors
        if self.origin is not None:
            header["origin"] = asdict(self.origin)
        write(path, json.dumps(header), arrays)

    @property
    def rows(self) -> int:
        """Number of architectures in the table."""
        return math.prod(self.cardinalities) if self.vectors is None else len(self.vectors)

    @cached_property
    def vectors(self) -> np.ndarray | None:
        """The architectures (rows, decisions), int64, of a table of a sample; None if the table has the whole space.

        Raises:
            DataError: the file is damaged, or a vector is outside the space or occurs twice.
        """
        if VECTORS not in self.digests:
            return None
        vectors = self.read(VECTORS)
        if vectors.ndim != 2 or vectors.shape[1] != len(self.cardinalities) or vectors.dtype != np.dtype("<i8"):
            raise DataError(
                f"{self}: its vectors are {vectors.dtype} of shape {vectors.shape}; they must be int64 of shape "
                f"(rows, {len(self.cardinalities)})"
            )
        self._check(VECTORS, vectors)
        if ((vectors < 0) | (vectors >= self.cardinalities)).any():
            raise DataError(f"{self}: one of its vectors is outside space '{self.space}'")
        return vectors

    @cached_property
    def _row_of(self) -> Mapping[tuple[int, ...], int]:
        """By vector: the row, in a table of a sample."""
        assert self.vectors is not None
        rows = {tuple(vector): row for row, vector in enumerate(self.vectors.tolist())}
        if len(rows) < len(self.vectors):
            raise DataError(f"{self}: {len(self.vectors) - len(rows)} of its architectures occur twice")
        return rows

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
        self._check(column.key, values)
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
        """Return the row of an architecture's vector (decisions,); a `DataError` if the table lacks it."""
        # numpy's own indexing takes nine times longer
        digits = vector.tolist() if isinstance(vector, np.ndarray) else vector
        if VECTORS in self.digests:
            if (known := self._row_of.get(tuple(digits))) is None:
                raise DataError(f"{self} lacks this architecture: it has a sample of {self.rows:,} of '{self.space}'")
            return known
        row = 0
        for digit, choices in zip(digits, self.cardinalities, strict=True):
            if not 0 <= digit < choices:
                raise DataError(f"{self}: space '{self.space}' has no vector {list(digits)}")
            row = row * choices + digit
        return row

    def _check(self, key: str, array: np.ndarray) -> None:
        if _sha256(array) != self.digests[key]:
            raise DataError(f"{self}: the column '{key}' is damaged: its checksum differs; import it again")


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
        if column.basis not in get_args(Basis):
            raise ValueError(f"the basis of '{column.key}' is '{column.basis}'")
    if VECTORS in header:
        digests[VECTORS] = str(header[VECTORS])
    origin = Origin(**header["origin"]) if "origin" in header else None
    cardinalities = tuple(int(choices) for choices in header["cardinalities"])
    name, space, source = (str(header[key]) for key in ("name", "space", "source"))
    return Table(name, space, cardinalities, tuple(columns), digests, source, path, partial(array_of, path), origin)


def _sha256(values: np.ndarray) -> str:
    return hashlib.sha256(values.data).hexdigest()
