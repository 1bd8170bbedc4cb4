import numpy as np
import pytest
from nasforge_hillclimb.hillclimb import HillClimb
from nasforge_hillclimb.stairs import Stairs

from nasforge import Evaluation, Objective
from nasforge.testing import PackageContract, StrategyContract


class TestPackage(PackageContract):
    package = "nasforge-hillclimb"


class TestHillClimb(StrategyContract):
    @pytest.fixture
    def overrides(self):
        return [
            "strategy=hillclimb",
            "space=stairs",
            "strategy.neighbours=2",
            "budget.evaluations=4",
            "estimator.training.epochs=1",
            "estimator.training.channels=4",
        ]


@pytest.fixture
def climber():
    strategy = HillClimb(neighbours=3, patience=2)
    strategy.space, strategy.objectives = Stairs(), (Objective("accuracy", "max"),)
    strategy.rng = np.random.default_rng(0)
    strategy.begin()
    return strategy


def told(climber, accuracy):
    asked = climber.ask()
    climber.tell([Evaluation(architecture, {"accuracy": accuracy}) for architecture in asked])
    return asked


def test_it_starts_somewhere_and_asks_for_neighbours(climber):
    (start,) = told(climber, 0.5)
    assert climber.best.architecture == start
    assert len(climber.ask()) == 3


def test_it_keeps_the_better_one(climber):
    told(climber, 0.5)
    better = told(climber, 0.6)
    assert climber.best.architecture == better[0]


def test_it_restarts_when_nothing_gets_better(climber):
    told(climber, 0.5)
    told(climber, 0.4)
    told(climber, 0.4)
    assert climber.best is None


def test_it_leaves_a_start_that_failed(climber):
    (start,) = climber.ask()
    climber.tell([Evaluation(start, {}, status="failed", reason="out of memory")])
    assert climber.best is None
