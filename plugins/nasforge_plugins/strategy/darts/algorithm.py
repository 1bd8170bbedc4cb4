"""DARTS: Differentiable Architecture Search (Liu, Simonyan and Yang, ICLR 2019), Algorithm 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from nasforge import (
    Cells,
    Channels,
    Clip,
    Count,
    CountOrZero,
    FinalLearningRate,
    LearningRate,
    Momentum,
    OptionError,
    PlannedNetwork,
    Result,
    Run,
    SearchData,
    SearchSpace,
    Strategy,
    Supernet,
    WeightDecay,
    WeightSharing,
    mix_over_time,
)
from nasforge_plugins.strategy.darts.collapse import collapse_warning
from nasforge_plugins.strategy.darts.module import GradientAlphas


def check_depth(supernet: Supernet, space: SearchSpace) -> None:
    """Raise an `OptionError` if all cells are reductions, so that the alphas of the normal cell would not learn."""
    cells = supernet.options.get("cells", space.least_cells)
    if cells < space.least_cells:
        raise OptionError(
            f"a supernet of {cells} cells has reductions alone, and no {next(iter(supernet.alpha_shapes))} cell would "
            f"learn; space.cells={space.least_cells} is the least"
        )


class DARTS(Strategy[WeightSharing]):
    """DARTS: alphas follow the gradient of the validation loss, weights that of the training loss, step by step.

    Each option's meaning and the paper's value stand beside it in `conf/strategy/darts.yaml`.

    Attributes:
        paper: what null stands for in the supernet's options, where the space leaves them open.

    Raises:
        OptionError: the warm-up leaves no epoch to the alphas; the supernet is too shallow for a normal cell.
    """

    name: ClassVar[str] = "darts"
    shares_weights: ClassVar[bool] = True
    paper: ClassVar[Mapping[str, int | bool]] = MappingProxyType({"partial_channels": 1, "include_none": True})

    def __init__(
        self,
        *,
        epochs: Count = 6,
        order: Literal[1, 2] = 1,
        warmup_epochs: CountOrZero = 0,
        alpha_learning_rate: LearningRate = 3e-3,
        alpha_weight_decay: WeightDecay = 1e-3,
        augment_validation: bool = True,
        channels: Channels | None = None,
        cells: Cells | None = None,
        partial_channels: Channels | None = None,
        edge_normalization: bool = False,
        include_none: bool | None = None,
        pool_normalization: bool | None = None,
        learning_rate: LearningRate = 0.025,
        final_learning_rate: FinalLearningRate = 0.001,
        momentum: Momentum = 0.9,
        weight_decay: WeightDecay = 3e-4,
        clip: Clip = 5.0,
        max_parameter_free: CountOrZero | None = None,
    ) -> None:
        if warmup_epochs >= epochs:
            raise OptionError(
                f"strategy.warmup_epochs={warmup_epochs} leaves none of strategy.epochs={epochs} to the alphas; "
                "it must be smaller"
            )
        self.epochs, self.max_parameter_free = epochs, max_parameter_free
        self.supernet_options: dict[str, Any] = {
            "channels": channels,
            "cells": cells,
            "partial_channels": partial_channels,
            "include_none": include_none,
            "pool_normalization": pool_normalization,
        }
        self.module_options: dict[str, Any] = {
            "order": order,
            "warmup_epochs": warmup_epochs,
            "alpha_learning_rate": alpha_learning_rate,
            "alpha_weight_decay": alpha_weight_decay,
            "augment_validation": augment_validation,
            "edge_normalization": edge_normalization,
            "learning_rate": learning_rate,
            "final_learning_rate": final_learning_rate,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "clip": clip,
        }

    def supernet(self, space: WeightSharing, data: SearchData) -> Supernet:
        """What is trained, with fresh weights."""
        choices = space.supernet_choices(self.supernet_options, self.paper)
        return space.supernet(data.input_shape, data.classes, **choices)

    def networks(self, space: WeightSharing, data: SearchData) -> Sequence[PlannedNetwork]:
        """The supernet."""
        return [PlannedNetwork.supernet(partial(self.supernet, data=data), data)]

    def search(self, run: Run[WeightSharing]) -> Result:
        """While not converged: step alpha, step w. Then derive the architecture from alpha."""
        supernet = self.supernet(run.space, run.data)
        check_depth(supernet, run.space)
        module = GradientAlphas(supernet, run.space, epochs=self.epochs, **self.module_options)
        run.fit(module, "supernet", self.epochs, run.data.halves())
        return run.result(run.space.derive(module.mix), run.weights("supernet", module), trace=module)

    def explain(self, run: Run[WeightSharing], trace: GradientAlphas) -> None:
        """How the mix moved, and whether the cell has collapsed.

        Args:
            trace: the trained module.
        """
        for cell, svg in mix_over_time(trace.trace, run.space.mix_labels, trace.edge_weights).items():
            run.keep(f"mix_{cell}.svg", svg, f"How the mixing weights of the {cell} cell moved")
        run.notes += collapse_warning(run.space.derive(trace.mix), run.space, self.max_parameter_free)
