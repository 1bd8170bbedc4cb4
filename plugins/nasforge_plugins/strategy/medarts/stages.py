"""The stages of ME-DARTS, and whether they can be run, before any of them is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from nasforge import Cells, Channels, Count, OptionError

Members = Annotated[int, Field(ge=1, le=10_000)]


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


def _root(population: int) -> int:
    return next(n for n in range(1, population + 1) if n * n >= population)
