"""A candidate that fails becomes an evaluation with its reason, and the search goes on; nothing is computed twice."""

import errno
import os

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from nasforge import (
    AbilityError,
    Architecture,
    Context,
    Estimate,
    Estimator,
    Infeasible,
    Objective,
    RunError,
)
from nasforge.errors import LONGEST
from nasforge.execution.executor import LocalExecutor
from nasforge.journal.journal import Journal
from nasforge.run.estimates import Estimates
from nasforge.run.progress import Progress
from nasforge.stopping import Interrupted


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
        if behaviour == "exit":
            raise SystemExit(3)
        if behaviour == "unnamed":
            return Estimate({"something": 1.0})
        if behaviour == "flagged":
            return Estimate({"value": -1e8}, flag="value is its worst value: it has no layer")
        return Estimate({"value": float(behaviour)})


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError("no words")


class Beyond(BaseException):
    """No `Exception`, as the skips of pytest are not."""


class Raising(Scripted):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def estimate(self, architecture, context):
        self.calls.append(architecture["behaviour"])
        raise self.error


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
    asked = [candidate(gene) for gene in ("1", "raise", "nan", "infeasible", "memory", "unnamed", "2", "exit")]
    found = opened(Scripted()).of(asked, context())
    assert [evaluation.architecture for evaluation in found] == asked
    states = ["ok", "failed", "failed", "infeasible", "failed", "failed", "ok", "failed"]
    assert [evaluation.status for evaluation in found] == states
    assert found[1].reason == "ValueError: no such layer"
    assert found[2].reason == "value is not a finite number"
    assert found[3].reason == "params_m<=1.0 is broken"
    assert found[4].reason == "out of memory: 17 GB"
    assert "the metrics of estimator 'scripted' and its objectives differ in something, value" in found[5].reason
    assert found[7].reason == "SystemExit: 3"


class Returning(Scripted):
    """Whatever it is told to."""

    def __init__(self, given):
        self.given = given

    def estimate(self, architecture, context):
        return self.given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"value": 1.0}, "estimate() must return Estimate({...}), not a dict"),
        (0.5, "estimate() must return Estimate({...}), not a float"),
        (None, "estimate() must return Estimate({...}), not None"),
        (Estimate(0.5), "Estimate() takes metrics by name, for example {'accuracy': 0.9}, not a float"),
        (Estimate({"value": None}), "metric 'value' must be a number, not None"),
        (Estimate({"value": "good"}), "metric 'value' must be a number, not a str"),
        (Estimate({"value": torch.ones(2)}), "metric 'value' must be a number, not a Tensor"),
        (Estimate({0: 1.0}), "a metric's name must be text, not an int: 0"),
        (
            Estimate({"value": 1.0}, [torch.ones(2)]),
            "the tensors of an Estimate must be torch tensors by name, or None",
        ),
        (Estimate({"value": 1.0}, flag=None), "the flag of an Estimate must be text, not None"),
        (Estimate({"value": 1.0}, {"w": [1.0]}), "the tensors of an Estimate must be torch tensors by name, or None"),
    ],
)
def test_what_is_no_estimate_is_a_failure_too(opened, given, said):
    (found,) = opened(Returning(given)).of([candidate("1")], context())
    assert (found.status, found.reason) == ("failed", said)


def test_tensors_are_kept_however_they_lie_in_memory(opened, tmp_path):
    kept = torch.arange(6.0).view(2, 3).T
    (found,) = opened(Returning(Estimate({"value": 1.0}, {"w": kept}))).of([candidate("1")], context())
    assert torch.equal(load_file(tmp_path / found.weights)["w"], kept)


