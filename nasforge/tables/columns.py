"""What a table says of its numbers: what each column measures and how, and where all of them were published."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from nasforge.architecture import Objective

Direction = Literal["max", "min"]
Basis = Literal["", "measured", "computed", "predicted"]
"""How numbers came about; empty if the source does not say."""


@dataclass(frozen=True)
class Origin:
    """Where a table's numbers were published, and under which terms.

    Attributes:
        repository, commit: the source of the numbers.
        license: the license of that repository.
        paper: its citation.
        notice: the copyright notice that the license requires, and how the numbers were changed.
    """

    repository: str
    commit: str
    license: str
    paper: str
    notice: str


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        dataset: the data set, or for a latency the device.
        metric: name of the metric, including its unit if it has one; every `*accuracy*` is a fraction in [0, 1].
        direction: `max` or `min`.
        report_only: whether it was measured on test data, so that no strategy may see it.
        about: how it was measured (epochs, seeds, part of the data), in a few words.
        basis: whether the numbers are measurements, computed from the network, or a model's predictions; empty if the
            source does not say.
        epochs: after how many epochs of training it was measured; 0 if the source does not say, or it is no matter.
    """

    dataset: str
    metric: str
    direction: Direction
    report_only: bool = False
    about: str = ""
    basis: Basis = ""
    epochs: int = 0

    @property
    def quantity(self) -> str:
        """What was measured, whatever the number of epochs: `accuracy` for `accuracy_200ep`."""
        return self.metric.removesuffix(f"_{self.epochs}ep")

    @property
    def described(self) -> dict[str, Any]:
        """What a file says of the column, without epochs that are unknown."""
        known = asdict(self)
        if not self.epochs:
            del known["epochs"]
        return known

    @property
    def key(self) -> str:
        """The column's name in the file."""
        return f"{self.dataset}/{self.metric}"

    @property
    def objective(self) -> Objective:
        """The objective of an estimator that returns this metric."""
        return Objective(self.metric, self.direction, self.report_only)

    @property
    def description(self) -> str:
        """How the numbers came about: "predicted, mean of ten models"."""
        return ", ".join(filter(None, (self.basis, self.about)))
