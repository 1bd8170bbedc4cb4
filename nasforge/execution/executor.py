"""Where candidates are estimated. A candidate that fails becomes an answer with its reason, never a crash."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nasforge.architecture import Architecture, Metrics, Status
from nasforge.errors import on_one_line, out_of_memory, out_of_room, reason, text_of
from nasforge.estimator import Context, Estimate, Estimator, Infeasible
from nasforge.randomness import isolated
from nasforge.registry.guests import STOPS


@dataclass(frozen=True)
class Answer:
    """What came of one estimate.

    Attributes:
        reason: why it is not `ok`; on one that is, the estimate's flag.
        machine: whether a failure was the machine's (memory, disk), to be tried again on resume, not the candidate's.
    """

    metrics: Metrics
    status: Status
    reason: str
    seconds: float
    tensors: Mapping[str, Tensor] | None = None
    machine: bool = False


Work = Sequence[tuple[Architecture, Context]]
"""Candidates, each with all that its estimate may read; contexts differ in their seeds alone."""


Began = Callable[[Work], object]


def nothing(work: Work) -> None:
    """What is told to nobody."""


class Executor(ABC):
    """Where and how many at a time. What comes of a candidate must not depend on it.

    Attributes:
        threads: CPU threads of every estimate.
    """

    threads: int

    @abstractmethod
    def run(self, estimator: Estimator, work: Work, began: Began = nothing) -> Iterator[tuple[int, Answer]]:
        """(index into `work`, answer) as they come.

        Args:
            began: told of the candidates that this process itself is about to estimate, one or several together.
        """

    def close(self) -> None:  # noqa: B027  # one that starts nothing has nothing to end
        """End what was started."""


class LocalExecutor(Executor):
    """Estimates in this process, one after the other; together where the estimator can do that cheaper."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def run(self, estimator: Estimator, work: Work, began: Began = nothing) -> Iterator[tuple[int, Answer]]:
        """(index into `work`, answer) as they come."""
        torch.set_num_threads(self.threads)
        rest = list(range(len(work)))
        if estimates_many(estimator) and len(work) > 1:
            began(work)
            if together := _together(estimator, work):
                yield from enumerate(together)
                rest = []
        for index in rest:
            architecture, context = work[index]
            began([work[index]])
            yield index, _contained(estimator, architecture, context)


def estimates_many(estimator: Estimator) -> bool:
    """Whether many at once are cheaper."""
    return type(estimator).estimate_many is not Estimator.estimate_many


def _together(estimator: Estimator, work: Work) -> list[Answer] | None:
    """All answers of one `estimate_many` call; None if it raised, so that each is tried alone."""
    start = time.perf_counter()
    context = work[0][1]
    try:
        with isolated(context.seed):
            estimates = list(estimator.estimate_many([architecture for architecture, _ in work], context))
        share = (time.perf_counter() - start) / len(work)
        if len(estimates) != len(work):
            given = f"estimate_many() gave {len(estimates)} answers for {len(work)} architectures"
            return [Answer({}, "failed", f"{given}: it must give one for each, in order", share) for _ in work]
        return [_answer(estimator, estimate, share) for estimate in estimates]
    except STOPS:
        raise
    except BaseException:
        return None


def _contained(estimator: Estimator, architecture: Architecture, context: Context) -> Answer:
    start = time.perf_counter()
    try:
        with isolated(context.seed):
            estimate = estimator.estimate(architecture, context)
        return _answer(estimator, estimate, time.perf_counter() - start)
    except STOPS:
        raise
    except Infeasible as constraint:
        return Answer({}, "infeasible", text_of(constraint), time.perf_counter() - start)
    except BaseException as error:  # a script's sys.exit() ends no search, nor does what is no `Exception` at all
        no_memory = out_of_memory(error)
        said = f"out of memory: {text_of(error)}" if no_memory else reason(error)
        return Answer({}, "failed", said, time.perf_counter() - start, machine=no_memory or out_of_room(error))


def _answer(estimator: Estimator, estimate: Estimate, seconds: float) -> Answer:
    if said := _misshapen(estimate):
        return Answer({}, "failed", said, seconds)
    metrics = {name: float(value) for name, value in estimate.metrics.items()}
    named = {objective.metric for objective in estimator.objectives}
    if missing := sorted(named ^ set(metrics)):
        reason = f"estimator '{estimator.name}' and its objectives disagree on {', '.join(missing)}"
        return Answer({}, "failed", reason, seconds)
    if broken := [name for name, value in metrics.items() if not math.isfinite(value)]:
        return Answer({}, "failed", f"{', '.join(broken)} is not a finite number", seconds)
    return Answer(metrics, "ok", on_one_line(estimate.flag), seconds, estimate.tensors)


def _misshapen(estimate: object) -> str:
    """What is wrong with the form of what an estimator returned; empty if nothing is."""
    if not isinstance(estimate, Estimate):
        return f"estimate() must return Estimate({{...}}), not {_article(estimate)}"
    if not isinstance(estimate.metrics, Mapping):
        return f"Estimate() takes metrics by name, {{'accuracy': 0.9}} say, not {_article(estimate.metrics)}"
    for name, value in estimate.metrics.items():
        if not isinstance(name, str):
            return f"a metric's name must be text, not {_article(name)}: {name!r}"
        try:
            float(value)
        except (TypeError, ValueError, RuntimeError):  # the last is torch's, of tensors with several elements
            return f"metric '{name}' must be a number, not {_article(value)}"
    if not isinstance(estimate.flag, str):
        return f"the flag of an Estimate must be text, not {_article(estimate.flag)}"
    kept = {} if estimate.tensors is None else estimate.tensors
    if not isinstance(kept, Mapping) or not all(isinstance(one, Tensor) for one in kept.values()):
        return "the tensors of an Estimate must be torch tensors by name, or None"
    return ""


def _article(value: object) -> str:
    """`a dict`, `an int`, `None`."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
