"""What estimators predicted of the found architecture, and what measuring it gave."""

from __future__ import annotations

from dataclasses import asdict, replace

from nasforge.architecture import Architecture, Constraint
from nasforge.journal.journal import digest
from nasforge.result import Promise
from nasforge.run.run import Run


def kept_promises(run: Run, architecture: Architecture) -> list[Promise]:
    """Measure what the run's estimators predict, unless an earlier start has measured it."""
    promises: list[Promise] = []
    for estimator in run.estimators:
        key = digest([estimator.name, estimator.fingerprint, architecture.to_json()])
        line = run.journal.find("promises", key)
        if line is None:
            measured = [asdict(promise) for promise in estimator.verify(architecture, run.space)]
            if not measured:
                continue
            line = run.journal.write("promises", key, sync=True, promises=measured)
        promises += [_judged(Promise(**promise), run.constraints) for promise in line["promises"]]
    return promises


def _judged(promise: Promise, constraints: tuple[Constraint, ...]) -> Promise:
    """Return a promise that names the constraint that its measured value violates."""
    value = {} if promise.measured is None else {promise.metric: promise.measured}
    broken = [bound for bound in constraints if bound.metric in value and bound.violation(value)]
    return replace(promise, breaks=str(broken[0])) if broken else promise
