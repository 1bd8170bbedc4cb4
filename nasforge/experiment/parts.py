"""A configuration's parts: plug-ins built and checked against each other, before any data are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field

from nasforge.config.configuration import check_whole
from nasforge.data import DataModule, NoData, SearchData
from nasforge.errors import OptionError
from nasforge.estimator import Estimator
from nasforge.execution.options import ExecutorOptions, executor_options
from nasforge.experiment.retraining import Retraining
from nasforge.experiment.trainer_options import trainer_options
from nasforge.experiment.watchers import check_watchers, watchers
from nasforge.journal.journal import digest
from nasforge.memory import PlannedNetwork, check_memory
from nasforge.registry.abilities import check_estimator, check_space
from nasforge.registry.entry_points import build
from nasforge.registry.options import checked
from nasforge.registry.places import located
from nasforge.run.goals import Goals
from nasforge.run.progress import Progress
from nasforge.run.resources import Budget, Machinery, device_of
from nasforge.space import SearchSpace
from nasforge.strategy import Strategy
from nasforge.training.ranks import Ranks, ranks_of

WORTH_READING = 20
"""Random architectures that make a percentile among them worth reading."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """How many random architectures the found one is compared with."""

    samples: Annotated[int, Field(ge=1, le=10_000)]

    def notes(self) -> list[str]:
        """Whether a percentile among so few is worth reading."""
        if self.samples >= WORTH_READING:
            return []
        return [
            f"control.samples={self.samples}: a percentile among fewer than {WORTH_READING} random architectures says "
            "little"
        ]


SMALL_SIDE = 16
"""Images up to this many pixels a side give threads so little to do that they mostly wait for each other: on two quiet
cores a second one gains a tenth, on cores that are busy otherwise it costs several times the time."""


class Parts:
    """What one configuration stands for.

    Args:
        config: resolved.
        progress: says what a run of it does; at a terminal, or in lines, if None.

    Raises:
        NasforgeError: a name, key, type or value is wrong, or parts do not fit each other; the message says which.
    """

    def __init__(self, config: Mapping[str, Any], progress: Progress | None = None) -> None:
        self.progress = progress or Progress()
        check_whole(config)  # it may have been read from a file that anyone wrote
        self.config = config
        self.seed: int = _seed(config["seed"])
        self.budget = checked(Budget, config["budget"], where="budget")
        self.control = checked(Control, config["control"], where="control")
        self.retraining = checked(Retraining, config["retrain"], where="retrain")
        self.space: SearchSpace = build("space", config["space"])
        self.data: DataModule = build("data", config["data"])

    @cached_property
    def strategy(self) -> Strategy[Any]:
        """Built when a search begins; retraining has no use for it."""
        strategy: Strategy[Any] = build("strategy", self.config["strategy"])
        check_space("strategy", strategy, self.space)
        return strategy

    @cached_property
    def estimators(self) -> list[Estimator]:
        """One or several, whose metrics are merged."""
        if not self.config["estimator"]:
            raise OptionError("estimator=[] leaves nobody to say what candidates are worth; name one, or several")
        estimators: list[Estimator] = [build("estimator", options) for options in self.config["estimator"].values()]
        for estimator in estimators:
            check_space("estimator", estimator, self.space)
            estimator.check(self.space)
            check_estimator(self.strategy, estimator)
        return estimators

    @cached_property
    def goals(self) -> Goals:
        """What the search follows, and the bounds of its candidates."""
        objectives, constraints = _texts(self.config, "objectives"), _texts(self.config, "constraints")
        if (objectives or constraints) and not self.strategy.needs_estimates:
            key = "objectives" if objectives else "constraints"
            raise OptionError(f"strategy '{self.strategy.name}' follows an objective of its own; leave {key}= out")
        return Goals.of(self.estimators, objectives, constraints or [])

    @cached_property
    def reads_data(self) -> bool:
        """Whether anything in this configuration looks at images."""
        if self.retraining.seeds:  # asked first: to retrain, neither strategy nor estimators need be there
            return True
        return self.strategy.needs_data or any(estimator.needs_data for estimator in self.estimators)

    @cached_property
    def search_data(self) -> SearchData:
        """The images that a search sees, read now, and found to fit the retraining that is to come."""
        if not self.reads_data:
            return cast(SearchData, NoData())
        data = self.data.for_search(self.seed)
        if self.retraining.seeds:
            self.retraining.check(data)
            self._check_memory([self.retraining.network(data)])
        return data

    def check_estimators(self) -> None:
        """Raise a `NasforgeError` if an estimator cannot do with these images."""
        for estimator in self.estimators:
            if estimator.needs_data:
                estimator.check_data(self.search_data)

    def check_networks(self) -> None:
        """Raise a `NasforgeError` if a network that the search builds cannot be built, or fits into no memory."""
        if not self.reads_data:
            return
        whole = PlannedNetwork.any_architecture(
            self.search_data,
            {},
            what="the network at full size, whose parameters the result tells,",
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
                ranks=ranks.count if ranks.cuda else ranks.nodes,  # those of a node share its memory
                half="16" in str(trainer.get("precision")),
            )

    @property
    def data_name(self) -> str:
        """What the results are about: the data module, or the data set that the estimators have answers for."""
        if self.reads_data:
            return str(self.data.name)
        return ", ".join(dict.fromkeys(one.dataset for one in self.estimators if one.dataset))

    @cached_property
    def threads(self) -> int:
        """Of CPU work; resolved, since it is part of a run's identity."""
        small = not self.reads_data or max(self.search_data.input_shape[1:]) <= SMALL_SIDE
        return self.executor.threads or self.executor.default_threads(small=small)

    @property
    def recorded(self) -> dict[str, Any]:
        """The configuration, with what it leaves to the machine and the working folder: threads and paths.

        Of estimators as far as they were built: a retraining has no use for them.
        """
        given = self.config["estimator"]
        built = zip(given, vars(self).get("estimators", ()), strict=False)
        return {
            **self.config,
            "data": located(self.data, self.config["data"]),
            "estimator": {**given, **{name: located(part, given[name]) for name, part in built}},
            "executor": {**self.config["executor"], "threads": self.threads},
        }

    @property
    def fingerprint(self) -> str:
        """Of the images, and of what the estimators read besides them; empty where nothing reads anything."""
        images, others = (
            self.search_data.fingerprint,
            {one.name: one.fingerprint for one in vars(self).get("estimators", ()) if one.fingerprint},
        )
        return digest([images, others]) if others else images

    @cached_property
    def executor(self) -> ExecutorOptions:
        """Where candidates are estimated."""
        return executor_options(self.config["executor"])

    @cached_property
    def trainer(self) -> Mapping[str, Any]:
        """Arguments of Lightning's trainer, found to be such as a run may set."""
        return trainer_options(self.config["trainer"])

    @cached_property
    def ranks(self) -> Ranks:
        """The processes that share each fit."""
        return ranks_of(self.trainer)

    def check_machinery(self) -> None:
        """Raise a `NasforgeError` if this machine, or this installation, cannot compute as the configuration says."""
        _ = self.ranks, self.executor
        check_watchers(self.config)

    def machinery(self, folder: Path) -> Machinery:
        """Trainer arguments, threads, and a user's loggers and callbacks, which may write into the run's `folder`."""
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
    if value is not None and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        raise OptionError(f"{key}={value}: it must be a list of texts, {_EXAMPLES[key]} say")
    return value


_EXAMPLES = {"objectives": "objectives=[accuracy,latency_ms]", "constraints": "constraints=['params_m<=1.0']"}


def _seed(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise OptionError(f"seed={value!r}: it must be a whole number, 0 or more")
    return value
