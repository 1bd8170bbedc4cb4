"""The ability of a space to search among the architectures of a table alone."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from nasforge import Architecture, DataError, VectorEncoded, find_table

NEAREST = 8
"""A mutation is one of so many nearest architectures, and a neighbor is at most as far away as the last of them."""


class WithinTable(VectorEncoded):
    """Ability: a space whose samples, mutants, children and neighbors all are rows of a table, if its name is given.

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

    def neighbors(self, architecture: Architecture) -> list[Architecture]:
        """The nearest architectures of the table, with all that are as near as the last of them."""
        if not len(self._rows):
            return super().neighbors(architecture)
        differing = self._differing(self.encode(architecture))
        farthest = np.sort(differing[differing > 0])[:NEAREST][-1]
        return [self.decode(self._rows[row]) for row in np.flatnonzero((differing > 0) & (differing <= farthest))]

    def nearest(self, vector: np.ndarray) -> Architecture:
        """The architecture of the table with the fewest differing decisions, or the decoded one."""
        if not len(self._rows):
            return super().nearest(vector)
        return self.decode(self._rows[self._differing(vector).argmin()])

    def _differing(self, vector: np.ndarray) -> np.ndarray:
        """(rows,) in how many decisions each row differs from a vector."""
        counts: np.ndarray = np.count_nonzero(self._rows != vector.astype(np.int16), axis=1)
        return counts

    def _near(self, vector: np.ndarray, rng: np.random.Generator, count: int) -> Architecture:
        """One of the `count` nearest rows that differ from `vector`; ties are broken at random."""
        differing = self._differing(vector)
        ranked = np.where(differing == 0, np.inf, differing + rng.random(len(differing)))
        nearest = np.argpartition(ranked, count)[:count]
        return self.decode(self._rows[nearest[rng.integers(count)]])
