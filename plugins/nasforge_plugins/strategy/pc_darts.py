"""PC-DARTS: Partially Connected DARTS (Xu et al., ICLR 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from nasforge import (
    Cells,
    Channels,
    Clip,
    Count,
    CountOrZero,
    FinalLearningRate,
    LearningRate,
    Momentum,
    Run,
    WeightDecay,
    WeightSharing,
)
from nasforge_plugins.strategy.darts import DARTS, GradientAlphas


class PCDARTS(DARTS):
    """PC-DARTS: DARTS that mixes 1/K of the channels, weighs edges by betas, and lets the weights warm up first.

    Each option's meaning and the paper's value stand beside it in `conf/strategy/pc_darts.yaml`.
    """

    name: ClassVar[str] = "pc_darts"
    paper: ClassVar[Mapping[str, int | bool]] = MappingProxyType({"include_none": True})

    def __init__(
        self,
        *,
        epochs: Count = 8,
        order: Literal[1, 2] = 1,
        warmup_epochs: CountOrZero = 2,
        alpha_learning_rate: LearningRate = 6e-3,
        alpha_weight_decay: WeightDecay = 1e-3,
        augment_validation: bool = True,
        channels: Channels | None = None,
        cells: Cells | None = None,
        partial_channels: Channels | None = None,
        edge_normalization: bool = True,
        include_none: bool | None = None,
        pool_normalization: bool | None = None,
        learning_rate: LearningRate = 0.1,
        final_learning_rate: FinalLearningRate = 0.0,
        momentum: Momentum = 0.9,
        weight_decay: WeightDecay = 3e-4,
        clip: Clip = 5.0,
        max_parameter_free: CountOrZero | None = None,
    ) -> None:
        super().__init__(
            epochs=epochs,
            order=order,
            warmup_epochs=warmup_epochs,
            alpha_learning_rate=alpha_learning_rate,
            alpha_weight_decay=alpha_weight_decay,
            augment_validation=augment_validation,
            channels=channels,
            cells=cells,
            partial_channels=partial_channels,
            edge_normalization=edge_normalization,
            include_none=include_none,
            pool_normalization=pool_normalization,
            learning_rate=learning_rate,
            final_learning_rate=final_learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            clip=clip,
            max_parameter_free=max_parameter_free,
        )

    def explain(self, run: Run[WeightSharing], trace: GradientAlphas) -> None:
        """As DARTS does; what the space cannot do is said."""
        super().explain(run, trace)
        if trace.supernet.options.get("partial_channels", 1) == 1:
            run.notes.append(
                "every channel was mixed (K=1): of PC-DARTS, the warm-up and, where edges share a node, edge "
                f"normalisation are what acts on space '{run.space.name}'"
            )
