"""The modules of a supernet that stand for a choice among modules and for a repeated block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from nasforge.choices.setting import FollowsSetting
from nasforge.errors import OptionError
from nasforge.networks.mixing import weighted_sum


class Choice(FollowsSetting):
    """Several modules, one of which a network has: the sum of their outputs, weighted by the mix.

    A child module is an option, under its own name.
    """

    def __init__(self, key: str, options: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.key = key
        self.options = nn.ModuleDict(options)

    def forward(self, *inputs: Any) -> Tensor:
        """The weighted sum of the options' outputs, which share a shape."""
        weights, used = self.setting.row(self.key), self.setting.used(self.key)
        names = list(self.options)
        outputs = {names[index]: self.options[names[index]](*inputs) for index in used}
        _check_shapes(outputs)
        return weighted_sum((outputs[names[index]], weights[index]) for index in used)


class Repeat(FollowsSetting):
    """Blocks in a row, of which a network has the first few: the outputs after each depth, weighted by the mix."""

    def __init__(self, key: str, least: int, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.key, self.least = key, least
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        """The weighted sum of the outputs at all depths, which share a shape."""
        weights = self.setting.row(self.key)
        depths = [self.least + index for index in self.setting.used(self.key)]
        outputs = {}
        for depth in range(depths[-1] + 1):
            x = self.blocks[depth - 1](x) if depth else x
            if depth in depths:
                outputs[f"depth {depth}"] = x
        _check_shapes(outputs)
        return weighted_sum(zip(outputs.values(), (weights[depth - self.least] for depth in depths), strict=True))


def _check_shapes(outputs: Mapping[str, Tensor]) -> None:
    (first, expected), *others = outputs.items()
    for name, output in others:
        if output.shape != expected.shape:
            raise OptionError(
                f"{first} returns {tuple(expected.shape)} and {name} returns {tuple(output.shape)}; "
                "the shapes must be equal"
            )