@pytest.mark.parametrize("harm", ["altered", "missing"])
def test_tensors_that_are_no_longer_what_was_kept_are_refused(opened, tmp_path, harm):
    estimates = opened(Returning(Estimate({"value": 1.0}, {"w": torch.ones(4)})))
    (found,) = estimates.of([candidate("1")], context())
    assert torch.equal(estimates.tensors(found.weights)["w"], torch.ones(4))
    path = tmp_path / found.weights
    path.unlink() if harm == "missing" else save_file({"w": torch.zeros(4)}, path)
    with pytest.raises(
        RunError, match=r"(is missing|was altered): line 1 of .*journal.jsonl refers to it\. Restore it"
    ):
        estimates.tensors(found.weights)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Beyond("away"), "Beyond: away"),
        (GeneratorExit(), "GeneratorExit"),
        (Unspeakable(), "Unspeakable"),
        (AssertionError(), "AssertionError at 'raise self.error'"),
        (ValueError("word " * 2_000_000), f"ValueError: {('word ' * (LONGEST // 5))}... (10000000 characters)"),
    ],
)
def test_whatever_a_candidate_raises_is_one_failure_with_a_short_reason(opened, error, said):
    (found,) = opened(Raising(error)).of([candidate("1")], context())
    assert (found.status, found.reason) == ("failed", said)


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Interrupted(2)])
def test_stop_signals_are_no_failures(opened, stop):
    with pytest.raises(type(stop)):
        opened(Raising(stop)).of([candidate("1")], context())


def test_a_long_flag_is_cut(opened):
    (found,) = opened(Returning(Estimate({"value": 1.0}, flag="x" * 10_000_000))).of([candidate("1")], context())
    assert (found.ok, len(found.reason)) == (True, LONGEST + 25)


def larger_than_any_memory(kind):
    """The error of a library that was asked for 10^15 bytes."""
    try:
        return torch.empty(10**15, dtype=torch.uint8) if kind == "torch" else np.empty(10**15, dtype=np.uint8)
    except (RuntimeError, MemoryError) as error:
        return error


def wrapped(error):
    try:
        raise ValueError("this network cannot be built") from error
    except ValueError as outer:
        return outer


@pytest.mark.parametrize(
    "error",
    [
        larger_than_any_memory("torch"),
        larger_than_any_memory("numpy"),
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("CUDA error: out of memory"),
        wrapped(larger_than_any_memory("torch")),
    ],
    ids=["torch", "numpy", "python", "system", "cuda", "wrapped"],
)
def test_a_lack_of_memory_is_the_machines_and_is_tried_again(opened, error):
    estimator = Raising(error)
    for _ in range(2):
        (found,) = opened(estimator).of([candidate("1")], context())
        assert (found.status, found.reason[:13]) == ("failed", "out of memory")
    assert estimator.calls == ["1", "1"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE])
def test_a_full_disk_and_too_many_files_are_the_machines_too(opened, number):
    estimator = Raising(wrapped(OSError(number, os.strerror(number))))
    for _ in range(2):
        assert opened(estimator).of([candidate("1")], context())[0].status == "failed"
    assert estimator.calls == ["1", "1"]


class Batched(Scripted):
    def __init__(self, answer):
        self.answer, self.calls = answer, []

    def estimate_many(self, architectures, context):
        return self.answer(architectures)


def exits(architectures):
    raise SystemExit(3)


@pytest.mark.parametrize("answer", [lambda some: [Estimate({"value": 1.0})] * (len(some) - 1), lambda some: []])
def test_too_few_answers_are_nobodys(opened, answer):
    found = opened(Batched(answer)).of([candidate("1"), candidate("2")], context())
    assert {evaluation.status for evaluation in found} == {"failed"}
    assert found[0].reason.endswith("answers for 2 architectures: it must return one for each, in order")


@pytest.mark.parametrize("answer", [exits, lambda some: None])
def test_where_many_at_once_fail_each_is_tried_alone(opened, answer):
    found = opened(Batched(answer)).of([candidate("1"), candidate("2")], context())
    assert [evaluation.metrics for evaluation in found] == [{"value": 1.0}, {"value": 2.0}]


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
