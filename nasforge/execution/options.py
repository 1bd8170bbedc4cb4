"""The options in `conf/executor/`, which are checked before any data is read."""

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
"""How many threads may share a processor. More threads only wait for each other; thousands stall the machine."""


@dataclass(frozen=True, kw_only=True)
class ExecutorOptions(ABC):
    """Options of every executor.

    Attributes:
        name: name of the executor.
        threads: CPU threads for each fit and estimate; None: the number from `default_threads`.
    """

    here: ClassVar[bool] = True
    """Whether candidates are estimated on this machine, whose memory is known."""
    name: str
    threads: Threads

    def __post_init__(self) -> None:
        """Raise an `OptionError` for more threads than this machine can serve: all fits run on it."""
        _check_bound(f"executor.threads={self.threads}", self.threads or 1)

    @abstractmethod
    def default_threads(self, *, small: bool) -> int:
        """Return the number of threads if none is given; `small` images keep threads waiting for each other."""

    @abstractmethod
    def check(self, device: str) -> None:
        """Raise an `OptionError` if a run on `device` cannot use this executor; may take seconds."""

    @abstractmethod
    def executor(self, threads: int) -> Executor:
        """Return the executor, which has not started any process yet."""


@dataclass(frozen=True, kw_only=True)
class Local(ExecutorOptions):
    """Estimate on this machine.

    Attributes:
        workers: number of processes; 1: the run's own process.
    """

    workers: Annotated[int, Field(ge=1)]

    def __post_init__(self) -> None:
        """Apply the same check to the threads of all workers together."""
        super().__post_init__()
        threads = "" if self.threads is None else f" with executor.threads={self.threads}"
        _check_bound(f"executor.workers={self.workers}{threads}", self.workers * (self.threads or 1))

    def default_threads(self, *, small: bool) -> int:
        """Divide this machine's processors among the workers."""
        return 1 if small else max(1, available_threads() // self.workers)

    def check(self, device: str) -> None:
        """Do nothing: any machine can run it."""

    def executor(self, threads: int) -> Executor:
        """Return the executor for one process or for several."""
        if self.workers == 1:
            return LocalExecutor(threads)
        from nasforge.execution.local_workers import LocalWorkers

        return LocalWorkers(threads, self.workers)


@dataclass(frozen=True, kw_only=True)
class Ray(ExecutorOptions):
    """Estimate in Ray tasks.

    Attributes:
        address: address of a cluster; None: run Ray on this machine only.
        cpus, gpus: resources that a candidate needs on a node; cpus None: one processor per thread.
        in_flight: how many candidates may be submitted at once.
    """

    here: ClassVar[bool] = False
    address: str | None
    cpus: Share | None
    gpus: Share
    in_flight: Annotated[int, Field(ge=1)]

    def default_threads(self, *, small: bool) -> int:
        """Return 1: many candidates side by side gain more than one candidate with many threads."""
        return 1

    def check(self, device: str) -> None:
        """Check that Ray is installed, the cluster answers, and some node has the resources of a candidate."""
        if device.startswith("cuda") and not self.gpus:
            raise OptionError(
                f"executor.gpus=0, but this run computes on {device}: give each candidate a share of a GPU "
                "(executor.gpus=0.25), or set trainer.accelerator=cpu"
            )
        self.executor(self.threads or 1).check()

    def executor(self, threads: int) -> Any:
        """Return the executor, not connected yet."""
        from nasforge.execution.ray_tasks import RayTasks

        cpus = float(threads) if self.cpus is None else self.cpus
        return RayTasks(threads, address=self.address, cpus=cpus, gpus=self.gpus, in_flight=self.in_flight)


KINDS: Mapping[str, type[ExecutorOptions]] = {"local": Local, "ray": Ray}


def executor_options(section: Mapping[str, Any]) -> ExecutorOptions:
    """Read the section `executor` of a configuration.

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
    processors = available_threads()
    if threads > PER_PROCESSOR * processors:
        raise OptionError(
            f"{what} makes {threads} threads; this process may use {processors} processor(s), which can serve "
            f"{PER_PROCESSOR} threads each, {PER_PROCESSOR * processors} in all"
        )


def available_threads() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
