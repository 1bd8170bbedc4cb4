"""ME-DARTS: a population of supernets that grow, and a front of accuracy and size (the seed paper's algorithm box)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from nasforge import (
    FitData,
    OptionError,
    Relative,
    Result,
    Run,
    SearchData,
    SearchSpace,
    Strategy,
    Supernet,
    WeightSharing,
    family_tree,
    isolated,
    mix_over_time,
)
from nasforge_plugins.strategy.darts import GradientAlphas, collapse_warning
from nasforge_plugins.strategy.medarts.members import Member, alphas_of, next_generation
from nasforge_plugins.strategy.medarts.selection import Dominance, Size, most_accurate, select
from nasforge_plugins.strategy.medarts.stages import Stage, check_images, check_stages

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]
AboveZero = Annotated[float, Field(gt=0)]
STAGES = (
    Stage(name="init", cells=4, epochs=1, population=4),
    Stage(name="mid", cells=6, epochs=1, population=2),
    Stage(name="final", cells=8, epochs=2, population=1),
)


class MEDARTS(Strategy):
    """ME-DARTS: DARTS supernets of few cells are many, those that stay on the front go on into deeper ones.

    Each option's meaning and the paper's value stand beside it in `conf/strategy/medarts.yaml`.

    Raises:
        OptionError: the stages do not go together.
    """

    name: ClassVar[str] = "medarts"
    needs: ClassVar[tuple[type[SearchSpace], ...]] = (WeightSharing,)

    def __init__(
        self,
        *,
        stages: tuple[Stage, ...] = STAGES,
        scale: Annotated[float, Field(gt=0, le=1)] | None = None,
        dominance: Dominance = "weak",
        size: Size = "max",
        evaluation_channels: Positive | None = None,
        evaluation_cells: Positive | None = None,
        start: str | None = None,
        order: Literal[1, 2] = 1,
        alpha_learning_rate: AboveZero = 3e-3,
        alpha_weight_decay: NotNegative = 1e-3,
        augment_validation: bool = True,
        partial_channels: Positive | None = 1,
        include_none: bool | None = True,
        learning_rate: AboveZero = 0.025,
        final_learning_rate: NotNegative = 0.001,
        momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9,
        weight_decay: NotNegative = 3e-4,
        clip: AboveZero = 5.0,
        max_parameter_free: Annotated[int, Field(ge=0)] | None = None,
    ) -> None:
        check_stages(stages)
        self.stages, self.scale, self.start = stages, scale, start
        self.dominance, self.size = dominance, size
        self.evaluation: dict[str, Any] = {"channels": evaluation_channels, "cells": evaluation_cells}
        self.max_parameter_free = max_parameter_free
        self.supernet_options: dict[str, Any] = {"partial_channels": partial_channels, "include_none": include_none}
        self.module_options: dict[str, Any] = {
            "order": order,
            "alpha_learning_rate": alpha_learning_rate,
            "alpha_weight_decay": alpha_weight_decay,
            "augment_validation": augment_validation,
            "learning_rate": learning_rate,
            "final_learning_rate": final_learning_rate,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "clip": clip,
        }

    def search(self, run: Run) -> Result:
        """Initialise; for each stage train, select, cross and inherit; discretise the final individual."""
        images = self.check(run)
        everyone: list[Member] = []
        population = self.founders(run, images)
        for stage, following in pairwise([*self.stages, None]):
            assert stage is not None  # only the last one has nothing after it
            modules = [self.train(member, stage, images[stage], run) for member in population]
            population = [self.judged(member, module, run) for member, module in zip(population, modules, strict=True)]
            everyone += population
            self.note_unequal(stage, modules, run)
            if following is not None:
                selected = select(population, following.survivors, self.dominance, self.size)
                population = next_generation(selected, following.name, following.children)
        best = most_accurate(population, self.dominance, self.size)
        self.keep_pictures(run, everyone, best)
        module = modules[population.index(best)]
        return run.result(
            best.architecture, run.weights(best.name, module) if self.can_be_controlled(module, run) else None
        )

    def can_be_controlled(self, module: GradientAlphas, run: Run) -> bool:
        """Whether the shared weights fit images of full size, on which the control scores; a note says so."""
        if self.scale_of(run.data) == 1.0:
            return True
        options: Any = module.supernet.options
        with isolated(0):
            full = _sharing(run.space).supernet(run.data.input_shape, run.data.classes, **options)
        fits = full.state_dict().keys() == module.supernet.state_dict().keys()
        run.notes.append(
            f"the supernets were trained on images scaled by {self.scale_of(run.data):g}; the control "
            + (
                "scores them on images of full size"
                if fits
                else "is left out, since those of full size get another stem"
            )
        )
        return fits

    def note_unequal(self, stage: Stage, modules: Sequence[GradientAlphas], run: Run) -> None:
        """Where the budget of seconds cut fits short, members were compared that had not learned alike."""
        epochs = [max(map(len, module.history.values()), default=0) for module in modules]
        if min(epochs) < stage.epochs:
            told = ", ".join(map(str, epochs))
            run.notes.append(f"out of time in stage '{stage.name}': its members had {told} of {stage.epochs} epochs")

    def founders(self, run: Run, images: Mapping[Stage, FitData]) -> list[Member]:
        """The first population: random alphas, but for the one that begins at `start`."""
        stage = self.stages[0]
        members = [Member(f"{stage.name}/{number}") for number in range(stage.population)]
        if self.start is not None:
            space = _sharing(run.space)
            shapes = self.supernet(stage, images[stage], run).alpha_shapes
            members[0] = replace(members[0], alphas=alphas_of(space.read(self.start), space, shapes))
        return members

    def train(self, member: Member, stage: Stage, images: FitData, run: Run) -> GradientAlphas:
        """A supernet of the stage's depth with new weights, under the member's alphas."""
        module = GradientAlphas(
            self.supernet(stage, images, run), _sharing(run.space), epochs=stage.epochs, alphas=member.alphas,
            **self.module_options,
        )  # fmt: skip
        return run.fit(module, member.name, stage.epochs, images)

    def judged(self, member: Member, module: GradientAlphas, run: Run) -> Member:
        """The member after its training, with both objectives."""
        architecture = _sharing(run.space).derive(module.mix)
        network = run.space.build(architecture, run.data.input_shape, run.data.classes, **self.evaluation)
        trace = {
            cell: torch.cat([member.trace[cell], rows[1:]]) if cell in member.trace else rows.clone()
            for cell, rows in module.trace.items()
        }
        return replace(
            member,
            alphas={cell: rows.detach().cpu().clone() for cell, rows in module.alphas.items()},
            trace=trace,
            accuracy=float(module.history["validation_accuracy"][-1] or 0.0),
            params_m=sum(parameter.numel() for parameter in network.parameters()) / 1e6,
            architecture=architecture,
        )

    def images(self, stage: Stage, data: SearchData) -> FitData:
        """The stage's: the halves of all images, a class-balanced and nested part of each, at half their resolution."""
        halves = data.halves()
        train, validation = halves.train, halves.validation
        assert validation is not None  # halves() always makes both
        if stage.images is not None:  # of each half, so that no stage trains on what another one is scored on
            train, validation = (half.subset(stage.images // 2, data.seed) for half in (train, validation))
        scale = self.scale_of(data)
        if scale != 1.0:
            train, validation = train.scaled(scale), validation.scaled(scale)
        preprocessing = replace(halves.preprocessing, pad=round(halves.preprocessing.pad * scale))
        return replace(halves, train=train, validation=validation, preprocessing=preprocessing)

    def scale_of(self, data: SearchData) -> float:
        """Half, as in the paper, unless images are too small for it or another one is given."""
        return self.scale or (0.5 if min(data.input_shape[1:]) >= 16 else 1.0)

    def supernet(self, stage: Stage, images: FitData, run: Run) -> Supernet:
        """Of the stage's depth and width, with fresh weights."""
        return _sharing(run.space).supernet(
            images.train.shape, run.data.classes, channels=stage.channels, cells=stage.cells, **self.supernet_options
        )  # fmt: skip

    def check(self, run: Run) -> dict[Stage, FitData]:
        """The images of each stage; what any stage would raise is raised here, before the first one is trained.

        Raises:
            OptionError: a stage's images, width or depth do not go with the data or the space.
            ArchitectureError: `start` is no architecture of the space.
        """
        check_images(self.stages, len(run.data.train), run.data.classes)
        if self.start is not None:
            run.space.read(self.start)
        images = {stage: self.images(stage, run.data) for stage in self.stages}
        with isolated(0):
            any_one = run.space.sample(np.random.default_rng(0))
            run.space.build(any_one, run.data.input_shape, run.data.classes, **self.evaluation)
        for stage in self.stages:
            with isolated(0):
                cells = list(self.supernet(stage, images[stage], run).alpha_shapes)
            if stage.cells <= len(cells) and len(cells) > 1:
                raise OptionError(
                    f"strategy.stages: '{stage.name}' has {stage.cells} cells, which are reductions all of them: "
                    f"no {cells[0]} cell would learn; it takes at least {len(cells) + 1}"
                )
            if stage.children and len(cells) < 2 and stage is not self.stages[0]:
                raise OptionError(
                    f"strategy.stages: '{stage.name}' crosses {stage.survivors} parents, and cells of space "
                    f"'{run.space.name}' are all of one type; parents={stage.population} crosses none"
                )
        return images

    def keep_pictures(self, run: Run, everyone: Sequence[Member], best: Member) -> None:
        """The family, the alphas of the final one and its ancestors, and what there is to warn of."""
        relatives = [
            Relative(one.name, one.name.split("/")[0], one.params_m, one.accuracy, one.parents) for one in everyone
        ]
        facts = [vars(relative) for relative in relatives]
        run.keep("members.json", json.dumps(facts, indent=1, default=list))
        picture = family_tree(relatives, found=best.name, x="parameters of the derived network, millions")
        run.keep("family.svg", picture, "The population stage by stage, and who descends from whom")
        for cell, svg in mix_over_time(best.trace, _sharing(run.space).mix_labels).items():
            run.keep(f"mix_{cell}.svg", svg, f"How the mixing weights of the {cell} cell moved, through all stages")
        assert best.architecture is not None  # it has been trained
        run.notes += collapse_warning(best.architecture, run.space, self.max_parameter_free)


def _sharing(space: SearchSpace) -> WeightSharing:
    assert isinstance(space, WeightSharing)  # `needs` was checked before the run began
    return space
