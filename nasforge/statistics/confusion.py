"""Confusion matrices: how many test images of each class a network takes for each class."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nasforge.journal.journal import write_json
from nasforge.journal.run_folder import RunFolder

MOST_KEPT = 100
"""With more classes, no matrix is kept, because it grows with their square."""
MOST_SHOWN = 40
"""With more classes, a page shows only the accuracy of each class."""


@torch.no_grad()
def predictions(forward: Any, batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Int64 (images, 2): the class of each image, and the class that `forward(images) -> logits` predicts."""
    return torch.cat([torch.stack([labels, forward(images).argmax(1)], dim=1).cpu() for images, labels in batches])


def confusion(predicted: Tensor, classes: int) -> np.ndarray:
    """Int64 (classes, classes): how many images of a row's class were taken for a column's; from `predictions`."""
    labels, guesses = predicted.unbind(1)
    counts = torch.bincount(labels * classes + guesses, minlength=classes * classes)
    matrix: np.ndarray = counts.view(classes, classes).numpy()
    return matrix


def accuracy(matrix: np.ndarray) -> float:
    """The share of all images that lie on the diagonal."""
    return float(np.trace(matrix) / matrix.sum())


@dataclass(frozen=True, eq=False)
class Confusions:
    """The sum of the confusion matrices of one architecture's trainings.

    Attributes:
        names: names of the classes.
        trainings: number of trainings.
        counts: (classes, classes); rows are true classes.
    """

    names: tuple[str, ...]
    trainings: int
    counts: np.ndarray

    def write(self, folder: Path) -> None:
        """Write `confusion.json`."""
        facts = {"class names": list(self.names), "trainings": self.trainings, "counts": self.counts.tolist()}
        write_json(RunFolder(folder).confusion, facts)

    @classmethod
    def read(cls, text: str) -> Confusions:
        """Read the text that `write` wrote."""
        facts = json.loads(text)
        return cls(tuple(facts["class names"]), int(facts["trainings"]), np.array(facts["counts"], dtype=np.int64))

    @property
    def by_class(self) -> list[tuple[str, int, float, str]]:
        """(class, number of test images, accuracy, most frequent mistake), least accurate first."""
        totals = self.counts.sum(1)
        rows = []
        for place in np.argsort(np.diag(self.counts) / totals, kind="stable").tolist():
            wrong = np.where(np.arange(len(self.names)) == place, 0, self.counts[place])
            other = int(wrong.argmax())
            mostly = f"{self.names[other]} ({100 * wrong[other] / totals[place]:.1f} %)" if wrong.any() else ""
            share = float(self.counts[place, place] / totals[place])
            rows.append((self.names[place], int(totals[place] // self.trainings), share, mostly))
        return rows

    @property
    def shares(self) -> list[tuple[str, list[tuple[int, float]]]]:
        """The rows of the matrix: a class, then (count, share of the row) for each class."""
        totals = self.counts.sum(1, keepdims=True)
        rows = zip(self.names, self.counts.tolist(), (self.counts / totals).tolist(), strict=True)
        return [(name, list(zip(counts, shares, strict=True))) for name, counts, shares in rows]


def added(names: Sequence[str], matrices: Sequence[Sequence[Sequence[int]] | None]) -> Confusions | None:
    """The sum of the matrices of several trainings; None if one of them was not kept."""
    kept = [np.array(matrix) for matrix in matrices if matrix is not None]
    return Confusions(tuple(names), len(kept), sum(kept[1:], kept[0])) if len(kept) == len(matrices) and kept else None
