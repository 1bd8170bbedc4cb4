"""torch.export: a program that torch runs without any source code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from nasforge import Exporter, FoundNetwork
from nasforge_plugins.exporter.program import program_of


class TorchProgram(Exporter):
    """A `.pt2` file: `torch.export.load(path).module()` is a module for any number of images at once.

    It maps uint8 pixels (B, C, H, W) to logits (B, classes). The file also holds `classes.json`, which
    `torch.export.load(path, extra_files={"classes.json": ""})` reads.

    Args:
        normalize: whether the program normalizes the pixels; otherwise it takes float32 that is already normalized.
    """

    name = "torch"

    def __init__(self, *, normalize: bool = True) -> None:
        self._normalize = normalize

    def write(self, found: FoundNetwork, folder: Path) -> Sequence[Path]:
        """`NAME.pt2`."""
        program = program_of(found, normalize=self._normalize)
        path = folder / f"{found.name}.pt2"
        classes = json.dumps(found.classifier.class_names, ensure_ascii=False)
        torch.export.save(program, path, extra_files={"classes.json": classes})
        return [path]

    def logits(self, folder: Path, found: FoundNetwork, pixels: Tensor) -> Tensor:
        """Load the program, and run it."""
        program = torch.export.load(folder / f"{found.name}.pt2").module()
        with torch.no_grad():
            logits: Tensor = program(pixels if self._normalize else found.classifier.transform(pixels))
        return logits
