"""ME-DARTS: a population of supernets that deepens stage by stage (Chen, Shi and Luo).

The comments give the paper's equations and sections, and the lines of its algorithm box, which has no numbers:

     1  When in stage_init
     2      Initialize networks G_init: population pop_init
     3      Theta <- SetConfigurations(stage_init)
     4      For G_init in pop_init
     5          G_mid <- searchTrain(G_init, Theta)
     6  When in stage_mid
     7      Select networks G_mid from pop_init: population pop_mid
     8      Theta <- SetConfigurations(stage_mid)
     9      For G_mid in pop_mid
    10          G_final <- searchTrain(G_mid, Theta)
    11  When in stage_final
    12      Select a single network G_final from pop_mid
    13      Theta <- SetConfigurations(stage_final)
    14      G_final <- searchTrain(G_final, Theta)
    15  Return G_final

Selection and crossover are in `population.py`, stages and their images in `stages.py`; docs/strategies.md lists the
differences from the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from nasforge import (
    AdamOptions,
    Cells,
    Channels,
    CountOrZero,
    FitData,
    MixtureOptions,
    NasforgeError,
    PlannedNetwork,
    Result,
    Run,
    SearchData,
    SGDOptions,
    Shape,
    Strategy,
    Supernet,
    WeightSharing,
    isolated,
    now_grouped,
    scaled_shape,
)
from nasforge_plugins.strategy.darts import GradientAlphas, collapse_warning
from nasforge_plugins.strategy.medarts.pictures import (
    Trace,
    approximations,
    keep_family,
    keep_mix,
    name_members,
    unequal_training,
)
from nasforge_plugins.strategy.medarts.population import (
    Dominance,
    Member,
    Size,
    TrainedMember,
    alphas_of,
    most_accurate,
    next_generation,
    select,
)
from nasforge_plugins.strategy.medarts.stages import (
    Stage,
    check_depth,
    check_images,
    check_stages,
    fits_full_size,
    images_of,
    scale_of,
    without_crossing,
)

STAGES = (
    Stage(name="init", cells=4, epochs=1, population=4),
    Stage(name="mid", cells=6, epochs=1, population=3),
    Stage(name="final", cells=8, epochs=2, population=1),
)


class MEDARTS(Strategy[WeightSharing]):
    """ME-DARTS: many shallow DARTS supernets, of which those on the Pareto front continue as deeper ones.

    `conf/strategy/medarts.yaml` explains each option and gives the paper's value.

    Attributes:
        paper: DARTS's supernet options, which replace null if the space leaves them open.

    Raises:
        OptionError: the stages are inconsistent.
    """

    name: ClassVar[str] = "medarts"
    shares_weights: ClassVar[bool] = True
    derives: ClassVar[bool] = True
    architecture_options: ClassVar[tuple[str, ...]] = ("start",)
    paper: ClassVar[Mapping[str, int | bool]] = MappingProxyType({"partial_channels": 1, "include_none": True})
    renamed: ClassVar[Mapping[str, str]] = {
        **now_grouped(supernet=MixtureOptions, optimizer=SGDOptions),
        "alpha_learning_rate": "alphas.learning_rate",
        "alpha_weight_decay": "alphas.weight_decay",
    }

    def __init__(
        self,
        *,
        stages: tuple[Stage, ...] = STAGES,
        scale: Annotated[float, Field(gt=0, le=1)] | None = None,
        dominance: Dominance = "weak",
        size: Size = "max",
        evaluation_channels: Channels | None = None,
        evaluation_cells: Cells | None = None,
        start: str | None = None,
        order: Literal[1, 2] = 1,
        alphas: AdamOptions = AdamOptions(learning_rate=3e-3),
        augment_validation: bool = True,
        supernet: MixtureOptions = MixtureOptions(),
        optimizer: SGDOptions = SGDOptions(),
        max_parameter_free: CountOrZero | None = None,
    ) -> None:
        check_stages(stages)
        optimizer.check(min(stage.epochs for stage in stages))
        self.stages, self.scale, self.start = stages, scale, start
        self.dominance, self.size = dominance, size
        self.evaluation: dict[str, Any] = {"channels": evaluation_channels, "cells": evaluation_cells}
        self.max_parameter_free = max_parameter_free
        self.supernet_options = supernet
        self.module_options: dict[str, Any] = {
            "order": order,
            "alpha_learning_rate": alphas.learning_rate,
            "alpha_weight_decay": alphas.weight_decay,
            "augment_validation": augment_validation,
            **vars(optimizer),
        }

    def search(self, run: Run[WeightSharing]) -> Result:
        """The algorithm box: lines 1 to 5 are the first stage, 6 to 10 the second, 11 to 14 the last."""
        stages, images = self.planned(run)
        population = self.founders(stages[0], images[stages[0].name], run)  # line 2
        trained: list[TrainedMember] = []
        everyone: list[TrainedMember] = []
        for stage in stages:  # lines 1, 6 and 11; the stage is Theta, of lines 3, 8 and 13 (Table II)
            if trained:  # lines 7 and 12
                selected = select(trained, stage.survivors, self.dominance, self.size)  # III.C.3, eqs. 6 and 7
                population = next_generation(selected, stage.name, stage.children)  # III.C.4
            modules = [self.train(member, stage, images[stage.name], run) for member in population]  # lines 4 and 9
            trained = [self.judged(member, module, run) for member, module in zip(population, modules, strict=True)]
            everyone += trained
        best = most_accurate(trained, self.dominance, self.size)  # line 15
        module, scale = modules[trained.index(best)], scale_of(run.data, self.scale)
        controlled = fits_full_size(module.supernet, run.space, run.data, scale)
        return run.result(
            run.derive(module.mix),
            run.weights(best.name, module) if controlled else None,
            trace=Trace(everyone, best, module.supernet, scale, controlled),
        )

    def founders(self, stage: Stage, images: FitData, run: Run[WeightSharing]) -> list[Member]:
        """Line 2: the first population, with random alphas except for the member that starts from `start`."""
        members = [Member(name=f"{stage.name}/{number}") for number in range(stage.population)]
        if self.start is not None:
            shapes = self.supernet(stage, images, run).alpha_shapes
            members[0] = replace(members[0], alphas=alphas_of(run.space.read(self.start), run.space, shapes))
        return members

    def train(self, member: Member, stage: Stage, images: FitData, run: Run[WeightSharing]) -> GradientAlphas:
        """`searchTrain`: train a supernet of the stage's depth with new weights, starting from the member's alphas."""
        supernet = self.supernet(stage, images, run)  # eqs. 1 and 2
        alphas = member.alphas  # III.C.4, Fig. 4: inherited
        module = GradientAlphas(supernet, run.space, epochs=stage.epochs, alphas=alphas, **self.module_options)
        return run.fit(module, member.name, stage.epochs, images)  # lines 5, 10 and 14: DARTS, eqs. 3 and 4

    def judged(self, member: Member, module: GradientAlphas, run: Run[WeightSharing]) -> TrainedMember:
        """The member after its training, with both objectives of section III.C.3."""
        architecture = run.derive(module.mix)  # eq. 5
        network = run.space.build(architecture, run.data.input_shape, run.data.classes, **self.evaluation)
        accuracies = module.history["validation_accuracy"]
        return TrainedMember(
            name=member.name,
            parents=member.parents,
            alphas={cell: rows.detach().cpu().clone() for cell, rows in module.alphas.items()},
            trace={
                cell: torch.cat([member.trace[cell], rows[1:]]) if cell in member.trace else rows.clone()
                for cell, rows in module.trace.items()
            },
            epochs=len(accuracies),
            accuracy=float(accuracies[-1] or 0.0),  # acc_valid
            params_m=sum(parameter.numel() for parameter in network.parameters()) / 1e6,  # para_aug
            architecture=architecture,
        )

    def explain(self, run: Run[WeightSharing], trace: Trace) -> None:
        """Show the family tree and how the final member's mix moved, and note what limits the result."""
        keep_family(run, trace)
        name_members(run, trace)
        keep_mix(run, trace)
        run.notes += unequal_training(trace.members, self.stages)
        free = run.space.derive(run.space.mix(trace.best.alphas))
        run.notes += collapse_warning(free, run.space, self.max_parameter_free, constrained=bool(run.constraints))
        run.notes += approximations(run.space, trace, self.stages)

    def supernet(self, stage: Stage, images: FitData, run: Run[WeightSharing]) -> Supernet:
        """A supernet of the stage's depth and width, with new weights."""
        return self.supernet_of(stage, images.train.shape, run.data.classes, run.space)

    def supernet_of(self, stage: Stage, shape: Shape, classes: int, space: WeightSharing) -> Supernet:
        """The same as `supernet`, for images of `shape`; an error names the stage."""
        asked = {"channels": stage.channels, "cells": stage.cells, **vars(self.supernet_options)}
        try:
            return space.supernet(shape, classes, **space.supernet_choices(asked, self.paper))
        except NasforgeError as error:
            side = "x".join(map(str, shape[1:]))
            raise type(error)(f"strategy.stages: '{stage.name}', on images of {side} pixels: {error}") from None

    def networks(self, space: WeightSharing, data: SearchData) -> Sequence[PlannedNetwork]:
        """The supernets of each stage, which are kept until it ends, and the network whose parameters are counted."""
        shape = scaled_shape(data.input_shape, scale_of(data, self.scale))
        stages = [
            PlannedNetwork.supernet(
                partial(self.supernet_of, stage, shape, data.classes),
                data,
                what=f"the supernet of stage '{stage.name}'",
                lower="the stage's channels, cells or population in strategy.stages, or data.batch_size",
                shape=shape,
                batch_size=min(data.batch_size, (stage.images or len(data.train)) // 2),
                copies=stage.population,
            )
            for stage in self.stages
        ]
        counted = PlannedNetwork.any_architecture(
            data,
            self.evaluation,
            what="the network whose parameters are counted",
            lower="strategy.evaluation_channels or strategy.evaluation_cells",
        )
        return [*stages, counted]

    def planned(self, run: Run[WeightSharing]) -> tuple[tuple[Stage, ...], dict[str, FitData]]:
        """The stages, and the images of each stage by name. All checks are made here, before the search.

        Raises:
            OptionError: a stage's images, width, depth or population do not fit the data or the space.
            ArchitectureError: `start` is not an architecture of the space.
        """
        smaller = min(len(run.data.halves().train), len(run.data.search_validation))
        check_images(self.stages, 2 * smaller, run.data.classes)
        scale = scale_of(run.data, self.scale)
        with isolated(0):
            if self.start is not None:
                run.space.read(self.start)
            sample = run.space.sample(np.random.default_rng(0))
            run.space.build(sample, run.data.input_shape, run.data.classes, **self.evaluation)
            images = {stage.name: images_of(stage, run.data, scale) for stage in self.stages}
            for stage in self.stages:
                supernet = self.supernet(stage, images[stage.name], run)
                check_depth(stage, supernet, run.space)
        stages = self.stages if len(supernet.alpha_shapes) > 1 else without_crossing(self.stages, run.space.name)
        return stages, images
