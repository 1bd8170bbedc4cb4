"""Executors estimate candidates. A candidate that fails becomes an answer with its reason, never a crash."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from operator import itemgetter

import torch
from torch import Tensor

from nasforge.architecture import Architecture, Metrics, Status
from nasforge.errors import on_one_line, out_of_memory, out_of_room, reason, text_of
from nasforge.estimator import Context, Estimate, Estimator, Infeasible
from nasforge.randomness import isolated
from nasforge.registry.guests import STOPS


@dataclass(frozen=True)
class Answer:
    """The outcome of one estimate.

    Attributes:
        reason: why the status is not `ok`; if it is `ok`, the estimate's flag.
        machine: whether the machine caused the failure (memory, disk), so that resuming tries the candidate again.
    """

    metrics: Metrics
    status: Status
    reason: str
    seconds: float
    tensors: Mapping[str, Tensor] | None = None
    machine: bool = False
    checkpoint: bytes | None = None


Work = Sequence[tuple[Architecture, Context]]
"""Candidates, each with everything that its estimate may read; the contexts differ only in seeds, epochs and
checkpoints."""


Began = Callable[[Work], object]


def nothing(work: Work) -> None:
    """Ignore the candidates that are about to be estimated."""


class Executor(ABC):
    """Decides where candidates are estimated and how many at a time, which must not change any answer.

    Attributes:
        threads: CPU threads for each estimate.
    """

    threads: int

    @abstractmethod
    def run(self, estimator: Estimator, work: Work, began: Began = nothing) -> Iterator[tuple[int, Answer]]:
        """Yield (index into `work`, answer) pairs as they arrive.

        Args:
            began: called with the candidates that this process itself is about to estimate, one or several together.
        """

    def start(self) -> int:
        """Get ready for `submit`, and return how many candidates can be estimated at once."""
        return 1

    def submit(self, estimator: Estimator, work: Work, began: Began = nothing) -> Future[list[Answer]]:
        """Return the answers for `work`, in order, once they are known; call `start` before the first `submit`."""
        return done([answer for _, answer in sorted(self.run(estimator, work, began), key=itemgetter(0))])

    def close(self) -> None:  # noqa: B027  # an executor that starts no process has none to end
        """End the processes that were started."""


def done(answers: list[Answer]) -> Future[list[Answer]]:
    """Return a future of answers that are known."""
    future: Future[list[Answer]] = Future()
    future.set_result(answers)
    return future


class LocalExecutor(Executor):
    """Estimates candidates in this process: together if the estimator can do so at less cost, else one by one."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def run(self, estimator: Estimator, work: Work, began: Began = nothing) -> Iterator[tuple[int, Answer]]:
        """Yield (index into `work`, answer) pairs as they arrive."""
        torch.set_num_threads(self.threads)
        remaining = list(range(len(work)))
        if estimates_many(estimator) and len(work) > 1:
            began(work)
            if together := _together(estimator, work):
                yield from enumerate(together)
                remaining = []
        for index in remaining:
            architecture, context = work[index]
            began([work[index]])
            yield index, _contained(estimator, architecture, context)


def estimates_many(estimator: Estimator) -> bool:
    """Return whether estimating many architectures in one call costs less."""
    return type(estimator).estimate_many is not Estimator.estimate_many


def _together(estimator: Estimator, work: Work) -> list[Answer] | None:
    """Return all answers of one `estimate_many` call; None if it raised, so that each candidate is tried alone."""
    start = time.perf_counter()
    context = work[0][1]
    try:
        with _seeded(estimator, context.seed):
            estimates = list(estimator.estimate_many([architecture for architecture, _ in work], context))
        share = (time.perf_counter() - start) / len(work)
        if len(estimates) != len(work):
            counts = f"estimate_many() returned {len(estimates)} answers for {len(work)} architectures"
            return [Answer({}, "failed", f"{counts}: it must return one for each, in order", share) for _ in work]
        return [_answer(estimator, estimate, share) for estimate in estimates]
    except STOPS:
        raise
    except BaseException:
        return None


def _seeded(estimator: Estimator, seed: int) -> AbstractContextManager[None]:
    return isolated(seed) if estimator.draws else nullcontext()


def _contained(estimator: Estimator, architecture: Architecture, context: Context) -> Answer:
    start = time.perf_counter()
    try:
        with _seeded(estimator, context.seed):
            estimate = estimator.estimate(architecture, context)
        return _answer(estimator, estimate, time.perf_counter() - start)
    except STOPS:
        raise
    except Infeasible as constraint:
        return Answer({}, "infeasible", text_of(constraint), time.perf_counter() - start)
    except BaseException as error:  # neither sys.exit() nor any other `BaseException` of a plug-in ends the search
        no_memory = out_of_memory(error)
        message = f"out of memory: {text_of(error)}" if no_memory else reason(error)
        return Answer({}, "failed", message, time.perf_counter() - start, machine=no_memory or out_of_room(error))


def _answer(estimator: Estimator, estimate: Estimate, seconds: float) -> Answer:
    if problem := _misshapen(estimate):
        return Answer({}, "failed", problem, seconds)
    metrics = {name: float(value) for name, value in estimate.metrics.items()}
    declared = {objective.metric for objective in estimator.objectives}
    if mismatched := sorted(declared ^ set(metrics)):
        reason = f"the metrics of estimator '{estimator.name}' and its objectives differ in {', '.join(mismatched)}"
        return Answer({}, "failed", reason, seconds)
    if broken := [name for name, value in metrics.items() if not math.isfinite(value)]:
        return Answer({}, "failed", f"{', '.join(broken)} is not a finite number", seconds)
    return Answer(metrics, "ok", on_one_line(estimate.flag), seconds, estimate.tensors, checkpoint=estimate.checkpoint)


def _misshapen(estimate: object) -> str:
    """Return what is wrong with the type of an estimator's return value; empty if nothing is."""
    if not isinstance(estimate, Estimate):
        return f"estimate() must return Estimate({{...}}), not {_article(estimate)}"
    if not isinstance(estimate.metrics, Mapping):
        return f"Estimate() takes metrics by name, for example {{'accuracy': 0.9}}, not {_article(estimate.metrics)}"
    for name, value in estimate.metrics.items():
        if not isinstance(name, str):
            return f"a metric's name must be text, not {_article(name)}: {name!r}"
        try:
            float(value)
        except (TypeError, ValueError, RuntimeError):  # torch raises the last for a tensor with several elements
            return f"metric '{name}' must be a number, not {_article(value)}"
    if not isinstance(estimate.flag, str):
        return f"the flag of an Estimate must be text, not {_article(estimate.flag)}"
    tensors = {} if estimate.tensors is None else estimate.tensors
    if not isinstance(tensors, Mapping) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        return "the tensors of an Estimate must be torch tensors by name, or None"
    if not isinstance(estimate.checkpoint, bytes | None):
        return f"the checkpoint of an Estimate must be bytes, or None, not {_article(estimate.checkpoint)}"
    return ""


def _article(value: object) -> str:
    """Return the value's type with its article: `a dict`, `an int`, `None`."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
