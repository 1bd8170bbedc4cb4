"""The contract of an exporter, which writes a network in one format, and what it is given to write."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from nasforge.architecture import CellGraph
from nasforge.export.classifier import Classifier
from nasforge.plain.network import TOLERANCE, PlainNetwork, compare


@dataclass(frozen=True, eq=False)
class FoundNetwork:
    """A network to export, with what people should know about it.

    Attributes:
        name: of the files, an identifier.
        title: what it is, in a sentence.
        facts: what else to tell, such as its accuracy and how to reproduce it, by name.
        calibration: reads training images, uint8 (B, C, H, W), for formats that measure activations.
        test: reads batches of all test images, uint8 (B, C, H, W), and their labels (B,), to report an accuracy and for
            nothing else.
        cells: drawings of its architecture.
        trained: whether it has weights from training; otherwise they are random.
        fold: whether to fold each BatchNorm into the convolution before it.
    """

    name: str
    classifier: Classifier = field(repr=False)
    title: str
    facts: Mapping[str, str]
    calibration: Callable[[], Tensor]
    test: Callable[[], Iterable[tuple[Tensor, Tensor]]]
    cells: Sequence[CellGraph] = ()
    trained: bool = True
    fold: bool = False

    @cached_property
    def plain(self) -> PlainNetwork:
        """The network as source code and weights; an `ExportError` if it cannot be written."""
        return PlainNetwork.of(self.classifier.network, self.classifier.transform.input_shape, fold=self.fold)

    @cached_property
    def module(self) -> nn.Module:
        """The plain network, which every format but source code is made of; float32, on the CPU, in eval mode."""
        return self.plain.build()

    def pixels(self, count: int) -> Tensor:
        """Return `count` images of random pixels, uint8 (B, C, H, W)."""
        generator = torch.Generator().manual_seed(2)
        shape = (count, *self.classifier.transform.input_shape)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


class Exporter(ABC):
    """Writes networks in one format.

    A subclass takes its options as keyword-only constructor arguments.
    """

    name: ClassVar[str]
    """The registry name, which people type after `--to`."""
    by_default: ClassVar[bool] = False
    """Whether `nasforge export` writes this format if people do not choose any."""
    packages: ClassVar[Mapping[str, str]] = {}
    """Packages that it needs besides nasforge's own: module -> what to install, as pip is told."""
    tolerance: ClassVar[float] = TOLERANCE
    """The largest difference of logits, relative to the largest logit, that is right for the format."""

    @abstractmethod
    def write(self, found: FoundNetwork, folder: Path) -> Sequence[Path]:
        """Write the network's files into an existing folder, and return their paths, the main one first."""

    @abstractmethod
    def logits(self, folder: Path, found: FoundNetwork, pixels: Tensor) -> Tensor:
        """Run what was written on images, uint8 (B, C, H, W), and return its logits, float32 (B, classes)."""

    def check(self, folder: Path, found: FoundNetwork) -> float:
        """Compare what was written with the network, for one image and for several.

        Returns:
            The largest difference of logits, relative to the largest logit.

        Raises:
            ExportError: it is above `tolerance`.
        """
        classifier, errors = found.classifier, []
        for count in (1, 5):
            pixels = found.pixels(count)
            with torch.no_grad():
                expected = classifier.network(classifier.transform(pixels))
            logits = self.logits(folder, found, pixels)
            errors.append(compare(logits, expected, f"what --to {self.name} wrote", self.tolerance))
        return max(errors)

    def notes(self, folder: Path, found: FoundNetwork) -> Sequence[str]:
        """Return what people must know about what was written, such as an accuracy that it lost."""
        return ()
