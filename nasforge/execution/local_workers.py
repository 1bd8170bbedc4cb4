"""`executor=local executor.workers=N`: estimate candidates in several processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import torch

from nasforge.errors import RunError
from nasforge.estimator import Estimator
from nasforge.execution.dispatch import WorkerLost, dispatched
from nasforge.execution.executor import Answer, Began, Executor, LocalExecutor, Work, nothing
from nasforge.execution.remote_work import Bundle, Bundles, Task, answers, hold, kept, stays_here, units, unpacked
from nasforge.stopping import held_back


class LocalWorkers(Executor):
    """Worker processes that the first estimate starts and that live as long as the run.

    Args:
        threads: CPU threads of each process.
        workers: number of processes; they are assigned to the machine's GPUs in turn.
    """

    def __init__(self, threads: int, workers: int) -> None:
        self.threads, self.workers = threads, workers
        self._pool: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._bundles = Bundles()

    def run(self, estimator: Estimator, work: Work, began: Began = nothing) -> Iterator[tuple[int, Answer]]:
        """Yield (index into `work`, answer) pairs as they arrive."""
        if not work or stays_here(estimator):
            yield from LocalExecutor(self.threads).run(estimator, work, began)
            return
        workers = self.start()

        def submit(unit: tuple[int, ...]) -> Future[list[Answer]]:
            return self.submit(estimator, [work[index] for index in unit])

        yield from dispatched(units(estimator, len(work), workers), submit, workers)

    def start(self) -> int:
        """Make the processes that are missing, and return how many there are."""
        while len(self._pool) < self.workers:
            self._pool.append(_Worker(len(self._pool)))
        self._idle = list(self._pool)
        return self.workers

    def submit(self, estimator: Estimator, work: Work, began: Began = nothing) -> Future[list[Answer]]:
        """Send `work` to an idle process; there must be one."""
        idle = self._idle
        worker = idle.pop()
        task = Task.of(work, _device(work[0][1].device, worker.number))
        return worker.submit(self._bundles.of(estimator, work[0][1]), task, finished=lambda: idle.append(worker))

    def close(self) -> None:
        """End the processes, even in the middle of an estimate."""
        for worker in self._pool:
            worker.kill()
        self._pool.clear()


class _Worker:
    """One process in a pool of its own, so that its death identifies the candidates that it was estimating."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._lost_starts = 0
        self._pool = self._started()

    def submit(self, bundle: Bundle, task: Task, finished: Callable[[], object]) -> Future[list[Answer]]:
        """Return a future of the task's answers; `finished` is called just before, once it can take another task."""
        with held_back():  # the first task starts the process, which would print a traceback if interrupted then
            for _ in range(STARTS):
                try:
                    return self._submit(bundle, task, finished)
                except BrokenProcessPool:  # the process has died
                    self._pool = self._started()
        raise RunError(_KILLED_AT_START)

    def kill(self) -> None:
        """End the process without waiting for its task, which the pool's own shutdown would do."""
        for process in list((self._pool._processes or {}).values()):
            process.kill()
        self._pool.shutdown(cancel_futures=True)  # waits: the pool must outlive its thread, as in `_submit`

    def _submit(self, bundle: Bundle, task: Task, finished: Callable[[], object]) -> Future[list[Answer]]:
        # The one process works in order, so that it drops the same bundles as we do.
        taken = kept(self._sent, bundle.name, lambda: self._pool.submit(_take, bundle))
        sent = self._pool.submit(_estimate, bundle.name, task)
        (process,) = self._pool._processes.values()
        answered: Future[list[Answer]] = Future()

        def done(future: Future[bytes]) -> None:
            # In the pool's thread, which may hold the pool's lock (Python 3.13): the last reference to a pool takes
            # that lock when it goes, so `submit` and `kill` replace or end a broken pool, never this function.
            if future.cancelled():  # `kill` was called before the task started
                answered.cancel()
                return
            broken = isinstance(future.exception(), BrokenProcessPool)
            finished()
            not_taken = taken.exception()
            if broken:
                process.join(GRACE)
                answered.set_exception(self._lost(process.exitcode or 0, started=not not_taken))
            elif not_taken:
                answered.set_exception(not_taken)
            else:
                self._lost_starts = 0
                _pass_on(future, answered)

        sent.add_done_callback(done)
        return answered

    def _lost(self, status: int, *, started: bool) -> Exception:
        """Return the error for the candidates of a process that died, after it started or while it did."""
        if started:
            self._lost_starts = 0
            return WorkerLost(f"its process ended {_cause(status)}")
        self._lost_starts += 1
        if status >= 0:
            return RunError(_NO_START.format(cause=_cause(status)))
        if self._lost_starts >= STARTS:
            return RunError(_KILLED_AT_START)
        return WorkerLost(f"its process ended {_cause(status)} while it started", blameless=True)

    def _started(self) -> ProcessPoolExecutor:
        """Return a pool of one process, which starts with its first task."""
        self._sent: OrderedDict[str, Future[None]] = OrderedDict()
        _name_a_start_method()
        spawn = multiprocessing.get_context("spawn")  # a fork of a process in which torch has threads may hang
        return ProcessPoolExecutor(1, spawn, initializer=_begin)


STARTS = 5
"""The run stops after a worker was killed this many times in a row while it started."""
GRACE = 5.0
"""Seconds to wait for the end of a process that has closed its pipes."""
_NO_START = (
    "a worker process ended {cause} while it started; what it printed says why. A script that searches with "
    "executor.workers above 1 must do so inside `if __name__ == '__main__':`, since its workers import it again"
)
_KILLED_AT_START = (
    f"worker processes were killed {STARTS} times in a row while they started, as the system does when memory runs "
    "out; continue with `nasforge resume` and a smaller executor.workers"
)


def _cause(status: int) -> str:
    """Describe how a process ended, from its exit status, which is negative for a signal."""
    if status >= 0:
        return f"with status {status}"
    name = next((known.name for known in signal.Signals if known == -status), f"signal {-status}")
    return f"by {name}, as when the system kills it" if name == "SIGKILL" else f"by {name}"


def _name_a_start_method() -> None:
    """Set a standard start method: a child inherits it, and dies if another package added it (joblib's loky)."""
    if multiprocessing.get_start_method(allow_none=True) not in (None, *multiprocessing.get_all_start_methods()):
        multiprocessing.set_start_method("spawn", force=True)


def _pass_on(future: Future[bytes], answered: Future[list[Answer]]) -> None:
    if error := future.exception():
        answered.set_exception(error)
    else:
        answered.set_result(unpacked(future.result()))


def _device(device: str, number: int) -> str:
    return f"cuda:{number % torch.cuda.device_count()}" if device.startswith("cuda") else device


def _begin() -> None:
    """In a worker: leave Ctrl-C to the run's own process, and end when that process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _take(bundle: Bundle) -> None:
    """In a worker: load a bundle."""
    hold(bundle.name, lambda: bundle.packed)


def _estimate(name: str, task: Task) -> bytes:
    """In a worker: estimate a task's candidates."""
    estimator, context = hold(name, _gone)
    return answers(estimator, context, task)


def _gone() -> bytes:
    raise LookupError("the bundle of this task is no longer held")
