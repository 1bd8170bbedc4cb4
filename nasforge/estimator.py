"""The contract of an estimator: what an architecture is worth, as a pure function of its arguments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from torch import Tensor

from nasforge.architecture import Architecture, Metrics, Objective
from nasforge.data import SearchData
from nasforge.memory import PlannedNetwork
from nasforge.space import SearchSpace


@dataclass(frozen=True)
class Weights:
    """One immutable version of trained tensors, as `run.fit` or a weight store left them.

    Attributes:
        path: the safetensors file.
        digest: its sha256: the name by which estimates' keys know this version.
        options: what `WeightSharing.supernet` needs to build the supernet the tensors belong to.
    """

    path: Path
    digest: str
    options: Mapping[str, int | bool]


@dataclass(frozen=True)
class Context:
    """All that an estimate may read.

    Attributes:
        space: builds the architecture.
        data: training images and their seeded splits; test images are out of reach.
        device: where to compute, as torch writes it.
        threads: how many the executor set for CPU work.
        seed: where every random draw of this estimate comes from; a function of its content key.
        weights: shared or inherited weights, if the strategy gave some.
    """

    space: SearchSpace
    data: SearchData
    device: str
    threads: int
    seed: int
    weights: Weights | None = None


@dataclass(frozen=True)
class Estimate:
    """What an estimator returns.

    Attributes:
        metrics: a finite number for each objective.
        tensors: if it trained, those worth keeping.
        flag: which metrics are no measurements but the worst value there is, and why; empty where all are measured.
            It is the `reason` of an evaluation that is `ok`, and what people read beside the number.
    """

    metrics: Metrics
    tensors: Mapping[str, Tensor] | None = None
    flag: str = ""


class Infeasible(Exception):
    """Raised by an estimator whose constraint an architecture breaks; the reason reaches the strategy."""


class Estimator(ABC):
    """Says what architectures are worth.

    A subclass takes its options as keyword-only constructor arguments. An estimate must depend on its arguments alone,
    since it is computed once and replayed ever after. What it raises becomes a `failed` evaluation with its reason.

    Attributes:
        objectives: every metric it gives, with its direction; the first is what a single-objective strategy follows.
        needs: abilities that the space must have (`WeightSharing`, say).
        needs_weights: whether `Context.weights` must be given.
        builds: whether it looks at what the space builds, be it one of the space's architectures or not; a table, or a
            supernet, knows these alone.
        needs_data: whether it reads images. A search none of whose parts does so reads none.
        fingerprint: a hash of what it reads besides images (a table); part of every key, as paths are not.
        dataset: what its answers are about, where a search reads no images.
        about: how a metric is measured, in a few words, where its name does not say it: "test, 200 epochs".
        optima: the best value that any architecture of the space has in a metric, where it is known (a table's).
        epochs: for how many it trains a candidate; 0 if it trains none.
        channels: the width of the networks that it trains. One that trains begins with inherited weights, if
            `Context.weights` has some and the space is one with `WeightInheritance`.
        held_out: the part of `SearchData.split(held_out)` on which it scores what it trained: weights that are handed
            on must not have seen it either.
        options: what the constructor was given but for paths, as plain JSON; part of every key. The registry sets it.
    """

    name: ClassVar[str]
    objectives: tuple[Objective, ...]
    needs: ClassVar[tuple[type[SearchSpace], ...]] = ()
    needs_weights: ClassVar[bool] = False
    builds: ClassVar[bool] = True
    needs_data: ClassVar[bool] = True
    fingerprint: str = ""
    dataset: str = ""
    about: Mapping[str, str] = MappingProxyType({})
    optima: Mapping[str, float] = MappingProxyType({})
    epochs: int = 0
    channels: int | None = None
    held_out: float = 0.0
    options: Mapping[str, Any] = MappingProxyType({})

    @abstractmethod
    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """The metrics of one architecture, each named by an objective."""

    def check(self, space: SearchSpace) -> None:  # noqa: B027  # most have nothing more to check than `needs`
        """Called before a run begins: raise a `NasforgeError` if architectures of `space` cannot be estimated."""

    def check_data(self, data: SearchData) -> None:  # noqa: B027  # likewise
        """Called before a run begins that reads images: raise a `NasforgeError` if these will not do."""

    def networks(self, space: SearchSpace, data: SearchData) -> Sequence[PlannedNetwork]:
        """The largest networks that estimates build: a run that cannot hold one is refused before it begins."""
        return []

    def estimate_many(self, architectures: Sequence[Architecture], context: Context) -> Sequence[Estimate]:
        """As `estimate`, in order; override it where many at once are cheaper."""
        return [self.estimate(architecture, context) for architecture in architectures]
