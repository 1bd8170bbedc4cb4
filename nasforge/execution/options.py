"""`conf/executor/`: where candidates are estimated, by name; what cannot be is said before any data are read."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from nasforge.errors import OptionError, unknown
from nasforge.execution.executor import Executor, LocalExecutor
from nasforge.registry.options import checked

Threads = Annotated[int, Field(ge=1)] | None
Share = Annotated[float, Field(ge=0)]
PER_PROCESSOR = 8
"""How many threads may share a processor. More only wait for each other; thousands bring a machine to its knees."""


@dataclass(frozen=True, kw_only=True)
class ExecutorOptions(ABC):
    """What every executor is told.

    Attributes:
        name: which.
        threads: CPU threads of every fit and estimate; None: as `default_threads` says.
    """

    here: ClassVar[bool] = True
    """Whether candidates are estimated on this machine, whose memory is known."""
    name: str
    threads: Threads

    def __post_init__(self) -> None:
        """Raise an `OptionError` for more threads than this machine can serve: fits compute here in any case."""
        _check_bound(f"executor.threads={self.threads}", self.threads or 1)

    @abstractmethod
    def default_threads(self, *, small: bool) -> int:
        """Where none are said; `small`: images on which threads would mostly wait for each other."""

    @abstractmethod
    def check(self, device: str) -> None:
        """Raise an `OptionError` if a run on `device` cannot have this; may take seconds."""

    @abstractmethod
    def executor(self, threads: int) -> Executor:
        """The executor; it starts nothing yet."""


@dataclass(frozen=True, kw_only=True)
class Local(ExecutorOptions):
    """On this machine.

    Attributes:
        workers: processes; 1: in the run's own.
    """

    workers: Annotated[int, Field(ge=1)]

    def __post_init__(self) -> None:
        """The same for what all workers need together."""
        super().__post_init__()
        threads = "" if self.threads is None else f" with executor.threads={self.threads}"
        _check_bound(f"executor.workers={self.workers}{threads}", self.workers * (self.threads or 1))

    def default_threads(self, *, small: bool) -> int:
        """The workers share this machine's processors."""
        return 1 if small else max(1, available_threads() // self.workers)

    def check(self, device: str) -> None:
        """There is nothing that this machine could lack."""

    def executor(self, threads: int) -> Executor:
        """In this process, or in several."""
        if self.workers == 1:
            return LocalExecutor(threads)
        from nasforge.execution.local_workers import LocalWorkers

        return LocalWorkers(threads, self.workers)


@dataclass(frozen=True, kw_only=True)
class Ray(ExecutorOptions):
    """As tasks of Ray.

    Attributes:
        address: of a cluster; None: Ray on this machine alone.
        cpus, gpus: what a candidate takes of a node; None: as many processors as it has threads.
        in_flight: how many candidates may be out at once.
    """

    here: ClassVar[bool] = False
    address: str | None
    cpus: Share | None
    gpus: Share
    in_flight: Annotated[int, Field(ge=1)]

    def default_threads(self, *, small: bool) -> int:
        """Many candidates side by side gain more than one by itself."""
        return 1

    def check(self, device: str) -> None:
        """Whether Ray is installed, the cluster answers, and one of its nodes has what a candidate asks for."""
        if device.startswith("cuda") and not self.gpus:
            raise OptionError(
                f"executor.gpus=0, but this run computes on {device}: give each candidate a share of a GPU "
                "(executor.gpus=0.25), or say trainer.accelerator=cpu"
            )
        self.executor(self.threads or 1).check()

    def executor(self, threads: int) -> Any:
        """Not connected yet."""
        from nasforge.execution.ray_tasks import RayTasks

        cpus = float(threads) if self.cpus is None else self.cpus
        return RayTasks(threads, address=self.address, cpus=cpus, gpus=self.gpus, in_flight=self.in_flight)


KINDS: Mapping[str, type[ExecutorOptions]] = {"local": Local, "ray": Ray}


def executor_options(section: Mapping[str, Any]) -> ExecutorOptions:
    """What the section `executor` of a configuration says.

    Raises:
        OptionError: a key or a value is wrong.
        UnknownNameError: there is no executor of that name.
    """
    name = section.get("name")
    if not isinstance(name, str):
        raise OptionError(f"executor.name={name!r}: it must be one of {', '.join(KINDS)}")
    if name not in KINDS:
        raise unknown("executor", name, KINDS)
    return checked(KINDS[name], section, where="executor")


def _check_bound(what: str, threads: int) -> None:
    there = available_threads()
    if threads > PER_PROCESSOR * there:
        raise OptionError(
            f"{what} makes {threads} threads; this process may use {there} processor(s), which can serve "
            f"{PER_PROCESSOR} threads each, {PER_PROCESSOR * there} in all"
        )


def available_threads() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
