"""How a search went: what the best candidate was when, by its own words and by the test data's."""

from pathlib import Path

import numpy as np
import pytest
from pymoo.indicators.hv import HV

from nasforge import Architecture, Objective
from nasforge.compare import trajectories
from nasforge.compare.scores import Box, common_box
from nasforge.result import Candidate, EvaluationCounts, SearchResult, Timing
from nasforge.run.folders import FinishedRun

OBJECTIVES = [
    Objective("accuracy", "max"),
    Objective("params_m", "min"),
    Objective("test_accuracy", "max", report_only=True),
]


def run(accuracies, tests=None, sizes=None, seconds=None, status=None, followed=("accuracy",)):
    n = len(accuracies)
    candidates = []
    for i in range(n):
        metrics = {"accuracy": accuracies[i]}
        if tests is not None:
            metrics["test_accuracy"] = tests[i]
        if sizes is not None:
            metrics["params_m"] = sizes[i]
        if seconds is not None:
            metrics["train_seconds"] = seconds[i]
        ok = status is None or status[i] == "ok"
        candidates.append(Candidate(notation=str(i), metrics=metrics if ok else {}, status="ok" if ok else status[i]))
    result = SearchResult(
        strategy="any",
        space="any",
        data="any",
        seed=0,
        status="finished",
        architecture=Architecture.of("any", {}),
        objectives=OBJECTIVES,
        followed=followed,
        evaluations=EvaluationCounts(requested=n, distinct=n),
    )
    return FinishedRun(Path("somewhere"), {}, result, {}, [], Timing(), candidates)


def test_the_best_is_chosen_by_what_was_followed_and_reported_by_what_was_not():
    one = run([0.5, 0.7, 0.6, 0.7, 0.9], tests=[0.9, 0.1, 0.8, 0.95, 0.3])
    assert trajectories.best_so_far(one, "accuracy").tolist() == [0.5, 0.7, 0.7, 0.7, 0.9]
    assert trajectories.best_so_far(one, "test_accuracy").tolist() == [0.9, 0.1, 0.1, 0.1, 0.3]


def test_what_failed_never_is_the_best():
    one = run([0.9, 0.5, 0.95, 0.6], status=["failed", "ok", "infeasible", "ok"])
    seen = trajectories.best_so_far(one, "accuracy")
    assert np.isnan(seen[0])
    assert seen[1:].tolist() == [0.5, 0.5, 0.6]


def test_simulated_time_counts_every_request():
    assert trajectories.simulated_seconds(run([0.1, 0.2, 0.3], seconds=[10, 20, 5])).tolist() == [10, 30, 35]
    assert trajectories.simulated_seconds(run([0.1, 0.2])) is None


def test_a_band_over_time_shows_what_had_ended_by_then():
    times = [np.array([10.0, 20.0, 30.0]), np.array([5.0, 25.0, 40.0])]
    values = [np.array([1.0, 2.0, 3.0]), np.array([5.0, 6.0, 7.0])]
    band = trajectories.over_seconds("any", times, values, points=5)
    assert band.x.tolist() == [10, 15, 20, 25, 30]  # from when both have something until the first one ends
    assert band.mean.tolist() == [3.0, 3.0, 3.5, 4.0, 4.5]
    assert band.deviation[0] == pytest.approx(np.std([1, 5], ddof=1))


def test_a_single_run_has_no_deviation():
    band = trajectories.over_estimates("any", [np.array([1.0, 2.0])])
    assert np.isnan(band.deviation).all()


def test_hypervolume_grows_to_pymoos():
    rng = np.random.default_rng(0)
    one = run(rng.random(40).tolist(), sizes=rng.random(40).tolist(), followed=("accuracy", "params_m"))
    box = common_box([one])
    found = trajectories.costs(one)
    curve = box.share_so_far(found)
    way = box.nadir - box.ideal
    for n in (1, 7, 40):
        expected = HV(ref_point=np.ones(2))((found[:n] - box.ideal) / way)
        assert curve[n - 1] == pytest.approx(expected)
    assert (np.diff(curve) >= -1e-12).all()


def test_the_box_is_that_of_all_runs_together():
    many = [
        run([0.9, 0.1], sizes=[2.0, 3.0], followed=("accuracy", "params_m")),
        run([0.5, 0.4], sizes=[0.5, 0.6], followed=("accuracy", "params_m")),
    ]
    box = common_box(many)
    assert isinstance(box, Box)
    assert box.ideal.tolist() == [-0.9, 0.5]
    assert box.nadir.tolist() == [-0.5, 2.0]
    assert common_box([run([0.1])]) is None
