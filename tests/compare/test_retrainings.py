"""How retrained networks of several runs become rows."""

import math
from dataclasses import replace

import pytest

from nasforge.compare.retrainings import Retraining, Row
from nasforge.result import TrainedNetwork

NETWORK = TrainedNetwork(
    name="found", notation="a", seeds=[0, 1], test_accuracy=[0.5, 0.7], mean=0.6, std=0.1414, params_m=1.0, macs_m=2.0
)
ONE = Retraining({}, (("generation", "3"),), NETWORK, "1 epoch", 0.8)


def test_a_single_run_deviates_over_its_trainings():
    row = Row("tsenas", ("generation", "3"), (ONE,))
    assert row.mean == pytest.approx(0.6)
    assert row.deviation == pytest.approx(math.sqrt(0.02))


def test_several_runs_deviate_over_their_means():
    other = replace(ONE, network=replace(NETWORK, mean=0.8, params_m=3.0), searched=0.6)
    row = Row("tsenas", ("generation", "3"), (ONE, other))
    assert list(row.accuracies) == [0.6, 0.8]
    assert row.params_m == 2.0
    assert row.searched == pytest.approx(0.7)


def test_one_training_has_no_deviation():
    row = Row("tsenas", ("", "found"), (replace(ONE, network=replace(NETWORK, test_accuracy=[0.5])),))
    assert math.isnan(row.deviation)
