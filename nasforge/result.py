"""What a search hands back: the architecture, what is known of it, and what there is to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nasforge.architecture import Architecture, Evaluation, Metrics
from nasforge.estimator import Weights


@dataclass(frozen=True)
class Result:
    """What a search found; `Run.result` makes it.

    Attributes:
        architecture: the one to retrain.
        metrics: what the search knows of it.
        weights: the supernet's, if there was one: the control then compares with random architectures.
        front: further architectures worth a look (the Pareto front of several objectives).
        trace: what `Strategy.explain` is given; it stays in memory.
    """

    architecture: Architecture
    metrics: Metrics = field(default_factory=dict)
    weights: Weights | None = None
    front: Sequence[Evaluation] = ()
    trace: Any = field(default=None, repr=False, compare=False)
