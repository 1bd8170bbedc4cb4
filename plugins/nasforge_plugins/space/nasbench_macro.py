"""The search space of NAS-Bench-Macro (Su et al., CVPR 2021)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

import numpy as np
from torch import nn

from nasforge import Architecture, Channels, ChoiceSpace, Shape, choice
from nasforge_plugins.space.inverted_residuals import BlockChain, InvertedResidual, reshaped

STAGES = (2, 3, 3)
"""Layers of each stage; the first one halves the resolution and doubles the channels."""
HEAD = 40
"""Channels of the head, as a multiple of the stem's."""
BEST = "22212220"


class NASBenchMacro(ChoiceSpace):
    """The 6,561 networks of NAS-Bench-Macro: each of eight layers is the identity or one of two MobileNetV2 blocks.

    Args:
        channels: width of the stem; stages have two, four and eight times as many channels, and the head forty times.
    """

    name = "nasbench_macro"
    notations = ("02012100",)

    def __init__(self, *, channels: Channels = 32) -> None:
        self.channels = channels

    def module(self, input_shape: Shape, classes: int) -> nn.Module:
        """The benchmark's network; its images have 32 pixels."""
        layers, width = [], self.channels
        for depth in STAGES:
            layers += [_layer(width, 2 * width, 2), *(_layer(2 * width, 2 * width, 1) for _ in range(depth - 1))]
            width = 2 * width
        return BlockChain(input_shape, classes, (self.channels, 1), layers, width, HEAD * self.channels)

    @cached_property
    def presets(self) -> Mapping[str, Architecture]:
        """The network with the best published accuracy."""
        return {"best_cifar10": self._of(BEST)}

    def notation(self, architecture: Architecture) -> str:
        """The benchmark's key: a digit for each layer."""
        return "".join(map(str, self.chosen(architecture).values()))

    def from_notation(self, text: str) -> Architecture | None:
        """The network with the benchmark's key."""
        return self._of(text.strip()) if re.fullmatch("[012]{8}", text.strip()) else None

    def _of(self, digits: str) -> Architecture:
        return self.decode(np.array([int(digit) for digit in digits]))


def _layer(inputs: int, outputs: int, stride: int) -> nn.Module:
    same = stride == 1 and inputs == outputs
    return choice(
        identity=nn.Identity() if same else reshaped(inputs, outputs, stride),
        mb3_3x3=InvertedResidual(inputs, outputs, stride, 3, 3),
        mb6_5x5=InvertedResidual(inputs, outputs, stride, 6, 5),
    )
