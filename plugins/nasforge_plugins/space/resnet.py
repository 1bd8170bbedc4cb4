"""ResNets (He et al., CVPR 2016) for small images: baselines that are trained by the recipe of a found network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor, nn
from torchvision.models import get_model

from nasforge import (
    Architecture,
    ArchitectureError,
    CellGraph,
    Network,
    OptionError,
    PointwiseConv2d,
    Shape,
    VectorEncoded,
)

GENE = "depth"
STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
"""Blocks in each of the four stages by depth, of two convolutions each, or of three in the deepest network."""
DEPTHS = tuple(STAGES)


class ResNets(VectorEncoded):
    """ResNet-18, -34 and -50 of torchvision with the stem that is usual for small images: a 3x3 convolution of stride 1
    and no pooling, where torchvision has a 7x7 convolution of stride 2 and a max pool.

    The published widths are fixed: `channels` and `cells` have no effect.
    """

    name = "resnet"
    notations = ("ResNet-18",)
    cardinalities = (len(DEPTHS),)

    @property
    def presets(self) -> Mapping[str, Architecture]:
        """All networks of the space."""
        return {f"RESNET{depth}": _architecture(depth) for depth in DEPTHS}

    def from_notation(self, text: str) -> Architecture | None:
        """The network's usual name."""
        match = re.fullmatch(r"resnet-?(\d+)", text.strip(), re.IGNORECASE)
        return self.validate(_architecture(int(match[1]))) if match else None

    def validate(self, architecture: Architecture) -> Architecture:
        """The same architecture with its notation."""
        if architecture.space != self.name:
            raise ArchitectureError(
                f"an architecture of space '{architecture.space}' does not belong to space '{self.name}'"
            )
        known = next((preset for preset in self.presets.values() if preset == architecture), None)
        if known is None:
            genes = dict(architecture.genes)
            raise ArchitectureError(f"a ResNet has the field '{GENE}' alone, which is 18, 34 or 50, not {genes}")
        return known

    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """The blocks, one after the other."""
        stages = STAGES[self.validate(architecture)[GENE]]
        blocks = (f"{64 * 2**stage} channels" for stage, count in enumerate(stages) for _ in range(count))
        return [CellGraph.sequence("blocks", blocks)]

    def encode(self, architecture: Architecture) -> np.ndarray:
        """The place of its depth (1,)."""
        return np.array([DEPTHS.index(architecture[GENE])])

    def decode(self, vector: np.ndarray) -> Architecture:
        """The network of a place (1,)."""
        (place,) = vector
        if not 0 <= place < len(DEPTHS):
            raise ArchitectureError(f"a vector of space '{self.name}' is one integer below {len(DEPTHS)}, not {place}")
        return _architecture(DEPTHS[int(place)])

    def build(
        self,
        architecture: Architecture,
        input_shape: Shape,
        classes: int,
        *,
        channels: int | None = None,
        cells: int | None = None,
        auxiliary: bool = False,
    ) -> Network:
        """The network; it has no auxiliary head. See `SearchSpace.build`."""
        if auxiliary:
            raise OptionError("a ResNet has no auxiliary head; leave out retrain.auxiliary=true")
        return ResNet(self.validate(architecture)[GENE], input_shape[0], classes)


class ResNet(Network):
    """A ResNet of torchvision with a stem for small images."""

    def __init__(self, depth: int, channels: int, classes: int) -> None:
        super().__init__()
        self.network = get_model(f"resnet{depth}", weights=None, num_classes=classes)
        self.network.conv1 = _drawn(nn.Conv2d(channels, 64, 3, padding=1, bias=False))
        self.network.maxpool = nn.Identity()
        for shortcut in [block.downsample for block in self.network.modules() if getattr(block, "downsample", None)]:
            (stride, _), inputs, outputs = shortcut[0].stride, shortcut[0].in_channels, shortcut[0].out_channels
            shortcut[0] = _drawn(PointwiseConv2d(inputs, outputs, stride))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, C, H, W)."""
        logits: Tensor = self.network(images)
        return logits


def _drawn(convolution: nn.Conv2d) -> nn.Conv2d:
    """The convolution with new weights, as torchvision draws them."""
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution


def _architecture(depth: int) -> Architecture:
    return Architecture.of(ResNets.name, {GENE: depth}, f"ResNet-{depth}")
