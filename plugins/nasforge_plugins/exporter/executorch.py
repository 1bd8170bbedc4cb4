"""ExecuTorch: a program for phones and microcontrollers, through XNNPACK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from nasforge import Exporter, FoundNetwork, quiet
from nasforge_plugins.exporter.program import program_of

LARGEST_BATCH = 64
"""How many images the program takes at once; its memory is planned for so many."""


class ExecuTorch(Exporter):
    """A `.pte` file, whose convolutions XNNPACK computes.

    It maps uint8 pixels (B, C, H, W) to logits (B, classes), for up to 64 images at once.

    Args:
        normalize: whether the program normalizes the pixels; otherwise it takes float32 that is already normalized.
    """

    name = "executorch"
    packages: ClassVar[Mapping[str, str]] = {"executorch": "'nasforge[executorch]'"}

    def __init__(self, *, normalize: bool = True) -> None:
        self._normalize = normalize

    def write(self, found: FoundNetwork, folder: Path) -> Sequence[Path]:
        """`NAME.pte`."""
        program: Any = program_of(found, normalize=self._normalize, largest=LARGEST_BATCH)
        path = folder / f"{found.name}.pte"
        with quiet():
            from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
            from executorch.exir import to_edge_transform_and_lower

            lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
        path.write_bytes(lowered.buffer)
        return [path]

    def logits(self, folder: Path, found: FoundNetwork, pixels: Tensor) -> Tensor:
        """Run the program in ExecuTorch's runtime."""
        from executorch.runtime import Runtime

        method = Runtime.get().load_program(folder / f"{found.name}.pte").load_method("forward")
        images = pixels if self._normalize else found.classifier.transform(pixels)
        logits: Tensor = method.execute([images])[0]
        return logits.clone()
