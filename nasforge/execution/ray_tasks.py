"""`executor=ray`: estimate each candidate in a Ray task with its share of a machine, here or on a cluster."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from nasforge.errors import OptionError, RunError, text_of
from nasforge.estimator import Estimator
from nasforge.execution.dispatch import WorkerLost, dispatched
from nasforge.execution.executor import Answer, Began, Executor, LocalExecutor, Work, nothing
from nasforge.execution.ray_address import probe
from nasforge.execution.remote_work import Bundle, Bundles, Task, answers, hold, stays_here, units, unpacked
from nasforge.stopping import held_back


class RayTasks(Executor):
    """Estimates candidates in Ray tasks. Ray itself never retries one: `dispatch` alone handles lost workers.

    Args:
        threads: CPU threads of each task.
        address: address of a cluster, HOST:PORT or ray://HOST:PORT; None: run Ray on this machine only.
        cpus: processors for each candidate.
        gpus: share of a GPU for each candidate.
        in_flight: how many tasks may be submitted at once; more than the cluster can run, so that no worker waits.
    """

    def __init__(self, threads: int, *, address: str | None, cpus: float, gpus: float, in_flight: int) -> None:
        self.threads, self.address, self.cpus, self.gpus, self.in_flight = threads, address, cpus, gpus, in_flight
        self._ray = imported_ray()
        self._bundles = Bundles()
        self._refs: dict[str, Any] = {}
        self._starter: ThreadPoolExecutor | None = None
        self._connected = False

    def run(self, estimator: Estimator, work: Work, began: Began = nothing) -> Iterator[tuple[int, Answer]]:
        """Yield (index into `work`, answer) pairs as they arrive."""
        if not work or stays_here(estimator):
            yield from LocalExecutor(self.threads).run(estimator, work, began)
            return
        workers = self.start()

        def submit(unit: tuple[int, ...]) -> Future[list[Answer]]:
            return self.submit(estimator, [work[index] for index in unit])

        yield from dispatched(units(estimator, len(work), workers), submit, self.in_flight)

    def start(self) -> int:
        """Start Ray or join the cluster, and return for how many candidates it has processors."""
        self.connect()
        return max(1, int(self._ray.cluster_resources().get("CPU", 1) / max(self.cpus, 1e-3)))

    def submit(self, estimator: Estimator, work: Work, began: Began = nothing) -> Future[list[Answer]]:
        """Submit `work` as one task."""
        device = "cuda:0" if self.gpus else work[0][1].device  # Ray hides all GPUs but the task's own
        return self._sent(self._bundles.of(estimator, work[0][1]), Task.of(work, device))

    def connect(self) -> None:
        """Start Ray, or join the cluster.

        Raises:
            OptionError: nothing answers at the address, or no node has the resources for a candidate.
        """
        if self._connected:
            return
        if self.address is not None:
            probe(self.address)
        if not self._ray.is_initialized():  # a script may have started Ray itself
            self._start()
        self._check_resources()
        self._connected = True

    def _start(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # otherwise Ray warns on each start
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self.address is None:
            options["include_dashboard"] = False
        # In the main thread Ray would replace our SIGTERM handler, which ends a run in order. The thread that starts
        # Ray must outlive it: Ray's processes are killed when that thread ends.
        self._starter = ThreadPoolExecutor(1)
        try:
            with _path_for_workers(), held_back():
                self._starter.submit(self._ray.init, address=self.address or "local", **options).result()
        except ConnectionError as error:
            raise OptionError(f"executor.address={self.address}: {text_of(error)}") from error

    def check(self) -> None:
        """Check that candidates can run; on this machine that does not need Ray to start.

        Raises:
            OptionError: see `connect`.
        """
        if self.address is not None or self._ray.is_initialized():
            self.connect()
        else:
            self._require({"CPU": float(os.cpu_count() or 1), "GPU": float(torch.cuda.device_count())}, "this machine")

    def close(self) -> None:
        """Stop Ray if `connect` started it."""
        if self._starter:
            self._ray.shutdown()
            self._starter.shutdown()
        self._starter, self._connected = None, False
        self._refs.clear()

    @cached_property
    def _remote(self) -> Any:
        return self._ray.remote(max_retries=0, num_cpus=self.cpus, num_gpus=self.gpus)(_estimate)

    def _check_resources(self) -> None:
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        most = {key: max((node.get(key, 0.0) for node in nodes), default=0.0) for key in ("CPU", "GPU")}
        self._require(most, "the largest node of this Ray cluster")

    def _require(self, most: Mapping[str, float], where: str) -> None:
        for option, key, wanted in (("cpus", "CPU", self.cpus), ("gpus", "GPU", self.gpus)):
            if wanted > most[key]:
                raise OptionError(
                    f"executor.{option}={wanted:g}: {where} has {most[key]:g} {key}s, so no candidate could ever run"
                )

    def _sent(self, bundle: Bundle, task: Task) -> Future[list[Answer]]:
        if bundle.name not in self._refs:
            self._refs[bundle.name] = self._ray.put(bundle.packed)
        # In a list, a reference is not fetched for every task: each worker fetches it once.
        sent = self._remote.remote(bundle.name, [self._refs[bundle.name]], task).future()
        answered: Future[list[Answer]] = Future()
        sent.add_done_callback(partial(_pass_on, self._ray.exceptions, answered))
        return answered


@contextmanager
def _path_for_workers() -> Iterator[None]:
    """Let the workers on this machine import everything that this process can import."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


def imported_ray() -> Any:
    """Import and return Ray; if it is missing, an `OptionError` says how to install it."""
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise OptionError(f"executor=ray needs the package ray ({error}): pip install 'nasforge[ray]'") from error
    return ray


def _pass_on(exceptions: Any, answered: Future[list[Answer]], sent: Future[bytes]) -> None:
    error = sent.exception()
    if error is None:
        answered.set_result(unpacked(sent.result()))
    elif isinstance(error, exceptions.OutOfMemoryError | exceptions.NodeDiedError):
        answered.set_exception(WorkerLost(text_of(error), blameless=True))
    elif isinstance(error, exceptions.WorkerCrashedError):
        answered.set_exception(WorkerLost("its process ended at once, as when the system kills it"))
    elif isinstance(cause := getattr(error, "cause", None), RunError):
        answered.set_exception(cause)
    elif isinstance(cause, ImportError | AttributeError):
        answered.set_exception(RunError(f"a Ray worker cannot load a candidate ({cause}): install the same packages"))
    else:
        answered.set_exception(error)


def _estimate(name: str, reference: list[Any], task: Task) -> bytes:
    """In a worker: estimate a task's candidates."""
    import ray

    if task.weights is not None and not Path(task.weights.path).exists():
        message = (
            f"{task.weights.path} is not visible on {socket.gethostname()}: "
            "the run's folder must be on a file system that all nodes of the cluster share"
        )
        return pickle.dumps([Answer({}, "failed", message, 0.0, machine=True)] * len(task.architectures))
    estimator, context = hold(name, lambda: ray.get(reference[0]))
    return answers(estimator, context, task)
