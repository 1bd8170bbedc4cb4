"""Estimates in another process: what is sent once, what is sent for each candidate, and what comes back.

Everything travels as pickled bytes: torch would put tensors into shared memory, which a killed process leaves behind.
"""

from __future__ import annotations

import hashlib
import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from nasforge.architecture import Architecture
from nasforge.errors import OptionError, RunError, reason
from nasforge.estimator import Context, Estimator, Weights
from nasforge.execution.executor import Answer, LocalExecutor, Work, estimates_many

Held = TypeVar("Held")
HELD = 4
"""How many bundles a worker keeps; a run has one for each estimator."""


OWN = ("seed", "epochs", "checkpoint")
"""What a context has for each candidate."""


class Bundle(NamedTuple):
    """An estimator and its context without what differs by candidate (the data may be large), named by content hash."""

    name: str
    packed: bytes


@dataclass(frozen=True)
class Task:
    """Candidates for one worker, with everything that differs from the bundle."""

    architectures: tuple[Architecture, ...]
    own: tuple[dict[str, Any], ...]
    weights: Weights | None
    device: str

    @classmethod
    def of(cls, work: Work, device: str) -> Task:
        """Return the task for a part of a run's work."""
        architectures = tuple(architecture for architecture, _ in work)
        own = tuple({name: getattr(context, name) for name in OWN} for _, context in work)
        return cls(architectures, own, work[0][1].weights, device)


class Bundles:
    """The bundles of a run, each pickled once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], tuple[Bundle, object]] = {}

    def of(self, estimator: Estimator, context: Context) -> Bundle:
        """Return the bundle of this estimator and context.

        Raises:
            OptionError: part of it cannot be pickled.
        """
        key = (id(estimator), id(context.space), id(context.data))
        if key not in self._known:
            try:
                packed = pickle.dumps((estimator, replace(context, seed=0, weights=None, epochs=None, checkpoint=None)))
            except Exception as error:
                raise OptionError(
                    f"estimator '{estimator.name}' on space '{context.space.name}' cannot be sent to other processes "
                    f"({reason(error)}); executor=local executor.workers=1 needs no other process"
                ) from error
            bundle = Bundle(hashlib.sha256(packed).hexdigest(), packed)
            self._known[key] = bundle, (estimator, context)  # kept alive, so that Python reuses no id
        return self._known[key][0]


_held: OrderedDict[str, tuple[Estimator, Context]] = OrderedDict()
"""In a worker: the bundles that it has unpickled, the latest last."""


def hold(name: str, fetch: Callable[[], bytes]) -> tuple[Estimator, Context]:
    """In a worker: return the estimator and context of a bundle, fetching it if the worker does not hold it.

    Raises:
        RunError: the bundle cannot be unpickled here.
    """
    return kept(_held, name, lambda: _unpickled(fetch()))


def kept(held: OrderedDict[str, Held], name: str, make: Callable[[], Held]) -> Held:
    """Return `held[name]`, making it if it is missing; `held` keeps only the `HELD` entries used last."""
    if name not in held:
        held[name] = make()
        while len(held) > HELD:
            held.popitem(last=False)
    held.move_to_end(name)
    return held[name]


def _unpickled(packed: bytes) -> tuple[Estimator, Context]:
    try:
        estimator, context = pickle.loads(packed)
    except Exception as error:
        raise RunError(
            f"a worker cannot unpickle the estimator, its space or its data ({reason(error)}): "
            "every machine needs the same packages; executor=local executor.workers=1 needs no other process"
        ) from error
    return estimator, context


def answers(estimator: Estimator, context: Context, task: Task) -> bytes:
    """In a worker: return the task's answers in order, pickled."""
    common = replace(context, weights=task.weights, device=task.device)
    contexts = [replace(common, **own) for own in task.own]
    work = list(zip(task.architectures, contexts, strict=True))
    answered = dict(LocalExecutor(context.threads).run(estimator, work))
    return pickle.dumps([answered[index] for index in range(len(work))])


def unpacked(packed: bytes) -> list[Answer]:
    """Unpickle the result of `answers`."""
    unpickled: list[Answer] = pickle.loads(packed)
    return unpickled


def units(estimator: Estimator, count: int, workers: int) -> list[tuple[int, ...]]:
    """Split candidates into units: one by one, or one part per worker if the estimator is cheaper on many."""
    if not estimates_many(estimator):
        return [(index,) for index in range(count)]
    size = -(-count // workers)
    return [tuple(range(start, min(start + size, count))) for start in range(0, count, size)]


def stays_here(estimator: Estimator) -> bool:
    """Return whether answers cost less to look up than to send for, as they do on tables."""
    return estimates_many(estimator) and not estimator.needs_data
