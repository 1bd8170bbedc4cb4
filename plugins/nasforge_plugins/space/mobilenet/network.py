"""Inverted residual blocks with choices, and the network that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from nasforge import choice, derived, kernel, repeat, width

QUARTERS = 4
"""Width multipliers are multiples of a quarter."""


def divisible(channels: float) -> int:
    """The multiple of eight closest to `channels`, but not below 90 % of it (MobileNetV2's code)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def normalized(inputs: int, outputs: int, size: int = 1, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution with BatchNorm."""
    convolution = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class SqueezeExcitation(nn.Module):
    """Scales channels by a gate of their means (Hu et al. 2018)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        gate = self.expand(self.reduce(x.mean((2, 3), keepdim=True)).relu())
        return x * cast(Tensor, gate).sigmoid()


@dataclass(frozen=True)
class BlockOptions:
    """What a block chooses from; a single value is fixed.

    Attributes:
        kernels: kernel sizes of the depthwise convolution.
        expansions: of its channels, as multiples of the block's input.
        gates: whether a gate of squeeze-and-excitation may follow it.
    """

    kernels: tuple[int, ...]
    expansions: tuple[int, ...]
    gates: bool


class InvertedResidual(nn.Module):
    """A wide depthwise convolution between two narrow maps (Sandler et al. 2018, section 3.3).

    Choices: its expansion, its kernel size, and its gate.

    Args:
        residual: whether the input is added to the output; not decided by their widths, which may be equal in a network
            and differ in others that share weights with it.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int, options: BlockOptions, *, residual: bool = False
    ) -> None:
        super().__init__()
        kernels, expansions = options.kernels, options.expansions
        hidden = inputs * (width(*expansions, name="expansion") if len(expansions) > 1 else expansions[0])
        size = kernel(*kernels, name="kernel") if len(kernels) > 1 else kernels[0]
        self.expand = nn.Sequential(normalized(inputs, hidden), nn.ReLU6())
        self.filter = nn.Sequential(normalized(hidden, hidden, size, stride=stride, groups=hidden), nn.ReLU6())
        self.gate = _gate(hidden) if options.gates else nn.Identity()
        self.project = normalized(hidden, outputs)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        out = cast(Tensor, self.project(self.gate(self.filter(self.expand(x)))))
        return x + out if self.residual else out


def _gate(channels: int) -> nn.Module:
    hidden = derived(lambda size: divisible(size / 4), channels)
    return choice(none=nn.Identity(), squeeze=lambda: SqueezeExcitation(channels, hidden), name="gate")


class MobileNetV2(nn.Module):
    """A stem, a separable convolution, five stages of several blocks, and a last block.

    Args:
        in_channels: of the images.
        classes: number of logits.
        widths: of the stem, the separable convolution, the six stages and the last convolution.
        strides: of the stem and the stages.
        multipliers: of the widths, except that the last convolution does not become narrower.
        depths: the smallest and the largest number of blocks in a stage.
        options: what each block chooses from.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        widths: Sequence[int],
        strides: Sequence[int],
        multipliers: Sequence[float],
        depths: tuple[int, int],
        options: BlockOptions,
    ) -> None:
        super().__init__()
        quarters = [round(QUARTERS * multiplier) for multiplier in multipliers]
        scale = width(*quarters, name="width_in_quarters") if len(quarters) > 1 else quarters[0]
        stem, first, *stages = (_scaled(channels, scale) for channels in widths[:-1])
        last = derived(lambda quarter: divisible(widths[-1] * max(1.0, quarter / QUARTERS)), scale)
        self.stem = nn.Sequential(normalized(in_channels, stem, 3, stride=strides[0]), nn.ReLU6())
        self.first = nn.Sequential(normalized(stem, stem, 3, groups=stem), nn.ReLU6(), normalized(stem, first))
        inputs = [first, *stages[:-1]]
        self.stages = nn.Sequential(
            *(_stage(*sizes, depths, options) for sizes in zip(inputs[:-1], stages[:-1], strides[1:-1], strict=True))
        )
        self.last_block = InvertedResidual(inputs[-1], stages[-1], strides[-1], options)
        self.last = nn.Sequential(normalized(stages[-1], last), nn.ReLU6())
        self.classifier = nn.Linear(last, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, C, H, W)."""
        x = self.last(self.last_block(self.stages(self.first(self.stem(images)))))
        return cast(Tensor, self.classifier(x.mean((2, 3))))


def _scaled(channels: int, quarters: int) -> int:
    return derived(lambda quarter: divisible(channels * quarter / QUARTERS), quarters)


def _stage(inputs: int, outputs: int, stride: int, depths: tuple[int, int], options: BlockOptions) -> nn.Module:
    """Blocks, the first of which changes width and resolution."""

    def block(place: int) -> nn.Module:
        if place:
            return InvertedResidual(outputs, outputs, 1, options, residual=True)
        return InvertedResidual(inputs, outputs, stride, options)

    least, most = depths
    return repeat(block, depth=depths) if least < most else nn.Sequential(*map(block, range(most)))
