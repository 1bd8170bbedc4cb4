"""DARTS: Differentiable Architecture Search (Liu, Simonyan and Yang, ICLR 2019), Algorithm 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal

from nasforge import (
    AdamOptions,
    Count,
    CountOrZero,
    OptionError,
    PlannedNetwork,
    Result,
    Run,
    SearchData,
    SearchSpace,
    SGDOptions,
    Strategy,
    Supernet,
    SupernetOptions,
    WeightSharing,
    mix_over_time,
    now_grouped,
)
from nasforge_plugins.strategy.darts.collapse import collapse_warning
from nasforge_plugins.strategy.darts.module import GradientAlphas

SUPERNETS: Mapping[str, Mapping[str, int | bool]] = {
    "darts": {"partial_channels": 1, "include_none": True},
    "pc_darts": {"include_none": True},
}
"""The options of the published supernets, for spaces that leave them open; K of PC-DARTS is the space's own."""


def check_depth(supernet: Supernet, space: SearchSpace) -> None:
    """Raise an `OptionError` if all cells are reductions, so that the alphas of the normal cell would not learn."""
    cells = int(supernet.options.get("cells", space.least_cells))
    if cells < space.least_cells:
        raise OptionError(
            f"a supernet of {cells} cells has only reduction cells, so no {next(iter(supernet.alpha_shapes))} cell "
            f"would learn; space.cells must be at least {space.least_cells}"
        )


class DARTS(Strategy[WeightSharing]):
    """DARTS: alphas descend the validation loss and weights descend the training loss, in alternating steps.

    `conf/strategy/darts.yaml` explains each option and gives the paper's value.

    Raises:
        OptionError: the warm-up leaves no epoch for the alphas, or the supernet is too shallow for a normal cell.
    """

    name: ClassVar[str] = "darts"
    shares_weights: ClassVar[bool] = True
    derives: ClassVar[bool] = True
    renamed: ClassVar[Mapping[str, str]] = {
        **now_grouped(supernet=SupernetOptions, optimizer=SGDOptions),
        "alpha_learning_rate": "alphas.learning_rate",
        "alpha_weight_decay": "alphas.weight_decay",
    }

    def __init__(
        self,
        *,
        epochs: Count = 6,
        order: Literal[1, 2] = 1,
        warmup_epochs: CountOrZero = 0,
        alphas: AdamOptions = AdamOptions(learning_rate=3e-3),
        augment_validation: bool = True,
        edge_normalization: bool = False,
        supernet_of: Literal["darts", "pc_darts"] = "darts",
        supernet: SupernetOptions = SupernetOptions(),
        optimizer: SGDOptions = SGDOptions(),
        max_parameter_free: CountOrZero | None = None,
    ) -> None:
        if warmup_epochs >= epochs:
            raise OptionError(
                f"strategy.warmup_epochs={warmup_epochs} leaves no epoch of strategy.epochs={epochs} for the "
                "alphas; it must be smaller"
            )
        optimizer.check(epochs)
        self.epochs, self.max_parameter_free = epochs, max_parameter_free
        self.supernet_of, self.supernet_options = supernet_of, supernet
        self.module_options: dict[str, Any] = {
            "order": order,
            "warmup_epochs": warmup_epochs,
            "alpha_learning_rate": alphas.learning_rate,
            "alpha_weight_decay": alphas.weight_decay,
            "augment_validation": augment_validation,
            "edge_normalization": edge_normalization,
            **vars(optimizer),
        }

    def supernet(self, space: WeightSharing, data: SearchData) -> Supernet:
        """The supernet to train, with new weights."""
        choices = space.supernet_choices(vars(self.supernet_options), SUPERNETS[self.supernet_of])
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
        return run.result(run.derive(module.mix), run.weights("supernet", module), trace=module)

    def explain(self, run: Run[WeightSharing], trace: GradientAlphas) -> None:
        """Show how the mixing weights moved, and warn if the cell has collapsed.

        Args:
            trace: the trained module.
        """
        for cell, svg in mix_over_time(trace.trace, run.space.mix_labels, trace.edge_weights).items():
            run.keep(f"mix_{cell}.svg", svg, f"Mixing weights over time: {cell}")
        run.notes += collapse_warning(
            run.space.derive(trace.mix), run.space, self.max_parameter_free, constrained=bool(run.constraints)
        )
        if self.supernet_of == "pc_darts" and trace.supernet.options.get("partial_channels", 1) == 1:
            run.notes.append(
                f"space '{run.space.name}' mixes all channels (K=1), so of PC-DARTS only the warm-up applies and, if "
                "edges share a node, edge normalization"
            )
