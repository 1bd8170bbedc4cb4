"""What a search follows, and the bounds of its candidates."""

import math

import pytest

from nasforge import Architecture, Constraint, Estimator, Evaluation, Objective, OptionError, UnknownNameError
from nasforge.run.goals import Goals


class Toy(Estimator):
    name = "toy"
    objectives = (Objective("accuracy", "max"), Objective("params_m", "min"), Objective("test", "max", True))

    def estimate(self, architecture, context): ...


class Twin(Toy):
    name = "twin"


def test_all_open_objectives_are_followed_unless_named():
    assert [objective.metric for objective in Goals.of([Toy()], None, []).followed] == ["accuracy", "params_m"]
    assert [objective.metric for objective in Goals.of([Toy()], ["params_m"], []).followed] == ["params_m"]
    assert [objective.metric for objective in Goals.of([Toy()], None, []).given] == ["accuracy", "params_m", "test"]


class Timed(Toy):
    objectives = (Objective("accuracy", "max"), Objective("train_seconds", "min"))


def test_what_a_training_took_is_followed_only_by_name():
    assert [objective.metric for objective in Goals.of([Timed()], None, []).followed] == ["accuracy"]
    assert [objective.metric for objective in Goals.of([Timed()], ["train_seconds"], []).followed] == ["train_seconds"]


def test_two_estimators_may_not_give_the_same_metric():
    with pytest.raises(OptionError, match="'toy' and 'twin' both give 'accuracy'"):
        Goals.of([Toy(), Twin()], None, [])


def test_names_are_checked_against_what_the_estimators_give():
    with pytest.raises(UnknownNameError, match=r"no objective of these estimators named 'latency'.*accuracy, params_m"):
        Goals.of([Toy()], ["latency"], [])
    with pytest.raises(UnknownNameError, match="named 'flops'"):
        Goals.of([Toy()], None, ["flops<=3"])
    with pytest.raises(OptionError, match=r"objectives=\[\] leaves nothing"):
        Goals.of([Toy()], [], [])


@pytest.mark.parametrize(("objectives", "constraints"), [(["test"], []), (None, ["test>=0.9"])])
def test_what_is_measured_on_test_data_steers_nothing(objectives, constraints):
    with pytest.raises(OptionError, match="'test' is only reported"):
        Goals.of([Toy()], objectives, constraints)


@pytest.mark.parametrize("text", ["params_m<1", "params_m", "<=1", "params_m<=small", "params_m<=nan", "params_m==1"])
def test_a_constraint_that_cannot_be_read(text):
    with pytest.raises(OptionError, match=r"is invalid; write it like params_m<=1\.0"):
        Constraint.read(text)


def test_violations():
    upper, lower = Constraint.read("params_m <= 1.5"), Constraint.read("accuracy>=0.9")
    assert (str(upper), str(lower)) == ("params_m<=1.5", "accuracy>=0.9")
    assert upper.violation({"params_m": 1.5}) == 0
    assert upper.violation({"params_m": 2.0}) == 0.5
    assert lower.violation({"accuracy": 0.7}) == pytest.approx(0.2)
    assert lower.violation({}) == math.inf
    goals = Goals.of([Toy()], None, ["params_m<=1.5", "accuracy>=0.9"])
    evaluation = Evaluation(Architecture.of("toy", {"x": 1}), {"params_m": 1.0, "accuracy": 0.5})
    assert goals.broken(evaluation) == lower


def test_bounds_that_no_value_keeps_are_refused():
    with pytest.raises(
        OptionError, match="'params_m>=2' and 'params_m<=1' exclude all candidates: no value satisfies both"
    ):
        Goals.of([Toy()], None, ["params_m<=1", "params_m>=2"])
    assert len(Goals.of([Toy()], None, ["params_m<=2", "params_m>=2"]).constraints) == 2
