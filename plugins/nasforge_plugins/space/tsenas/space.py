"""The search space of TS-ENAS (Zou et al.): whole networks as chains of known cells that can be edited inside."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Annotated, TypeVar

import numpy as np
from pydantic import Field

from nasforge import (
    Architecture,
    ArchitectureError,
    CellGraph,
    Cells,
    Channels,
    Network,
    OptionError,
    Shape,
    WeightInheritance,
    size_or_default,
)
from nasforge_plugins.shared.cell_chain import CellChain

from . import chain as chains, inside, pictures, variation
from .chain import Chain, Limits
from .known import DRAWN, NORMAL, REDUCTION, AmoebaNetCells, Cell, DARTSCells, alike, known_cells
from .network import ChainNetwork, running_statistic

T = TypeVar("T")
Edit = Callable[[Architecture, int, np.random.Generator], Architecture]


class TSENAS(CellChain, WeightInheritance):
    """Whole networks: chains of the eight known cells of TS-ENAS, which can be edited inside.

    An architecture has two genes. `chain` is the first layer of the encoding: (earlier input, previous cell, cell
    code) for each cell. `cells` is the second layer: for each cell its quadruples (x_i, x_j, o_i, o_j), with
    (0, 0, 0, 0) for a pruned node. An edited cell keeps its code, which says what kind of cell it is and whose weights
    it may inherit. Both layers are written in full, so that a value means the same under every option. Genes read from
    JSON may omit `cells`; every cell is then the known one. The notation is the paper's chromosome,
    `0 | 0 0 2 | 0 1 6 | ...`, with the inside of edited cells in brackets.

    Args:
        min_cells, max_cells: N_min and N_max, bounds of the depth N.
        reductions: the most reduction cells; at most half of a chain's cells are reductions.
        widening: each reduction cell doubles the width, up to this many times the first.
        previous_input: whether the earlier input of a cell may also be the cell before it.
        darts, amoebanet: which published version of the cells 3 and 7, 1 and 5.
        dil_conv_5x5: whether CARS-H keeps the dilated 5x5 convolution, which the paper's table lacks; else 3x3.
        channels: width C of the input layer.
    """

    name = "tsenas"
    notations = ("0 | 0 0 2 | 0 1 6 | ...", "[0, 0, 0, 2, 0, 1, 6, ...]")

    def __init__(
        self,
        *,
        min_cells: Cells = 4,
        max_cells: Cells = 12,
        reductions: Annotated[int, Field(ge=0, le=16)] = 3,
        widening: Annotated[int, Field(ge=2, le=1_024)] = 8,
        previous_input: bool = False,
        darts: DARTSCells = "V2",
        amoebanet: AmoebaNetCells = "transcription",
        dil_conv_5x5: bool = True,
        channels: Channels = 16,
    ) -> None:
        if min_cells > max_cells:
            raise OptionError(
                f"space.min_cells={min_cells} is more than space.max_cells={max_cells}: the depth of a network "
                f"is drawn from min_cells to max_cells"
            )
        self.limits = Limits(min_cells, max_cells, reductions)
        self.widening, self.previous_input, self.channels = widening, previous_input, channels
        self._variants = {"darts": darts, "amoebanet": amoebanet, "dil_conv_5x5": str(dil_conv_5x5).lower()}
        self.known_cells: Mapping[int, Cell] = known_cells(darts, amoebanet, dil_conv_5x5)

    # Reading and writing architectures

    def from_notation(self, text: str) -> Architecture | None:
        """A chromosome, `0 | 0 0 2 | 0 1 6 | ...`, with or without bars."""
        if listed := re.fullmatch(r"\[([\d\s,-]+)\]", text):
            text = listed[1]
        if not re.match(r"\s*-?\d+([\s|,]|$)", text):
            return None
        return self._architecture(self._checked(chains.read(text, self.known_cells)))

    def validate(self, architecture: Architecture) -> Architecture:
        """The same architecture with its notation; an `ArchitectureError` names the position of a mistake."""
        return self._architecture(self._chain(architecture))

    def repair(self, architecture: Architecture) -> Architecture:
        """The nearest valid chain, if inputs lead forward or there are too many reductions.

        Such inputs come from the last layer allowed; the last reductions, beyond the cap, become the normal cells of
        the same papers. Any other mistake is an `ArchitectureError`.
        """
        chain = chains.parsed(dict(architecture.genes), self.known_cells)
        return self.validate(self._architecture(variation.repaired(chain, self.known_cells, self.limits)))

    def function_key(self, architecture: Architecture) -> Hashable:
        """Networks with equal keys compute the same function: the key ignores the order of edges and nodes, pruned
        nodes, and a cell's code beyond its kind. Some networks that compute the same have different keys."""
        chain = self._chain(architecture)
        return tuple(
            (*chain.links[position - 1][:2], chain.reduces(position), inside.function_key(chain.cells[position - 1]))
            for position in chain.positions
        )

    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """The chain with its skip connections, then each distinct cell."""
        chain = self._chain(architecture)
        return [pictures.chain_graph(chain, self.known_cells), *pictures.cell_graphs(chain, self.known_cells)]

    def _chain(self, architecture: Architecture) -> Chain:
        if architecture.space != self.name:
            raise ArchitectureError(f"expected an architecture of space '{self.name}', not of '{architecture.space}'")
        return self._checked(dict(architecture.genes))

    def _checked(self, genes: Mapping[str, object]) -> Chain:
        return chains.checked(genes, self.known_cells, self.limits)

    def _architecture(self, chain: Chain) -> Architecture:
        return chains.architecture(chain, self.known_cells)

    # Drawing and varying, for any strategy

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Algorithm 3: a depth drawn uniformly between its bounds (line 3), and a chain of known cells."""
        least, most = self.depths
        return self.sample_chain(int(rng.integers(least, most + 1)), rng)

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """One random edit that changes the chain: one of the paper's five, one more cell, or one cell less."""
        edits: tuple[Edit, ...] = (
            *(self.mutate_cell, self.mutate_connection, self.mutate_operation, self.mutate_input, self.prune_node),
            self.lengthen,
            lambda parent, position, _: self.shorten(parent, position),
        )
        depth = len(self.kinds(architecture))
        while True:
            edit = _choice(edits, rng)
            child = edit(architecture, int(rng.integers(1, depth + 1)), rng)
            if child != architecture:
                return child

    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """The first parent; a cell that has the same kind in both comes from the other with probability 1/2."""
        kinds = enumerate(zip(self.kinds(a), self.kinds(b), strict=False), 1)
        pairs = [(position, position) for position, (ours, theirs) in kinds if ours == theirs and rng.random() < 0.5]
        return self.swap_cells(a, b, pairs)[0]

    def lengthen(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """One more known cell after the one at `position`; the same chain if it has the most cells allowed."""
        chain = self._at(architecture, position)
        depth = len(chain.links) + 1
        if depth > self.limits.max_cells:
            return self._architecture(chain)
        free = len(chain.reductions) < self.limits.reductions_of(depth)
        code = _choice((*NORMAL, *REDUCTION) if free else NORMAL, rng)
        earlier = _choice(variation.free_inputs(position + 1, self.previous_input), rng)
        return self._architecture(variation.longer(chain, position + 1, code, earlier, self.known_cells[code]))

    def shorten(self, architecture: Architecture, position: int) -> Architecture:
        """The chain without the cell at `position`; the same chain if it has the fewest cells allowed."""
        chain = self._at(architecture, position)
        if len(chain.links) > self.limits.min_cells:
            chain = variation.repaired(variation.shorter(chain, position), self.known_cells, self.limits)
        return self._architecture(chain)

    # Outside: the ability CellChain

    @property
    def depths(self) -> tuple[int, int]:
        """N_min and N_max."""
        return self.limits.min_cells, self.limits.max_cells

    def sample_chain(self, depth: int, rng: np.random.Generator) -> Architecture:
        """Algorithm 3, lines 4 to 19: a chain of `depth` known cells."""
        least, most = self.depths
        if not least <= depth <= most:
            raise ArchitectureError(f"a chain of space '{self.name}' has {least} to {most} cells, not {depth}")
        return self._architecture(variation.drawn(depth, self.known_cells, self.limits, self.previous_input, rng))

    def kinds(self, architecture: Architecture) -> tuple[str, ...]:
        """`normal` or `reduction` for each cell."""
        return tuple("reduction" if code in REDUCTION else "normal" for _, _, code in architecture["chain"])

    def mutate_cell(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """Algorithm 2, line 14: another known cell of the same kind."""
        chain = self._at(architecture, position)
        first, second, code = chain.links[position - 1]
        code = _choice([other for other in alike(code) if other != code], rng)
        return self._architecture(chain.with_link(position, (first, second, code), self.known_cells[code]))

    def mutate_connection(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """Algorithm 2, line 16: another first input. The first two cells have no other input to choose; with
        `previous_input` the second cell has one."""
        chain = self._at(architecture, position)
        first, second, code = chain.links[position - 1]
        others = [layer for layer in variation.free_inputs(position, self.previous_input) if layer != first]
        if not others:
            return self._architecture(chain)
        link = (_choice(others, rng), second, code)
        return self._architecture(chain.with_link(position, link, chain.cells[position - 1]))

    def swap_cells(
        self, a: Architecture, b: Architecture, pairs: Iterable[tuple[int, int]]
    ) -> tuple[Architecture, Architecture]:
        """Algorithm 2, line 10: a3 and the inside of the cells change places; a1 and a2 stay."""
        chain, other = self._chain(a), self._chain(b)
        for here, there in pairs:
            first, second, code = _existing(chain, here).links[here - 1]
            other_first, other_second, other_code = _existing(other, there).links[there - 1]
            if other_code not in alike(code):
                raise ArchitectureError(f"cells {here} and {there} are of different kinds and cannot be exchanged")
            cell, other_cell = chain.cells[here - 1], other.cells[there - 1]
            chain = chain.with_link(here, (first, second, other_code), other_cell)
            other = other.with_link(there, (other_first, other_second, code), cell)
        return self._architecture(chain), self._architecture(other)

    # Inside

    def mutate_operation(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """Algorithm 4, line 5, edge mutation: one edge gets another operation of the table."""
        chain = self._at(architecture, position)
        cell = chain.cells[position - 1]
        state, edge, _, code = _choice(list(inside.edges(cell)), rng)
        other = _choice([drawn for drawn in DRAWN if drawn != code], rng)
        return self._architecture(chain.with_cell(position, inside.with_edge(cell, state, edge, code=other)))

    def mutate_input(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """Algorithm 4, line 5, node mutation: one input of one node comes from another earlier state."""
        chain = self._at(architecture, position)
        cell = chain.cells[position - 1]
        state, edge, source, _ = _choice(list(inside.edges(cell)), rng)
        other = _choice([earlier for earlier in inside.earlier(cell, state) if earlier != source], rng)
        return self._architecture(chain.with_cell(position, inside.with_edge(cell, state, edge, source=other)))

    def prune_node(self, architecture: Architecture, position: int, rng: np.random.Generator) -> Architecture:
        """Algorithm 4, line 6: the quadruple of one node becomes zero; nodes that used it use its first input."""
        chain = self._at(architecture, position)
        cell = chain.cells[position - 1]
        if len(inside.kept(cell)) == 1:
            return self._architecture(chain)
        return self._architecture(chain.with_cell(position, inside.without_node(cell, _choice(inside.kept(cell), rng))))

    def _at(self, architecture: Architecture, position: int) -> Chain:
        return _existing(self._chain(architecture), position)

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
            cells: ignored, because the chain determines the depth.
            auxiliary: ignored, because the paper has no auxiliary head.

        Raises:
            ArchitectureError: the architecture is not from this space, or it has more reductions than the image can be
                halved; names the cell.
            OptionError: the width is odd and the images have 128 pixels or more.
        """
        width = size_or_default("channels", channels, self.channels)
        return ChainNetwork(self._chain(architecture), input_shape, classes, channels=width, widening=self.widening)

    # Weights: the ability WeightInheritance

    @property
    def inheritance_facts(self) -> Mapping[str, str]:
        """The published version of each cell that has two."""
        return self._variants

    def weight_key(self, architecture: Architecture, tensor: str) -> str | None:
        """`<cell code>/<name within the cell>`, wherever the cell stands; other tensors keep their names.

        None for running statistics.
        """
        match = re.fullmatch(r"cells\.(\d+)\.(.+)", tensor)
        if running_statistic(tensor):
            return None
        if match is None:
            return tensor
        links = architecture["chain"]
        position = int(match[1])
        if not 1 <= position <= len(links):
            raise ArchitectureError(f"there is no cell {position} in a chain of {len(links)} cells")
        return f"{links[position - 1][2]}/{match[2]}"

    def cover(self) -> Sequence[Architecture]:
        """The fewest chains that contain each normal cell at every width and each reduction cell from every width."""
        return [self._architecture(chain) for chain in variation.covering(self.known_cells, self.limits)]


def _existing(chain: Chain, position: int) -> Chain:
    if position not in chain.positions:
        raise ArchitectureError(f"there is no cell {position} in a chain of {len(chain.links)} cells")
    return chain


def _choice(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]
