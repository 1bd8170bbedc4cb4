"""The contract of an estimator: it measures the quality of an architecture, as a pure function of its arguments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch import Tensor

from nasforge.architecture import Architecture, Metrics, Objective
from nasforge.errors import OptionError
from nasforge.memory import PlannedNetwork
from nasforge.result import Promise
from nasforge.space import SearchSpace
from nasforge.wording import numbers

if TYPE_CHECKING:  # it imports Lightning, which a worker without data need not wait for
    from nasforge.data import SearchData


@dataclass(frozen=True)
class Weights:
    """One immutable version of trained tensors, written by `run.fit` or a weight store.

    Attributes:
        path: the safetensors file.
        digest: the file's sha256, which identifies this version in the keys of estimates.
        options: how to build the supernet that the tensors belong to (`build_supernet`).
    """

    path: Path
    digest: str
    options: Mapping[str, int | bool | str]


@dataclass(frozen=True)
class Context:
    """Everything that an estimate may read.

    Attributes:
        space: builds the architecture.
        data: training images and their seeded splits, never test images.
        device: the torch device to compute on.
        threads: number of CPU threads, as set by the executor.
        seed: source of every random draw of this estimate; a function of its content key.
        weights: shared or inherited weights, if the strategy passed any.
        graph: the option `trainer.graph`, for estimators that train.
        epochs: after how many of the estimator's epochs to estimate, one of its `fidelities()`; None: after all.
        checkpoint: the `Estimate.checkpoint` that an estimate of the same architecture after fewer epochs left; to
            continue from there must give the same estimate as to begin anew.
    """

    space: SearchSpace
    data: SearchData
    device: str
    threads: int
    seed: int
    weights: Weights | None = None
    graph: bool | Literal["auto"] = "auto"
    epochs: int | None = None
    checkpoint: Path | None = None


@dataclass(frozen=True)
class Estimate:
    """The return value of an estimator.

    Attributes:
        metrics: a finite number for each objective.
        tensors: trained tensors to keep, if any.
        flag: which metrics could not be measured and hold the worst possible value, and why; empty if all were
            measured. It becomes the `reason` of an `ok` evaluation, which people read beside the number.
        checkpoint: content of a file from which training can continue to more epochs, if any.
    """

    metrics: Metrics
    tensors: Mapping[str, Tensor] | None = None
    flag: str = ""
    checkpoint: bytes | None = None


class Infeasible(Exception):
    """Raised by an estimator if an architecture violates its constraint; the strategy receives the reason."""


class Estimator(ABC):
    """Measures how good architectures are.

    A subclass takes its options as keyword-only constructor arguments. An estimate must depend on its arguments alone,
    because it is computed once and replayed from then on. Any exception becomes a `failed` evaluation with its reason.

    Attributes:
        objectives: every metric that it returns, with its direction; a single-objective strategy follows the first.
        needs: abilities that the space must have, such as `WeightSharing`.
        needs_weights: whether it requires `Context.weights`.
        weights_option: the option that gives it the weights of a finished run, so that it needs no others; empty if it
            has no such option.
        builds: whether it examines the network that the space builds, so that it can also score architectures from
            outside the space; a table or a supernet cannot.
        draws: whether an estimate may draw from a global generator. If not, none is seeded for it, which takes longer
            than a table lookup.
        looks_up: whether it looks candidates up in the table that its options `table` or `path` name, in the columns of
            the data set of its option `dataset`; simulations and verdicts set these.
        needs_data: whether it reads images. If no part of a search does, the search reads none.
        fingerprint: a hash of what it reads besides images, such as a table; part of every key, unlike paths.
        dataset: the data set of its metrics, if a search reads no images.
        about: how metrics are measured, in a few words, if their names do not say so: "test, 200 epochs".
        optima: the best value of a metric in the whole space, if it is known, as for a table.
        epochs: for how many epochs it trains a candidate; 0 if it does not train.
        channels: width of the networks that it trains. Training starts from inherited weights if `Context.weights`
            holds any and the space has `WeightInheritance`.
        held_out: the fraction in `SearchData.split(held_out)` that it scores trained networks on; inherited weights
            must not have been trained on those images either.
        options: the constructor's arguments without paths, as plain JSON; part of every key. The registry sets it.
        added: options that earlier versions lacked; while they are None, `options` lacks them too, and keys stay as
            they were.
    """

    name: ClassVar[str]
    objectives: tuple[Objective, ...]
    needs: ClassVar[tuple[type[SearchSpace], ...]] = ()
    needs_weights: ClassVar[bool] = False
    weights_option: ClassVar[str] = ""
    builds: ClassVar[bool] = True
    draws: ClassVar[bool] = True
    looks_up: ClassVar[bool] = False
    needs_data: ClassVar[bool] = True
    fingerprint: str = ""
    dataset: str = ""
    about: Mapping[str, str] = MappingProxyType({})
    optima: Mapping[str, float] = MappingProxyType({})
    epochs: int = 0
    channels: int | None = None
    held_out: float = 0.0
    options: Mapping[str, Any] = MappingProxyType({})
    added: ClassVar[Sequence[str]] = ()

    @abstractmethod
    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """Return the metrics of one architecture, one for each objective."""

    def check(self, space: SearchSpace) -> None:  # noqa: B027  # for most estimators `needs` is enough
        """Raise a `NasforgeError` if it cannot estimate architectures of `space`; called before a run begins."""

    def check_data(self, data: SearchData) -> None:  # noqa: B027  # few estimators restrict the data
        """Raise a `NasforgeError` if it cannot use this data; called before a run that reads images begins."""

    def fidelities(self) -> tuple[int, ...]:
        """Return the numbers of epochs after which it can estimate a candidate, ascending; the last is all of them.

        An estimator without fidelities returns the same estimate after any number of epochs.

        Raises:
            OptionError: its options or its table allow one number only.
        """
        return ()

    def verify(self, architecture: Architecture, space: SearchSpace) -> Sequence[Promise]:
        """Measure what estimates only predict, for the architecture that a search found; by default nothing."""
        return []

    def networks(self, space: SearchSpace, data: SearchData) -> Sequence[PlannedNetwork]:
        """Return the largest networks that estimates build; a run that cannot hold one is refused before it begins."""
        return []

    def estimate_many(self, architectures: Sequence[Architecture], context: Context) -> Sequence[Estimate]:
        """Return `estimate` of each architecture, in order; override it if estimating many in one call costs less."""
        return [self.estimate(architecture, context) for architecture in architectures]


def has_fidelities(estimator: Estimator | type[Estimator]) -> bool:
    """Return whether its estimates depend on the number of epochs that a strategy asks for."""
    estimator_class = estimator if isinstance(estimator, type) else type(estimator)
    return estimator_class.fidelities is not Estimator.fidelities


def common_fidelities(estimators: Sequence[Estimator]) -> tuple[int, ...]:
    """Return the numbers of epochs that all estimators with fidelities have, ascending; none if there is none with any.

    Raises:
        OptionError: an estimator allows one number only, or they have none in common.
    """
    allowed = {estimator.name: estimator.fidelities() for estimator in estimators if has_fidelities(estimator)}
    common = set.intersection(*map(set, allowed.values())) if allowed else set()
    if allowed and not common:
        each = ", ".join(f"{name} {numbers(epochs)}" for name, epochs in allowed.items())
        raise OptionError(f"these estimators have no number of epochs in common: {each}")
    return tuple(sorted(common))
