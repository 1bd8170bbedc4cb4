"""ME-DARTS: a population of supernets that grow, and a front of accuracy and size (the seed paper's algorithm box)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from nasforge import (
    Cells,
    Channels,
    Clip,
    CountOrZero,
    FinalLearningRate,
    FitData,
    LearningRate,
    Momentum,
    NasforgeError,
    OptionError,
    PlannedNetwork,
    Result,
    Run,
    SearchData,
    Shape,
    Strategy,
    Supernet,
    WeightDecay,
    WeightSharing,
    isolated,
)
from nasforge_plugins.strategy.darts import GradientAlphas, collapse_warning
from nasforge_plugins.strategy.medarts.crossover import next_generation
from nasforge_plugins.strategy.medarts.images import fits_full_size, images_of, scale_of, scaled
from nasforge_plugins.strategy.medarts.members import Member, alphas_of
from nasforge_plugins.strategy.medarts.pictures import keep_pictures, note_unequal
from nasforge_plugins.strategy.medarts.selection import Dominance, Size, most_accurate, select
from nasforge_plugins.strategy.medarts.stages import Stage, check_images, check_stages, without_crossing

STAGES = (
    Stage(name="init", cells=4, epochs=1, population=4),
    Stage(name="mid", cells=6, epochs=1, population=3),
    Stage(name="final", cells=8, epochs=2, population=1),
)


class MEDARTS(Strategy[WeightSharing]):
    """ME-DARTS: many shallow DARTS supernets; those that stay on the Pareto front go on as deeper ones.

    Each option's meaning and the paper's value stand beside it in `conf/strategy/medarts.yaml`.

    Attributes:
        paper: what null stands for in the supernet's options, where the space leaves them open: DARTS's supernet.

    Raises:
        OptionError: the stages do not go together.
    """

    name: ClassVar[str] = "medarts"
    shares_weights: ClassVar[bool] = True
    paper: ClassVar[Mapping[str, int | bool]] = MappingProxyType({"partial_channels": 1, "include_none": True})

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
        alpha_learning_rate: LearningRate = 3e-3,
        alpha_weight_decay: WeightDecay = 1e-3,
        augment_validation: bool = True,
        partial_channels: Channels | None = None,
        include_none: bool | None = None,
        learning_rate: LearningRate = 0.025,
        final_learning_rate: FinalLearningRate = 0.001,
        momentum: Momentum = 0.9,
        weight_decay: WeightDecay = 3e-4,
        clip: Clip = 5.0,
        max_parameter_free: CountOrZero | None = None,
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

    def search(self, run: Run[WeightSharing]) -> Result:
        """Initialise; for each stage train, select, cross and inherit; discretise the final individual."""
        stages, images = self.planned(run)
        everyone: list[Member] = []
        population = self.founders(stages[0], images[stages[0].name], run)
        for stage, following in pairwise([*stages, None]):
            assert stage is not None  # only the last one has nothing after it
            modules = [self.train(member, stage, images[stage.name], run) for member in population]
            population = [self.judged(member, module, run) for member, module in zip(population, modules, strict=True)]
            everyone += population
            note_unequal(run, stage, [len(module.history["validation_accuracy"]) for module in modules])
            if following is not None:
                selected = select(population, following.survivors, self.dominance, self.size)
                population = next_generation(selected, following.name, following.children)
        best = most_accurate(population, self.dominance, self.size)
        return self.found(best, modules[population.index(best)], everyone, run)

    def founders(self, stage: Stage, images: FitData, run: Run[WeightSharing]) -> list[Member]:
        """The first population: random alphas, but for the one that begins at `start`."""
        members = [Member(f"{stage.name}/{number}") for number in range(stage.population)]
        if self.start is not None:
            shapes = self.supernet(stage, images, run).alpha_shapes
            alphas = alphas_of(run.space.read(self.start), run.space, shapes)
            members[0] = replace(members[0], alphas=alphas)
        return members

    def train(self, member: Member, stage: Stage, images: FitData, run: Run[WeightSharing]) -> GradientAlphas:
        """A supernet of the stage's depth with new weights, under the member's alphas."""
        module = GradientAlphas(
            self.supernet(stage, images, run), run.space, epochs=stage.epochs, alphas=member.alphas,
            **self.module_options,
        )  # fmt: skip
        return run.fit(module, member.name, stage.epochs, images)

    def judged(self, member: Member, module: GradientAlphas, run: Run[WeightSharing]) -> Member:
        """The member after its training, with both objectives."""
        architecture = run.space.derive(module.mix)
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

    def found(
        self, best: Member, module: GradientAlphas, everyone: Sequence[Member], run: Run[WeightSharing]
    ) -> Result:
        """The single final network, and how it came about."""
        space = run.space
        assert best.architecture is not None  # it has been trained
        keep_pictures(run, space, everyone, best)
        run.notes += collapse_warning(best.architecture, space, self.max_parameter_free)
        if len(self.stages) > 1 and "cells" not in module.supernet.options:
            run.notes.append(f"supernets of space '{space.name}' have one depth: from stage to stage none grew")
        controlled = fits_full_size(module.supernet, space, run, scale_of(run.data, self.scale))
        return run.result(best.architecture, run.weights(best.name, module) if controlled else None)

    def supernet(self, stage: Stage, images: FitData, run: Run[WeightSharing]) -> Supernet:
        """Of the stage's depth and width, with fresh weights."""
        return self.supernet_of(stage, images.train.shape, run.data.classes, run.space)

    def supernet_of(self, stage: Stage, shape: Shape, classes: int, space: WeightSharing) -> Supernet:
        """As `supernet`, for images of that shape; an error names the stage."""
        asked = {"channels": stage.channels, "cells": stage.cells, **self.supernet_options}
        try:
            return space.supernet(shape, classes, **space.supernet_choices(asked, self.paper))
        except NasforgeError as error:
            side = "x".join(map(str, shape[1:]))
            raise type(error)(f"strategy.stages: '{stage.name}', on images of {side} pixels: {error}") from None

    def networks(self, space: WeightSharing, data: SearchData) -> Sequence[PlannedNetwork]:
        """Each stage's supernets, all members of which are kept, and the network whose parameters count."""
        shape = scaled(data.input_shape, scale_of(data, self.scale))
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
            what="the network whose parameters count",
            lower="strategy.evaluation_channels or strategy.evaluation_cells",
        )
        return [*stages, counted]

    def planned(self, run: Run[WeightSharing]) -> tuple[tuple[Stage, ...], dict[str, FitData]]:
        """The stages, and the images of each by its name; what one would raise is raised before the first is trained.

        Raises:
            OptionError: a stage's images, width, depth or population do not go with the data or the space.
            ArchitectureError: `start` is no architecture of the space.
        """
        check_images(self.stages, len(run.data.train), run.data.classes)
        scale = scale_of(run.data, self.scale)
        with isolated(0):
            if self.start is not None:
                run.space.read(self.start)
            any_one = run.space.sample(np.random.default_rng(0))
            run.space.build(any_one, run.data.input_shape, run.data.classes, **self.evaluation)
            images = {stage.name: images_of(stage, run.data, scale) for stage in self.stages}
            cells = [self.cell_types(stage, images[stage.name], run) for stage in self.stages]
        stages = self.stages if len(cells[0]) > 1 else without_crossing(self.stages, run.space.name)
        return stages, images

    def cell_types(self, stage: Stage, images: FitData, run: Run[WeightSharing]) -> list[str]:
        """Of the stage's supernet, which is built to see whether it can be; an error names the stage."""
        cells = list(self.supernet(stage, images, run).alpha_shapes)
        if stage.cells < run.space.least_cells:
            raise OptionError(
                f"strategy.stages: '{stage.name}' has {stage.cells} cells, which are reductions all of them: "
                f"no {cells[0]} cell would learn; it takes at least {run.space.least_cells}"
            )
        return cells
