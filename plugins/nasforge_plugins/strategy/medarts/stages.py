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
    """One stage: how many members it has, and how they are trained.

    Attributes:
        name: unique; the stage's fits are named after it.
        cells: depth of its supernets.
        epochs: how long each member trains.
        population: how many members it has.
        channels: width of its supernets; the space's own if None.
        images: how many, class-balanced, half of them for the weights; a larger stage has those of a smaller one and
            more. All if None.
        parents: how many members come from the stage before; the others are crossed from them. None: half of the
            population, both of two, and all on a space with a single cell type.
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
        """How many members of the stage before go on to this one."""
        return self.parents or max((self.population + 1) // 2, min(self.population, 2))

    @property
    def children(self) -> int:
        """How many members are crossed from the survivors."""
        return self.population - self.survivors


# Whether they can be run


def check_stages(stages: Sequence[Stage]) -> None:
    """Raise an `OptionError` that names a stage whose name or parents cannot be."""
    if not stages:
        raise OptionError("strategy.stages=[] trains nothing; the paper has three stages, of 4, 6 and 8 cells")
    names = [stage.name for stage in stages]
    for stage in stages:
        if names.count(stage.name) > 1:
            raise OptionError(
                f"strategy.stages has two stages named '{stage.name}'; each needs a name of its own, for its fits"
            )
        if not re.fullmatch(r"\w[\w.-]*", stage.name):
            raise OptionError(
                f"strategy.stages: '{stage.name}' cannot name a stage, since it names a folder too; "
                "letters, digits, '_', '-' and '.' would do"
            )
    if stages[0].parents:
        raise OptionError(f"strategy.stages: '{stages[0].name}' is the first stage; parents=null is right there")
    for before, stage in pairwise(stages):
        parents, limit = stage.survivors, min(before.population, stage.population)
        if parents > limit:
            raise OptionError(
                f"strategy.stages: '{stage.name}' takes {parents} parents for a population of {stage.population}, and "
                f"'{before.name}' has {before.population} members; parents={limit} would be the most"
            )
        if stage.population > parents**2:
            raise OptionError(
                f"strategy.stages: '{stage.name}' has a population of {stage.population}, and {parents} parents with "
                f"their children are at most {parents**2}; it takes parents={_root(stage.population)}"
            )


def without_crossing(stages: Sequence[Stage], space: str) -> tuple[Stage, ...]:
    """The stages on a space of one cell type, where crossover has nothing to exchange: all members are heirs.

    Raises:
        OptionError: a stage asks for children, or for more members than the stage before has.
    """
    for stage in stages:
        if stage.parents and stage.children:
            raise OptionError(
                f"strategy.stages: '{stage.name}' crosses {stage.parents} parents, but the cells of space '{space}' "
                f"are all of one type, with nothing to exchange; parents=null or {stage.population} crosses none"
            )
    for before, stage in pairwise(stages):
        if stage.population > before.population:
            raise OptionError(
                f"strategy.stages: '{stage.name}' has a population of {stage.population}, but '{before.name}' has "
                f"{before.population} members, and the cells of space '{space}' are all of one type, so that crossing "
                f"makes no more; population={before.population} is the most"
            )
    return (stages[0], *(replace(stage, parents=stage.population) for stage in stages[1:]))


def check_images(stages: Sequence[Stage], images: int, classes: int) -> None:
    """Raise an `OptionError` that names a stage that asks for more images than there are, or for unequal classes."""
    for stage in stages:
        asked, step = stage.images, 2 * classes
        if asked is None:
            continue
        if asked > images:
            raise OptionError(
                f"strategy.stages: '{stage.name}' asks for {asked} images, and there are {images} to search on; "
                "images=null takes all of them"
            )
        if asked % step:
            near = max(step, round(asked / step) * step)
            raise OptionError(
                f"strategy.stages: '{stage.name}' asks for {asked} images, which do not divide evenly among {classes} "
                f"classes in two halves; {min(near, images // step * step)} would do, or images=null for all"
            )


def check_depth(stage: Stage, supernet: Supernet, space: WeightSharing) -> None:
    """Raise an `OptionError` that names the stage if its supernet has no normal cell."""
    if stage.cells < space.least_cells:
        raise OptionError(
            f"strategy.stages: '{stage.name}' has cells={stage.cells}, all of which are reductions, so that no "
            f"{next(iter(supernet.alpha_shapes))} cell would learn; it takes at least {space.least_cells}"
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
