"""A small space of plain convolutional networks whose maps halve from stage to stage, like stairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from nasforge import (
    Architecture,
    ArchitectureError,
    CellGraph,
    Network,
    OptionError,
    Shape,
    VectorEncoded,
    drop_path,
)

CHOICES = {"kernel": (3, 5), "width": (1, 2, 3), "depth": (1, 2, 3)}
"""What is decided for each stage: kernel side, multiple of the initial channels, number of convolutions."""

Positive = Annotated[int, Field(ge=1)]


class Stairs(VectorEncoded):
    """Plain convolutional networks: kernel, width and depth of each stage; maps halve between stages."""

    name = "stairs"

    def __init__(self, *, stages: Annotated[int, Field(ge=1, le=4)] = 2, channels: Positive = 8) -> None:
        self.stages, self.channels = stages, channels

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Kernel, width and depth of the first stage, then of the second, ..."""
        return tuple(len(values) for values in CHOICES.values()) * self.stages

    def encode(self, architecture: Architecture) -> np.ndarray:
        """Positions in `CHOICES`: integers (3 * stages,)."""
        rows = self.validate(architecture)["stages"]
        return np.array([v.index(x) for row in rows for v, x in zip(CHOICES.values(), row, strict=True)])

    def decode(self, vector: np.ndarray) -> Architecture:
        """The inverse of `encode`."""
        rows = np.asarray(vector).reshape(self.stages, len(CHOICES))
        chosen = [[values[index] for values, index in zip(CHOICES.values(), row, strict=True)] for row in rows]
        return self.validate(Architecture.of(self.name, {"stages": chosen}))

    def validate(self, architecture: Architecture) -> Architecture:
        """The same, with its notation: `k3w2d1-k5w1d2`."""
        if architecture.space != self.name:
            raise ArchitectureError(
                f"an architecture of space '{architecture.space}' does not belong to space '{self.name}'"
            )
        rows = architecture["stages"]
        if not isinstance(rows, tuple) or len(rows) != self.stages:
            raise ArchitectureError(f"field 'stages' must be a list of {self.stages} stages, not {rows!r}")
        for index, row in enumerate(rows):
            if not isinstance(row, tuple) or len(row) != len(CHOICES):
                raise ArchitectureError(f"field 'stages[{index}]' must hold {', '.join(CHOICES)}, not {row!r}")
            for (field, values), value in zip(CHOICES.items(), row, strict=True):
                if value not in values:
                    raise ArchitectureError(f"{field} of 'stages[{index}]' is {value!r}; it must be one of {values}")
        notation = "-".join(f"k{kernel}w{width}d{depth}" for kernel, width, depth in rows)
        return Architecture.of(self.name, {"stages": rows}, notation)

    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """One chain: the maps between stages are its nodes."""
        rows = self.validate(architecture)["stages"]
        nodes = ("image", *(f"stage {index + 1}" for index in range(self.stages)), "classes")
        steps = [f"{depth} x conv {kernel}x{kernel}, width {width}" for kernel, width, depth in rows]
        edges = tuple((index, index + 1, step) for index, step in enumerate([*steps, "pool, linear"]))
        return [CellGraph("network", nodes, edges)]

    def build(
        self,
        architecture: Architecture,
        input_shape: Shape,
        classes: int,
        *,
        channels: int | None = None,
        cells: int | None = None,
        auxiliary: bool = False,
    ) -> StairsNetwork:
        """`cells` repeats every stage's convolutions that often; there is no auxiliary head."""
        if auxiliary:
            raise OptionError("space 'stairs' has no auxiliary head; leave auxiliary false")
        if min(input_shape[1:]) < 2 ** (self.stages - 1):
            raise OptionError(
                f"images of {input_shape[1]} x {input_shape[2]} cannot be halved {self.stages - 1} times; "
                "lower space.stages"
            )
        rows = self.validate(architecture)["stages"]
        repeats = 1 if cells is None else max(1, cells // self.stages)
        return StairsNetwork(rows, input_shape[0], classes, channels or self.channels, repeats)


class StairsNetwork(Network):
    """Stages of residual convolutions."""

    def __init__(
        self, rows: Sequence[tuple[int, int, int]], image_channels: int, classes: int, channels: int, repeats: int
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        width_before = image_channels
        for index, (kernel, multiple, depth) in enumerate(rows):
            width = channels * multiple
            entry = _conv(width_before, width, kernel, stride=1 if index == 0 else 2)
            rest = [_conv(width, width, kernel) for _ in range(depth * repeats - 1)]
            self.stages.append(nn.ModuleList([entry, *rest]))
            width_before = width
        self.classifier = nn.Linear(width_before, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes)."""
        maps = images
        for stage in self.stages:
            entry, *rest = stage
            maps = entry(maps)
            for convolution in rest:
                branch = convolution(maps)
                maps = maps + drop_path(branch, self.drop_path, self.training)
        logits: Tensor = self.classifier(maps.mean((2, 3)))
        return logits


def _conv(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out), nn.ReLU())
