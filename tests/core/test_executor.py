"""A candidate that fails becomes an evaluation with its reason, and the search goes on; nothing is computed twice."""

import numpy as np
import pytest
import torch

from nasforge import (
    AbilityError,
    Architecture,
    Context,
    Estimate,
    Estimator,
    Infeasible,
    Objective,
)
from nasforge.estimates import Estimates
from nasforge.executor import LocalExecutor
from nasforge.journal import Journal
from nasforge.progress import Progress


class Scripted(Estimator):
    name = "scripted"
    objectives = (Objective("value", "max"),)

    def __init__(self):
        self.calls = []

    def estimate(self, architecture, context):
        behaviour = architecture["behaviour"]
        self.calls.append(behaviour)
        if behaviour == "raise":
            raise ValueError("no such layer")
        if behaviour == "memory":
            raise MemoryError("17 GB")
        if behaviour == "infeasible":
            raise Infeasible("params_m<=1.0 is broken")
        if behaviour == "random":
            return Estimate({"value": torch.rand(()).item()})
        if behaviour == "unnamed":
            return Estimate({"something": 1.0})
        if behaviour == "flagged":
            return Estimate({"value": -1e8}, flag="value is its worst value: it has no layer")
        return Estimate({"value": float(behaviour)})


class Another(Scripted):
    name = "another"


class Needy(Scripted):
    name = "needy"
    needs_weights = True


class Fingerprinted:
    fingerprint = "images"


def candidate(behaviour):
    return Architecture.of("toy", {"behaviour": behaviour}, behaviour)


def context(seed=0):
    return Context(space=None, data=Fingerprinted(), device="cpu", threads=1, seed=seed)


@pytest.fixture
def opened(tmp_path):
    journals = []

    def open_(*estimators):
        for journal in journals:
            journal.close()
        journals.append(Journal(tmp_path))
        return Estimates(tmp_path, journals[-1], estimators, LocalExecutor(1), Progress())

    return open_


def test_failures_are_contained_and_reasons_kept(opened):
    asked = [candidate(one) for one in ("1", "raise", "nan", "infeasible", "memory", "unnamed", "2")]
    found = opened(Scripted()).of(asked, context())
    assert [one.architecture for one in found] == asked
    assert [one.status for one in found] == ["ok", "failed", "failed", "infeasible", "failed", "failed", "ok"]
    assert found[1].reason == "ValueError: no such layer"
    assert found[2].reason == "value is not a finite number"
    assert found[3].reason == "params_m<=1.0 is broken"
    assert found[4].reason == "out of memory: 17 GB"
    assert "'scripted' and its objectives disagree on something, value" in found[5].reason


def test_a_flag_is_the_reason_of_an_evaluation_that_may_be_used_now_and_after_a_restart(opened):
    for _ in range(2):
        plain, flagged = opened(Scripted()).of([candidate("1"), candidate("flagged")], context())
        assert (plain.ok, plain.reason) == (True, "")
        assert (flagged.ok, flagged.metrics) == (True, {"value": -1e8})
        assert flagged.reason == "value is its worst value: it has no layer"


def test_each_distinct_candidate_is_computed_once_now_and_after_a_restart(opened):
    estimator = Scripted()
    first = opened(estimator).of([candidate("1"), candidate("random"), candidate("1")], context())
    assert estimator.calls == ["1", "random"]
    again = opened(estimator).of([candidate("random"), candidate("1"), candidate("3")], context())
    assert estimator.calls == ["1", "random", "3"]
    assert again[0] == first[1]
    assert opened(estimator).of([candidate("1")], context(seed=1))[0].seed == 1
    assert estimator.calls[-1] == "1"


def test_failures_of_the_machine_are_tried_again_and_those_of_the_candidate_are_kept(opened):
    estimator = Scripted()
    opened(estimator).of([candidate("memory"), candidate("raise")], context())
    opened(estimator).of([candidate("memory"), candidate("raise")], context())
    assert estimator.calls == ["memory", "raise", "memory"]


def test_estimates_draw_from_their_own_seed_and_leave_the_global_generators_alone(opened):
    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1]
    (value,) = opened(Scripted()).of([candidate("random")], context())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert value.metrics["value"] != torch.rand(()).item()


def test_an_estimator_without_its_weights_is_an_error_and_no_failed_candidate(opened):
    with pytest.raises(AbilityError, match="'needy' scores with shared weights, and this strategy trains none"):
        opened(Needy()).of([candidate("1")], context())
