"""The search space of inverted residual blocks: the family of MobileNetV2, MnasNet, FBNet and Once-for-All."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field
from torch import nn

from nasforge import Architecture, Channels, ChoiceSpace, OptionError, Shape

from .network import BlockOptions, MobileNetV2

LARGE_IMAGES, SMALL_IMAGES = (2, 2, 2, 2, 1, 2, 1), (1, 1, 2, 2, 1, 2, 1)
"""Strides of the stem and of the six stages. The first are MobileNetV2's, for images of 224 pixels."""
LARGE_SIDE = 112
DEEPEST = 20
"""Blocks of a stage."""
MOBILENET_V2 = ((2, 3, 4, 3, 3), ((3, 6),) * 6)
MNASNET_B1 = ((3, 3, 3, 2, 4), ((3, 3), (5, 3), (5, 6), (3, 6), (5, 6), (3, 6)))
"""Depth of the first five stages, kernel and expansion of all six (Tan et al. 2019, figure 7)."""
Numbers = Annotated[tuple[Annotated[int, Field(ge=1, le=99)], ...], Field(min_length=1)]
Multiplier = Annotated[float, Field(ge=0.25, le=4, multiple_of=0.25)]
Widths = Annotated[tuple[Channels, ...], Field(min_length=9, max_length=9)]


class MobileNet(ChoiceSpace):
    """Networks of inverted residual blocks with kernels of 3, 5 or 7, expansions of 3 or 6, and optional gates.

    The choices are those of MnasNet, FBNet and Once-for-All (Cai et al. 2020): five stages of two to four blocks, each
    block with its own kernel, expansion and squeeze-and-excitation; one width multiplier for the whole network. Small
    images keep more of their resolution.

    Args:
        widths: channels of the stem, the separable convolution, the six stages and the last convolution; the default is
            MobileNetV2's, and 32, 16, 24, 40, 80, 96, 192, 320, 1280 MnasNet's.
        multipliers: of the widths, in quarters.
        depths: the smallest and the largest number of blocks in each of the first five stages.
        kernels, expansions, gates: what each block chooses from; see `BlockOptions`. An option with a single value is
            no decision.
    """

    name = "mobilenet"

    def __init__(
        self,
        *,
        widths: Widths = (32, 16, 24, 32, 64, 96, 160, 320, 1280),
        multipliers: Annotated[tuple[Multiplier, ...], Field(min_length=1)] = (0.5, 0.75, 1.0),
        depths: tuple[int, int] = (2, 4),
        kernels: Numbers = (3, 5, 7),
        expansions: Numbers = (3, 6),
        gates: bool = True,
    ) -> None:
        if not 1 <= depths[0] <= depths[1] <= DEEPEST:
            raise OptionError(
                f"space.depths={list(depths)} must be the smallest and the largest depth of a stage, both from 1 to "
                f"{DEEPEST}"
            )
        self.widths, self.multipliers, self.depths = widths, multipliers, depths
        self.options = BlockOptions(kernels, expansions, gates)

    def module(self, input_shape: Shape, classes: int) -> nn.Module:
        """See `MobileNetV2`."""
        strides = LARGE_IMAGES if min(input_shape[1:]) >= LARGE_SIDE else SMALL_IMAGES
        return MobileNetV2(input_shape[0], classes, self.widths, strides, self.multipliers, self.depths, self.options)

    @cached_property
    def presets(self) -> Mapping[str, Architecture]:
        """MobileNetV2, and MnasNet-B1, which is published with other `widths`, if the options allow them; both at the
        largest multiplier."""
        networks = {"mobilenet_v2": MOBILENET_V2, "mnasnet_b1": MNASNET_B1}
        return {name: self._published(*stages) for name, stages in networks.items() if self._allows(*stages)}

    def _allows(self, depths: Sequence[int], blocks: Sequence[tuple[int, int]]) -> bool:
        least, most = self.depths
        return (
            least <= min(depths)
            and max(depths) <= most
            and all(size in self.options.kernels and expansion in self.options.expansions for size, expansion in blocks)
        )

    def _published(self, depths: Sequence[int], blocks: Sequence[tuple[int, int]]) -> Architecture:
        """The architecture whose stages have these depths, and whose blocks these kernels and expansions."""
        genes: dict[str, Any] = {}
        for decision in self.decisions:
            *place, what = decision.name.split(".")
            stage = int(place[1]) if place[:1] == ["stages"] and len(place) > 1 else -1
            size, expansion = blocks[stage]
            values = {"kernel": size, "expansion": expansion, "gate": "none", "width_in_quarters": decision.options[-1]}
            genes[decision.name] = values[what] if what in values else depths[int(what)]
        return self.validate(Architecture.of(self.name, genes))
