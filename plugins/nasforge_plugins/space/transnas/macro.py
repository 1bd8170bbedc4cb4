"""The skeleton-level search space of TransNAS-Bench-101 (Duan et al., CVPR 2021)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import product

import numpy as np

from nasforge import (
    Architecture,
    ArchitectureError,
    CellGraph,
    Channels,
    Network,
    Shape,
    VectorEncoded,
    size_or_default,
)

from .network import BasicBlock, ModuleNetwork

GENE = "modules"
SHORTEST, LONGEST = 4, 6
MODULES = {1: "same shape", 2: "2 x channels", 3: "1/2 resolution", 4: "2 x channels, 1/2 resolution"}
BEST = {
    "best_class_scene": "224131",
    "best_class_object": "22231",
    "best_room_layout": "214313",
    "best_jigsaw": "2243",
    "best_segmentsemantic": "222133",
    "best_normal": "224111",
    "best_autoencoder": "221113",
}
Digits = tuple[int, ...]


def is_legal(digits: Digits) -> bool:
    """Four to six modules, one to four of which halve the resolution and one to three double the channels."""
    halving, doubling = sum(digit > 2 for digit in digits), sum(digit in (2, 4) for digit in digits)
    return SHORTEST <= len(digits) <= LONGEST and 1 <= halving <= 4 and 1 <= doubling <= 3


ALL = tuple(sorted(d for n in range(SHORTEST, LONGEST + 1) for d in product(MODULES, repeat=n) if is_legal(d)))
"""All 3,256 skeletons in lexicographic order."""
RANK = {digits: rank for rank, digits in enumerate(ALL)}


class TransNASMacro(VectorEncoded):
    """The 3,256 skeletons of TransNAS-Bench-101: four to six modules of ResNet blocks, each of one of four shapes.

    Rules for the whole skeleton leave no independent decisions: a vector is the skeleton's rank among all. Neighbors
    differ in one module, or lack the last one.

    Args:
        channels: base width of the network.
    """

    name = "transnas_macro"
    notations = ("64-1234-basic",)
    cardinalities = (len(ALL),)

    def __init__(self, *, channels: Channels = 64) -> None:
        self.channels = channels

    @cached_property
    def presets(self) -> Mapping[str, Architecture]:
        """The skeleton with the best published score of each task."""
        return {name: _architecture(tuple(map(int, digits))) for name, digits in BEST.items()}

    def from_notation(self, text: str) -> Architecture | None:
        """The skeleton in the benchmark's string."""
        match = re.fullmatch(r"\d+-(\d+)-basic", text.strip())
        return self.validate(Architecture.of(self.name, {GENE: list(map(int, match[1]))})) if match else None

    def validate(self, architecture: Architecture) -> Architecture:
        """The same architecture with its notation."""
        if architecture.space != self.name:
            raise ArchitectureError(
                f"an architecture of space '{architecture.space}' does not belong to space '{self.name}'"
            )
        digits = architecture[GENE]
        if digits not in RANK or len(architecture.genes) > 1:
            raise ArchitectureError(
                f"field '{GENE}' is {digits!r}; it must be {SHORTEST} to {LONGEST} of 1, 2, 3 and 4, among them one to "
                "four of 3 and 4, which halve the resolution, and one to three of 2 and 4, which double the channels"
            )
        return _architecture(digits)

    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """The modules, one after the other."""
        digits = self.validate(architecture)[GENE]
        return [CellGraph.sequence("modules", (MODULES[digit] for digit in digits))]

    def encode(self, architecture: Architecture) -> np.ndarray:
        """The skeleton's rank (1,)."""
        return np.array([RANK[architecture[GENE]]])

    def decode(self, vector: np.ndarray) -> Architecture:
        """The skeleton of a rank (1,)."""
        (rank,) = vector
        if not 0 <= rank < len(ALL):
            raise ArchitectureError(f"a vector of space '{self.name}' is one integer below {len(ALL)}, not {rank}")
        return _architecture(ALL[int(rank)])

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """One of the skeletons that differ in one module, or by the last one."""
        near = adjacent(architecture[GENE])
        return _architecture(near[rng.integers(len(near))])

    def neighbors(self, architecture: Architecture) -> list[Architecture]:
        """The skeletons that differ in one module, or by the last one."""
        return [_architecture(digits) for digits in adjacent(architecture[GENE])]

    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """Each module from either parent, and the modules beyond the shorter one's end from the longer one or not."""
        parents = sorted((a[GENE], b[GENE]), key=len)
        children = {parents[0], parents[1]}
        for length in {len(parents[0]), len(parents[1])}:
            places = zip(parents[0], parents[1], strict=False)
            children.update((*shared, *parents[1][len(parents[0]) : length]) for shared in product(*places))
        legal = sorted(child for child in children if child in RANK)
        return _architecture(legal[rng.integers(len(legal))])

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
        """The benchmark's network for classification; the skeleton is its depth. See `SearchSpace.build`."""
        width = size_or_default("channels", channels, self.channels)
        return ModuleNetwork(input_shape, classes, width, self.validate(architecture)[GENE], BasicBlock)


def adjacent(digits: Digits) -> list[Digits]:
    """The skeletons whose digits, filled up with zeros, differ in one place, in lexicographic order."""
    changed = {(*digits[:place], digit, *digits[place + 1 :]) for place in range(len(digits)) for digit in MODULES}
    resized = {digits[:-1], *((*digits, digit) for digit in MODULES)}
    return sorted(near for near in changed | resized if near in RANK and near != digits)


def _architecture(digits: Digits) -> Architecture:
    return Architecture(TransNASMacro.name, ((GENE, digits),), f"64-{''.join(map(str, digits))}-basic")
