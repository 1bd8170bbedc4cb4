"""The search space of the NTK / linear-region GA (Reolon): cells that grow operation by operation, node by node."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from torch import nn

from nasforge import Architecture, ArchitectureError, CellGraph, Cells, Network, OptionError, Shape, unknown
from nasforge_plugins.shared.growing_cells import CrossoverMode, GrowingCells, GrowthRates

from . import genome as genomes, variation
from .genome import CELLS_APART, Genome
from .network import CellSequence, GrowingNetwork, Pooling
from .operations import NAMES

EXAMPLE = "0|0|2|0|0|2|0|0  1|0|0|1|1|0|0|0  0|1|0|0|0|0|2|1--1  7"
MOST_EDITS = 8


class Reolon(GrowingCells):
    """Growing cells, alone or in a chain: a genome gives the channels of each operation on each connection.

    An architecture has three genes, each with one entry per cell of the chain: `cells`, the blocks of channels by
    operation; `shared` and `dataset`, which are part of the paper's notation and do not change the network. Blocks list
    all eight operations in the order of the published code, so that a gene means the same under every option; the
    notation lists those of `operations` in their order. ` + ` separates cells.

    Args:
        operations: the names of the operations that cells are made of.
        pooling: the maps that a cell pools (3x3, stride 2) before its operations: those with a side of more than 50
            pixels (`large`), or all (`always`).
        cells: how many copies of an architecture's chain follow each other in a network.
    """

    name = "reolon"
    notations = ("0|0|2|0|0|2|0|0  1|0|...--1  7",)

    def __init__(self, *, operations: tuple[str, ...] = NAMES, pooling: Pooling = "large", cells: Cells = 1) -> None:
        for name in operations:
            if name not in NAMES:
                raise unknown("operation of space 'reolon'", name, NAMES)
        if not operations or len(set(operations)) < len(operations):
            raise OptionError(f"space.operations={list(operations)} must name each operation once, and at least one")
        self.operations, self.pooling, self.cells = operations, pooling, cells

    # Reading and writing architectures

    @cached_property
    def presets(self) -> Mapping[str, Architecture]:
        """A worked example of the notation, if all its operations are in use."""
        cell = genomes.from_text(EXAMPLE, "the example", NAMES)
        used = {name for _, _, name, _ in cell.connections}
        return {"example": self._architecture([cell])} if used <= set(self.operations) else {}

    def from_notation(self, text: str) -> Architecture | None:
        """The notation `0|0|2|...  1|0|...--1  7`, with ` + ` between the cells of a chain."""
        if not re.match(r"\s*-?\d", text):
            return None
        parts = text.split(CELLS_APART)
        return self._architecture(
            [genomes.from_text(part, _called(number, len(parts)), self.operations) for number, part in enumerate(parts)]
        )

    def validate(self, architecture: Architecture) -> Architecture:
        """The same architecture with its notation; an `ArchitectureError` names the wrong cell, block and entry."""
        return self._architecture(self._cells(architecture))

    def function_key(self, architecture: Architecture) -> Hashable:
        """The blocks: SHARED and DATASET do not change the network."""
        return tuple(cell.blocks for cell in self._cells(architecture))

    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """A graph of each cell: operations with their channels, nodes with the sum of these."""
        cells = self._cells(architecture)
        return [_graph(cell, "cell" if len(cells) == 1 else f"cell {n}") for n, cell in enumerate(cells, 1)]

    def _cells(self, architecture: Architecture) -> list[Genome]:
        if architecture.space != self.name:
            raise ArchitectureError(
                f"an architecture of space '{architecture.space}' does not belong to space '{self.name}'"
            )
        genes = [architecture[name] for name in ("cells", "shared", "dataset")]
        if not all(isinstance(gene, tuple) and len(gene) == len(genes[0]) for gene in genes) or not genes[0]:
            raise ArchitectureError(
                "the fields 'cells', 'shared' and 'dataset' must be lists with an entry for each cell"
            )
        return [self._cell(n, len(genes[0]), *parts) for n, parts in enumerate(zip(*genes, strict=True))]

    def _cell(self, number: int, of: int, blocks: Any, shared: int, dataset: int) -> Genome:
        where = _called(number, of)
        if not isinstance(blocks, tuple):
            raise ArchitectureError(f"{where} must be a list of blocks, not {blocks!r}")
        return genomes.checked(Genome(blocks, shared, dataset), where, self.operations)

    def _architecture(self, cells: Sequence[Genome]) -> Architecture:
        genes = {
            "cells": [cell.blocks for cell in cells],
            "shared": [cell.shared for cell in cells],
            "dataset": [cell.dataset for cell in cells],
        }
        notation = CELLS_APART.join(genomes.text_of(cell, self.operations) for cell in cells)
        return Architecture.of(self.name, genes, notation)

    # Drawing and varying, for any strategy

    def sample(self, rng: np.random.Generator) -> Architecture:
        """The empty cell after one to eight mutations at a resize rate of one half."""
        rates = GrowthRates(resize=0.5)
        architecture = self.first_cell(rates, rng)
        for _ in range(int(rng.integers(MOST_EDITS))):
            architecture, _ = self.mutate_with(architecture, rates, rng)
        return architecture

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """`mutate_with` at the rates of the published CIFAR-10 run, until the network differs."""
        rates, key = GrowthRates(resize=0.55, swap=0.2), self.function_key(architecture)
        while True:
            child, _ = self.mutate_with(architecture, rates, rng)
            if self.function_key(child) != key:
                return child

    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """`cross`, uniform."""
        return self.cross(a, b, "uniform", rng)

    # The ability GrowingCells

    @property
    def operation_names(self) -> tuple[str, ...]:
        """The option `operations`."""
        return self.operations

    def first_cell(self, rates: GrowthRates, rng: np.random.Generator) -> Architecture:
        """`0|0|0|0|0|0|0|0--1  5`, mutated and repaired."""
        return self._architecture([variation.mutated(variation.start(), rates, self.operations, rng).genome])

    def mutate_with(
        self, architecture: Architecture, rates: GrowthRates, rng: np.random.Generator
    ) -> tuple[Architecture, str | None]:
        """A random cell of the chain mutates."""
        cells = self._cells(architecture)
        place = int(rng.integers(len(cells))) if len(cells) > 1 else 0
        child = variation.mutated(cells[place], rates, self.operations, rng)
        cells[place] = child.genome
        return self._architecture(cells), child.operation

    def cross(self, a: Architecture, b: Architecture, mode: CrossoverMode, rng: np.random.Generator) -> Architecture:
        """A crossover cell by cell, as far as both chains reach; each cell is repaired."""
        crossed: Callable[[Genome, Genome, np.random.Generator], Genome]
        crossed = variation.crossed_uniform if mode == "uniform" else variation.crossed_minimum
        cells = self._cells(a)
        for place, (of_a, of_b) in enumerate(zip(cells, self._cells(b), strict=False)):
            cells[place] = variation.repaired(crossed(of_a, of_b, rng), self.operations, rng)
        return self._architecture(cells)

    def total_channels(self, architecture: Architecture) -> int:
        """The sum of all entries."""
        return sum(cell.channels for cell in self._cells(architecture))

    def length(self, architecture: Architecture) -> int:
        """The number of characters of its notation."""
        return len(str(self.validate(architecture)))

    def chain(self, architectures: Sequence[Architecture]) -> Architecture:
        """All cells of all architectures, in order."""
        return self._architecture([cell for architecture in architectures for cell in self._cells(architecture)])

    def cell_module(self, architecture: Architecture, channels: int) -> nn.Module:
        """One copy of the chain of its cells."""
        return CellSequence(self._cells(architecture), channels, self.pooling)

    def cell_width(self, architecture: Architecture) -> int:
        """The channels of the last node of its last cell."""
        last = self._cells(architecture)[-1]
        return last.width(last.depth)

    # Networks

    def build(
        self,
        architecture: Architecture,
        input_shape: Shape,
        classes: int,
        *,
        channels: int | None = None,
        cells: int | None = None,
        auxiliary: bool = False,
    ) -> Network:
        """The network; see `SearchSpace.build`.

        Args:
            channels: has no effect, since the genome gives all widths.
            cells: how many copies of the chain follow each other; each cell but the first reads the image as well.
            auxiliary: has no effect, since there is no auxiliary head.

        Raises:
            ArchitectureError: the architecture does not belong to this space.
            OptionError: `cells` is below 1.
        """
        copies = self.cells if cells is None else cells
        if copies < 1:
            raise OptionError(f"space '{self.name}' builds at least one copy of a chain, not cells={copies}")
        return GrowingNetwork(self._cells(architecture) * copies, input_shape, classes, self.pooling)


def _called(number: int, of: int) -> str:
    return "the genome" if of == 1 else f"cell {number + 1} of the chain"


def _graph(cell: Genome, title: str) -> CellGraph:
    nodes = ("input", *(f"{node} · {cell.width(node)} ch" for node in range(1, cell.depth + 1)))
    edges = tuple((source, node, f"{name} · {n}") for source, node, name, n in cell.connections)
    return CellGraph(title, nodes, edges)
