"""Chains of inverted residual blocks with fixed sizes: the networks of NAS-Bench-Macro, Accel-NASBench and FBNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from nasforge import Network, PointwiseConv2d, Shape
from nasforge_plugins.space.mobilenet.network import SqueezeExcitation, normalized

LARGE_SIDE = 112
"""The shorter side of images for which the skeletons of ImageNet are used."""


def is_large(input_shape: Shape) -> bool:
    """Whether images are so large that a network should halve them twice more."""
    return min(input_shape[1:]) >= LARGE_SIDE


def reshaped(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """A 1x1 convolution with BatchNorm, where an identity must change its input's shape."""
    return nn.Sequential(PointwiseConv2d(inputs, outputs, stride), nn.BatchNorm2d(outputs))


class InvertedResidual(nn.Module):
    """A 1x1, a depthwise and a 1x1 convolution, with BatchNorm each, plus the input if it has the same shape.

    Args:
        expansion: channels of the depthwise convolution as a multiple of the input's.
        size: the depthwise kernel.
        gate: channels inside of a gate of squeeze-and-excitation; 0 for none.
        groups: of the 1x1 convolutions; the first one's output is then shuffled among the groups.
        expands: whether there is a first 1x1 convolution.
        activation: made after each convolution but the last.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        expansion: int,
        size: int,
        *,
        gate: int = 0,
        groups: int = 1,
        expands: bool = True,
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        first = [normalized(inputs, hidden, groups=groups), activation(), *([nn.ChannelShuffle(groups)] * (groups > 1))]
        self.layers = nn.Sequential(
            *(first if expands else []),
            normalized(hidden, hidden, size, stride=stride, groups=hidden),
            activation(),
            *([SqueezeExcitation(hidden, gate)] if gate else []),
            normalized(hidden, outputs, groups=groups),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        out = cast(Tensor, self.layers(x))
        return x + out if self.residual else out


class BlockChain(Network):
    """A 3x3 stem, layers, a 1x1 head, a global pool and a classifier.

    Args:
        stem: channels and stride of the stem.
        channels: of the last layer.
        head: channels of the head.
    """

    def __init__(
        self,
        input_shape: Shape,
        classes: int,
        stem: tuple[int, int],
        layers: Sequence[nn.Module],
        channels: int,
        head: int,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(normalized(input_shape[0], stem[0], 3, stride=stem[1]), nn.ReLU())
        self.layers = nn.Sequential(*layers)
        self.head = nn.Sequential(normalized(channels, head), nn.ReLU())
        self.classifier = nn.Linear(head, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, C, H, W)."""
        return cast(Tensor, self.classifier(self.head(self.layers(self.stem(images))).mean((2, 3))))
