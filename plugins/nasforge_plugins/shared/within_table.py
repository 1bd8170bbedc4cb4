"""The ability of a space to search among the architectures of a table alone."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from nasforge import Architecture, DataError, VectorEncoded, find_table

NEAREST = 8
"""A mutation is one of so many nearest architectures."""


class WithinTable(VectorEncoded):
    """Ability: a space whose samples, mutants and children all are rows of a table, if its name is given.

    Published results of a huge space cover a sample of it: a search that leaves the sample gets no estimate.

    Attributes:
        among: the table's name; None searches the whole space.
    """

    among: str | None = None

    @cached_property
    def _rows(self) -> np.ndarray:
        """The vectors (rows, decisions) to search among; no rows if the whole space is searched."""
        if self.among is None:
            return np.empty((0, len(self.cardinalities)), dtype=np.int16)
        table = find_table(self.among)
        if table.space != self.name or table.cardinalities != self.cardinalities or table.vectors is None:
            raise DataError(
                f"space.among={self.among}: {table} has no sample of this space '{self.name}', but {table.rows:,} "
                f"architectures of space '{table.space}' with {len(table.cardinalities)} decisions"
            )
        return table.vectors.astype(np.int16)

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Sample uniformly over the table, or over all vectors."""
        if not len(self._rows):
            return super().sample(rng)
        return self.decode(self._rows[rng.integers(len(self._rows))])

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """One of the nearest architectures of the table by the number of differing decisions, or a changed decision."""
        if not len(self._rows):
            return super().mutate(architecture, rng)
        return self._near(self.encode(architecture), rng, NEAREST)

    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """Uniform crossover, then the nearest architecture of the table that is not equal to the child."""
        child = super().crossover(a, b, rng)
        return self._near(self.encode(child), rng, 1) if len(self._rows) else child

    def _near(self, vector: np.ndarray, rng: np.random.Generator, count: int) -> Architecture:
        """One of the `count` nearest rows that differ from `vector`; ties are broken at random."""
        differing = np.count_nonzero(self._rows != vector.astype(np.int16), axis=1)
        ranked = np.where(differing == 0, np.inf, differing + rng.random(len(differing)))
        nearest = np.argpartition(ranked, count)[:count]
        return self.decode(self._rows[nearest[rng.integers(count)]])
