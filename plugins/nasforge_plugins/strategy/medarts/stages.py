"""The stages of ME-DARTS: checks before the search, and the images of each stage."""

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
    Supernet,
    WeightSharing,
    isolated,
)

Members = Annotated[int, Field(ge=1, le=10_000)]
SMALLEST_SIDE = 16
"""Smaller images are halved only on request: two reductions would leave a single pixel of 4x4 digits."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage: the number of its members and how they are trained.

    Attributes:
        name: unique; the stage's fits are named after it.
        cells: depth of its supernets.
        epochs: number of epochs that each member trains.
        population: number of members.
        channels: width of its supernets; None for the space's own.
        images: number of images, class-balanced, half of them for the weights; None for all. The images of a smaller
            stage are among those of a larger one.
        parents: number of members that come from the previous stage; the others are crossed from them. None means half
            of the population, both of two, and all on a space with a single cell type.
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
        """The number of members of the previous stage that continue in this one."""
        return self.parents or max((self.population + 1) // 2, min(self.population, 2))

    @property
    def children(self) -> int:
        """The number of members that are crossed from the survivors."""
        return self.population - self.survivors


# Checks before the search


def check_stages(stages: Sequence[Stage]) -> None:
    """Raise an `OptionError` that names a stage with an invalid name or number of parents."""
    if not stages:
        raise OptionError("strategy.stages=[] trains nothing; the paper has three stages, of 4, 6 and 8 cells")
    names = [stage.name for stage in stages]
    for stage in stages:
        if names.count(stage.name) > 1:
            raise OptionError(
                f"strategy.stages has two stages named '{stage.name}'; names must differ, since they name fits"
            )
        if not re.fullmatch(r"\w[\w.-]*", stage.name):
            raise OptionError(
                f"strategy.stages: '{stage.name}' cannot name a stage, because it also names a folder; "
                "use letters, digits, '_', '-' and '.'"
            )
    if stages[0].parents:
        raise OptionError(f"strategy.stages: '{stages[0].name}' is the first stage; it must have parents=null")
    for before, stage in pairwise(stages):
        parents, limit = stage.survivors, min(before.population, stage.population)
        if parents > limit:
            raise OptionError(
                f"strategy.stages: '{stage.name}' has {parents} parents for a population of {stage.population}, and "
                f"'{before.name}' has {before.population} members; parents must be at most {limit}"
            )
        if stage.population > parents**2:
            raise OptionError(
                f"strategy.stages: '{stage.name}' has a population of {stage.population}, but {parents} parents with "
                f"their children are at most {parents**2}; parents must be at least {_root(stage.population)}"
            )


def without_crossing(stages: Sequence[Stage], space: str) -> tuple[Stage, ...]:
    """The stages for a space with a single cell type, where crossover has nothing to exchange: all members are heirs.

    Raises:
        OptionError: a stage asks for children, or for more members than the previous stage has.
    """
    for stage in stages:
        if stage.parents and stage.children:
            raise OptionError(
                f"strategy.stages: '{stage.name}' crosses {stage.parents} parents, but space '{space}' has a single "
                f"cell type, so there is nothing to exchange; set parents=null or {stage.population}"
            )
    for before, stage in pairwise(stages):
        if stage.population > before.population:
            raise OptionError(
                f"strategy.stages: '{stage.name}' has a population of {stage.population}, but '{before.name}' has "
                f"{before.population} members, and space '{space}' has a single cell type, so crossover cannot add "
                f"members; population must be at most {before.population}"
            )
    return (stages[0], *(replace(stage, parents=stage.population) for stage in stages[1:]))


def check_images(stages: Sequence[Stage], images: int, classes: int) -> None:
    """Raise an `OptionError` that names a stage with more images than there are, or with unequal classes."""
    for stage in stages:
        asked, step = stage.images, 2 * classes
        if asked is None:
            continue
        if asked > images:
            raise OptionError(
                f"strategy.stages: '{stage.name}' asks for {asked} images, and there are {images} to search on; "
                "images=null uses all of them"
            )
        if asked % step:
            near = max(step, round(asked / step) * step)
            raise OptionError(
                f"strategy.stages: '{stage.name}' asks for {asked} images, which do not divide evenly into two halves "
                f"of {classes} classes; {min(near, images // step * step)} would fit, or images=null for all"
            )


def check_depth(stage: Stage, supernet: Supernet, space: WeightSharing) -> None:
    """Raise an `OptionError` that names the stage if its supernet has no normal cell."""
    if stage.cells < space.least_cells:
        raise OptionError(
            f"strategy.stages: '{stage.name}' has cells={stage.cells}, all of which are reduction cells, so no "
            f"{next(iter(supernet.alpha_shapes))} cell would learn; cells must be at least {space.least_cells}"
        )


def _root(population: int) -> int:
    return next(n for n in range(1, population + 1) if n * n >= population)


# Images: the approximate datasets of section III.C.2


def scale_of(data: SearchData, asked: float | None) -> float:
    """The requested factor; None means 1/2, as in the paper, unless images are too small."""
    return asked or (0.5 if min(data.input_shape[1:]) >= SMALLEST_SIDE else 1.0)


def images_of(stage: Stage, data: SearchData, scale: float) -> FitData:
    """The stage's images: class-balanced (D_sample), then scaled by Lanczos (D_low).

    Subsets are taken from each half, so no stage trains on images that another one scores on. The images of a smaller
    stage are among those of a larger one.
    """
    halves = data.halves()
    train, validation = halves.train, halves.validation
    assert validation is not None  # halves() always makes both
    if stage.images is not None:
        train, validation = (half.subset(stage.images // 2, data.seed) for half in (train, validation))
    chosen = replace(halves, train=train, validation=validation)
    return chosen if scale == 1.0 else chosen.scaled(scale)


def fits_full_size(supernet: Supernet, space: WeightSharing, data: SearchData, scale: float) -> bool:
    """Whether the weights of a supernet trained on scaled images fit full-size images."""
    if scale == 1.0:
        return True
    options: Any = supernet.options
    with isolated(0):
        full = space.supernet(data.input_shape, data.classes, **options)
    return full.state_dict().keys() == supernet.state_dict().keys()
