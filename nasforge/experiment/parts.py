"""Build the parts of a configuration, and check them against each other, before any data is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, cast

import torch
from pydantic import Field

from nasforge.architecture import Constraint
from nasforge.architecture_files import typed
from nasforge.bounds.bounds import Bounds
from nasforge.bounds.measures import Measures, check_measured, measures
from nasforge.config.configuration import check_whole
from nasforge.data import DataModule, NoData, SearchData
from nasforge.devices.machine import device_of
from nasforge.errors import OptionError
from nasforge.estimator import Context, Estimator, common_fidelities
from nasforge.execution.options import ExecutorOptions, executor_options
from nasforge.experiment.retraining_options import Retraining
from nasforge.experiment.trainer_options import trainer_options
from nasforge.experiment.watchers import check_watchers, watchers
from nasforge.journal.journal import digest
from nasforge.memory import PlannedNetwork, check_memory
from nasforge.networks.sizes import SIZES
from nasforge.registry.abilities import check_estimator, check_space
from nasforge.registry.entry_points import build, registry
from nasforge.registry.options import checked
from nasforge.registry.places import located
from nasforge.run.goals import Goals
from nasforge.run.progress import Progress
from nasforge.run.resources import Budget, Machinery
from nasforge.space import SearchSpace, WeightSharing
from nasforge.strategy import Strategy
from nasforge.training.ranks import Ranks, ranks_of
from nasforge.training.resident import check_room

WORTH_READING = 20
"""Number of random architectures from which a percentile is meaningful."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """How many random architectures the found one is compared with."""

    samples: Annotated[int, Field(ge=1, le=10_000)]

    def notes(self) -> list[str]:
        """Return a note if there are too few for a percentile."""
        if self.samples >= WORTH_READING:
            return []
        return [
            f"control.samples={self.samples}: a percentile among fewer than {WORTH_READING} random architectures means "
            "little"
        ]


SMALL_SIDE = 16
"""Images up to this side in pixels give threads so little work that they mostly wait for each other: a second thread
saves a tenth of the time on two idle cores, but takes several times as long on busy ones."""


def with_architectures(options: Mapping[str, Any], space: SearchSpace) -> dict[str, Any]:
    """Return the options of a strategy. Each architecture that they name becomes a text that needs no file.

    Raises:
        ArchitectureError: an option names no architecture of the space.
    """
    names = registry("strategy")[options["name"]].architecture_options
    named = {name: space.read(typed(options[name])) for name in names if options.get(name) is not None}
    return {**options, **{name: space.written(architecture) for name, architecture in named.items()}}


class Parts:
    """The objects that one configuration describes.

    Args:
        config: resolved.
        progress: shows the run's progress; None: on the terminal, or in lines.

    Raises:
        NasforgeError: a name, key, type or value is invalid, or parts do not work together; the message says which.
    """

    def __init__(self, config: Mapping[str, Any], progress: Progress | None = None) -> None:
        self.progress = progress or Progress()
        check_whole(config)  # anyone may have written the file that it comes from
        self.config = config
        self.seed: int = _seed(config["seed"])
        self.budget = checked(Budget, config["budget"], where="budget")
        self.control = checked(Control, config["control"], where="control")
        self.retraining = checked(Retraining, config["retrain"], where="retrain")
        self.space: SearchSpace = build("space", config["space"])
        self.data: DataModule = build("data", config["data"])

    @cached_property
    def strategy(self) -> Strategy[Any]:
        """The strategy of a search; a retraining does not need it."""
        strategy: Strategy[Any] = build("strategy", self.config["strategy"])
        check_space("strategy", strategy, self.space)
        return strategy

    @cached_property
    def estimators(self) -> list[Estimator]:
        """One or several estimators, whose metrics are merged."""
        if not self.config["estimator"]:
            raise OptionError("estimator=[] leaves nothing to estimate candidates with; choose one or several")
        estimators: list[Estimator] = [build("estimator", options) for options in self.config["estimator"].values()]
        for estimator in estimators:
            check_space("estimator", estimator, self.space)
            estimator.check(self.space)
            if not self._bounded_by(estimator):
                check_estimator(self.strategy, estimator, estimators)
        if self.strategy.needs_fidelities:
            common_fidelities(estimators)
        return estimators

    def _bounded_by(self, estimator: Estimator) -> bool:
        """Whether the strategy derives its architecture under constraints on this estimator's metrics."""
        texts = _texts(self.config, "constraints") or []
        return self.strategy.derives and any(measures(estimator, Constraint.read(text).metric) for text in texts)

    @cached_property
    def goals(self) -> Goals:
        """The objectives that the search follows, and its constraints."""
        objectives, constraints = _texts(self.config, "objectives"), _texts(self.config, "constraints")
        if self.strategy.derives and constraints and not objectives:
            check_measured(self.strategy.name, [Constraint.read(text) for text in constraints], self.estimators)
            return Goals.of(self.estimators, None, constraints, SIZES)
        if (objectives or constraints) and not self.strategy.needs_estimates:
            key = "objectives" if objectives else "constraints"
            raise OptionError(f"strategy '{self.strategy.name}' has its own objective; omit {key}=")
        return Goals.of(self.estimators, objectives, constraints or [])

    @cached_property
    def bounds(self) -> Bounds | None:
        """The constraints on sizes and on metrics from tables, if the space has a mix to derive architectures from."""
        constraints = [
            bound
            for bound in self.goals.constraints
            if self.strategy.derives or any(measures(estimator, bound.metric) for estimator in self.estimators)
        ]
        if not constraints or not isinstance(self.space, WeightSharing):
            return None
        context = Context(self.space, self.search_data, "cpu", self.threads, self.seed)
        return Bounds(self.space, constraints, Measures(constraints, self.estimators, context))

    @cached_property
    def reads_data(self) -> bool:
        """Whether any part of this configuration reads images."""
        if self.retraining.seeds:  # checked first, because a retraining needs neither strategy nor estimators
            return True
        return self.strategy.needs_data or any(estimator.needs_data for estimator in self.estimators)

    @cached_property
    def search_data(self) -> SearchData:
        """The images that a search sees, after a check that the later retraining can use them."""
        if not self.reads_data:
            return cast(SearchData, NoData())
        data = self.data.for_search(self.seed)
        check_room(data.train, torch.device(device_of(self.trainer)), self.trainer["data_on_device"])
        if self.retraining.seeds:
            whole = replace(data, train=self.data.train)
            self.retraining.check(whole)
            self._check_memory([self.retraining.network(whole)])
        return data

    def check_estimators(self) -> None:
        """Raise a `NasforgeError` if an estimator cannot use these images."""
        for estimator in self.estimators:
            if self.reads_data:
                estimator.check_data(self.search_data)

    def check_bounds(self) -> None:
        """Raise an `OptionError` that says what is possible if no architecture keeps the constraints."""
        if self.bounds is not None:
            self.bounds.check()

    def check_networks(self) -> None:
        """Raise a `NasforgeError` if a network of the search cannot be built or does not fit into memory."""
        if not self.reads_data:
            return
        whole = PlannedNetwork.any_architecture(
            self.search_data,
            {},
            what="the network at full size, whose parameters the result counts,",
            lower="space.evaluation_channels or space.evaluation_cells",
        )
        self._check_memory([whole, *self.strategy.networks(self.space, self.search_data)])
        for estimator in self.estimators if self.executor.here else []:
            for planned in estimator.networks(self.space, self.search_data) if estimator.needs_data else []:
                check_memory(planned, self.space, device_of(self.config["trainer"]))

    def _check_memory(self, fitted: Sequence[PlannedNetwork]) -> None:
        trainer, ranks = self.config["trainer"], self.ranks
        for planned in fitted:
            check_memory(
                planned,
                self.space,
                device_of(trainer),
                ranks=ranks.count if ranks.cuda else ranks.nodes,  # processes on a node share its memory
                half="16" in str(trainer.get("precision")),
            )

    @property
    def data_name(self) -> str:
        """The name of the data that results are about: the data module, or the data set of the estimators."""
        return str(self.data.name) if self.reads_data else self.dataset

    @property
    def dataset(self) -> str:
        """The data sets of estimators that read no images."""
        return ", ".join(dict.fromkeys(estimator.dataset for estimator in self.estimators if estimator.dataset))

    @cached_property
    def threads(self) -> int:
        """The number of CPU threads; resolved, because it is part of a run's identity."""
        small = not self.reads_data or max(self.search_data.input_shape[1:]) <= SMALL_SIDE
        return self.executor.threads or self.executor.default_threads(small=small)

    @property
    def recorded(self) -> dict[str, Any]:
        """The configuration with what depends on the machine and the working directory: threads, paths, architectures.

        Those of the strategy and of estimators are included only if these were built; a retraining does not build them.
        """
        given = self.config["estimator"]
        built = zip(given, vars(self).get("estimators", ()), strict=False)
        strategy = self.config["strategy"]
        return {
            **self.config,
            "strategy": with_architectures(strategy, self.space) if "strategy" in vars(self) else strategy,
            "data": located(self.data, self.config["data"]),
            "estimator": {**given, **{name: located(part, given[name]) for name, part in built}},
            "executor": {**self.config["executor"], "threads": self.threads},
        }

    @property
    def fingerprint(self) -> str:
        """A hash of the images and of the estimators' other inputs; empty if there are none."""
        images, estimators = self.search_data.fingerprint, vars(self).get("estimators", ())
        others = {estimator.name: estimator.fingerprint for estimator in estimators if estimator.fingerprint}
        return digest([images, others]) if others else images

    @cached_property
    def executor(self) -> ExecutorOptions:
        """The options of the executor, which estimates candidates."""
        return executor_options(self.config["executor"])

    @cached_property
    def trainer(self) -> Mapping[str, Any]:
        """Arguments of Lightning's trainer, after a check that a run may set them."""
        return trainer_options(self.config["trainer"])

    @cached_property
    def ranks(self) -> Ranks:
        """The processes that share each fit."""
        return ranks_of(self.trainer)

    def check_machinery(self) -> None:
        """Raise a `NasforgeError` if this machine or installation lacks what the configuration requires."""
        _ = self.ranks, self.executor
        check_watchers(self.config)

    def machinery(self, folder: Path) -> Machinery:
        """Return trainer arguments, threads, and the user's loggers and callbacks, which may write into `folder`."""
        return Machinery(
            trainer=self.trainer,
            threads=self.threads,
            callbacks=watchers(self.config, "callbacks", folder),
            loggers=watchers(self.config, "logger", folder),
            ranks=self.ranks,
            executor=self.executor.executor(self.threads),
            progress=self.progress,
        )


def _texts(config: Mapping[str, Any], key: str) -> list[str] | None:
    value = config.get(key)
    if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise OptionError(f"{key}={value}: it must be a list of texts, such as {_EXAMPLES[key]}")
    return value


_EXAMPLES = {"objectives": "objectives=[accuracy,latency_ms]", "constraints": "constraints=['params_m<=1.0']"}


def _seed(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise OptionError(f"seed={value!r}: it must be a whole number, 0 or more")
    return value
