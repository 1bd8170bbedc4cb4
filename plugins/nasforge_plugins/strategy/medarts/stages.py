"""The stages of ME-DARTS: whether they can be run, before any of them is, and the images that each trains on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field

from nasforge import (
    Cells,
    Channels,
    Count,
    FitData,
    OptionError,
    SearchData,
    Shape,
    Supernet,
    WeightSharing,
    isolated,
)

Members = Annotated[int, Field(ge=1, le=10_000)]
SMALLEST_SIDE = 16
"""Pixels below which images are not halved unless asked for: two reductions would leave one pixel of 4x4 digits."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage: what its members are trained on, and how many there are.

    Attributes:
        name: of its fits; unique.
        cells: depth of its supernets.
        epochs: of each member.
        population: members.
        channels: width; the space's own if None.
        images: class-balanced, half of them for the weights, nested in those of larger stages; all if None.
        parents: how many members come from the stage before, the others being their children; None: half of the
            population, but two if there are two, and everyone on a space whose cells cannot be crossed.
    """

    name: str
    cells: Cells
    epochs: Count
    population: Members
    channels: Channels | None = None
    images: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    parents: Members | None = None

    @property
    def survivors(self) -> int:
        """How many members of the stage before go on."""
        return self.parents or max((self.population + 1) // 2, min(self.population, 2))

    @property
    def children(self) -> int:
        """How many members are crossed from these."""
        return self.population - self.survivors


# Whether they can be run


def check_stages(stages: Sequence[Stage]) -> None:
    """Raise an `OptionError` that names the stage whose population the stage before cannot fill."""
    if not stages:
        raise OptionError("strategy.stages=[] trains nothing; ME-DARTS has three, of 4, 6 and 8 cells")
    names = [stage.name for stage in stages]
    for stage in stages:
        if names.count(stage.name) > 1:
            raise OptionError(f"strategy.stages has two stages called '{stage.name}': fits are named after them")
        if not re.fullmatch(r"\w[\w.-]*", stage.name):
            raise OptionError(f"strategy.stages: a stage is called '{stage.name}'; its fits' folder is named after it")
    if stages[0].parents:
        raise OptionError(f"strategy.stages: '{stages[0].name}' is the first stage, whose members have no parents")
    for before, stage in pairwise(stages):
        parents, most = stage.survivors, stage.survivors**2
        if parents > min(before.population, stage.population):
            raise OptionError(
                f"strategy.stages: '{stage.name}' takes {parents} parents, and '{before.name}' has {before.population} "
                f"members to select from for a population of {stage.population}"
            )
        if stage.population > most:
            raise OptionError(
                f"strategy.stages: {parents} parents and their crossings make {most} members at the most, and "
                f"'{stage.name}' has a population of {stage.population}; it takes parents={_root(stage.population)}"
            )


def without_crossing(stages: Sequence[Stage], space: str) -> tuple[Stage, ...]:
    """The stages on a space of one cell type, where there is nothing to exchange: all members are heirs.

    Raises:
        OptionError: a stage asks for children, or for more members than the stage before has.
    """
    for stage in stages:
        if stage.parents and stage.children:
            raise OptionError(
                f"strategy.stages: '{stage.name}' crosses {stage.parents} parents, and cells of space '{space}' are "
                f"all of one type; parents=null or {stage.population} crosses none"
            )
    for before, stage in pairwise(stages):
        if stage.population > before.population:
            raise OptionError(
                f"strategy.stages: '{stage.name}' has a population of {stage.population}, and '{before.name}' of "
                f"{before.population}: cells of space '{space}' are all of one type, so no children can be crossed; "
                f"{before.population} are the most"
            )
    return (stages[0], *(replace(stage, parents=stage.population) for stage in stages[1:]))


def check_images(stages: Sequence[Stage], images: int, classes: int) -> None:
    """Raise an `OptionError` that names a stage with more images than there are, or with halves of unequal classes."""
    for stage in stages:
        asked, step = stage.images, 2 * classes
        if asked is None:
            continue
        if asked > images:
            raise OptionError(
                f"strategy.stages: '{stage.name}' asks for {asked} images and there are {images} to search on; "
                "images=null takes all"
            )
        if asked % step:
            near = max(step, round(asked / step) * step)
            raise OptionError(
                f"strategy.stages: '{stage.name}' asks for {asked} images, which {classes} classes do not share evenly "
                f"between two halves; {min(near, images // step * step)} would do, or images=null for all"
            )


def check_depth(stage: Stage, supernet: Supernet, space: WeightSharing) -> None:
    """Raise an `OptionError` that names the stage if its supernet has no normal cell."""
    if stage.cells < space.least_cells:
        raise OptionError(
            f"strategy.stages: '{stage.name}' has {stage.cells} cells, which are reductions all of them: "
            f"no {next(iter(supernet.alpha_shapes))} cell would learn; it takes at least {space.least_cells}"
        )


def _root(population: int) -> int:
    return next(n for n in range(1, population + 1) if n * n >= population)


# Images: the approximate datasets of section III.C.2


def scale_of(data: SearchData, asked: float | None) -> float:
    """The factor asked for; None is half, as in the paper, unless images are too small for it."""
    return asked or (0.5 if min(data.input_shape[1:]) >= SMALLEST_SIDE else 1.0)


def images_of(stage: Stage, data: SearchData, scale: float) -> FitData:
    """The stage's images: class-balanced (D_sample), then scaled by Lanczos (D_low).

    Subsets are taken of each half, so that no stage trains on what another one is scored on. A larger stage's images
    include those of a smaller one.
    """
    halves = data.halves()
    train, validation = halves.train, halves.validation
    assert validation is not None  # halves() always makes both
    if stage.images is not None:
        train, validation = (half.subset(stage.images // 2, data.seed) for half in (train, validation))
    if scale != 1.0:
        train, validation = train.scaled(scale), validation.scaled(scale)
    preprocessing = replace(halves.preprocessing, pad=round(halves.preprocessing.pad * scale))
    return replace(halves, train=train, validation=validation, preprocessing=preprocessing)


def scaled(shape: Shape, scale: float) -> Shape:
    """(C, H, W) of images after scaling, rounded as `SearchData.scaled` does."""
    channels, height, width = shape
    return channels, max(1, round(height * scale)), max(1, round(width * scale))


def fits_full_size(supernet: Supernet, space: WeightSharing, data: SearchData, scale: float) -> bool:
    """Whether the weights of a supernet trained on scaled images fit images of full size."""
    if scale == 1.0:
        return True
    options: Any = supernet.options
    with isolated(0):
        full = space.supernet(data.input_shape, data.classes, **options)
    return full.state_dict().keys() == supernet.state_dict().keys()
