"""What ships in the box keeps the contracts that guests keep, by the same suites."""

import pytest

from nasforge.registry.entry_points import build
from nasforge.testing import DataContract, EstimatorContract, SpaceContract, StrategyContract


class TestDARTS(SpaceContract):
    @pytest.fixture
    def space(self):
        return build("space", {"name": "darts"})


class TestDARTSWithNone(SpaceContract):
    test_one_shot_strategies_search_it = None  # they search it above, with `none` and without

    @pytest.fixture
    def space(self):
        return build("space", {"name": "darts", "partial_channels": 1, "include_none": True})


class TestSupernetEstimator(EstimatorContract):
    @pytest.fixture
    def estimator(self):
        return build("estimator", {"name": "supernet", "batch_size": 8})

    @pytest.fixture
    def space(self):
        return build("space", {"name": "darts"})


class TestTrainingEstimator(EstimatorContract):
    @pytest.fixture
    def estimator(self):
        return build("estimator", {"name": "training", "epochs": 1, "channels": 4, "cells": 1})

    @pytest.fixture
    def space(self):
        return build("space", {"name": "darts"})


class TestPredictor(EstimatorContract):
    @pytest.fixture(params=["gp", "ridge"])
    def estimator(self, request, shared_data, monkeypatch):
        monkeypatch.setenv("NASFORGE_DATA", str(shared_data("nasbench201.npz").parent))
        return build("estimator", {"name": "predictor", "model": request.param, "samples": 10})

    @pytest.fixture
    def space(self):
        return build("space", {"name": "nasbench201"})


class TestDigits(DataContract):
    @pytest.fixture
    def data(self):
        return build("data", {"name": "digits"})


@pytest.fixture
def few(few_images):
    """Few steps."""
    return ["data=arrays", f"data.path={few_images}", "data.batch_size=24"]


class TestEGNAS(StrategyContract):
    @pytest.fixture
    def overrides(self, few):
        small = ["epochs=2", "warmup_epochs=1", "population=2", "samples=1", "validation_batch_size=12"]
        return ["strategy=egnas", "space.channels=8", "space.cells=1", *(f"strategy.{word}" for word in small), *few]


class TestDARTSStrategy(StrategyContract):
    @pytest.fixture
    def overrides(self, few):
        return ["strategy=darts", "space.channels=4", "space.cells=3", "strategy.epochs=1", *few]


class TestPCDARTS(StrategyContract):
    @pytest.fixture
    def overrides(self, few):
        small = ["strategy.epochs=2", "strategy.warmup_epochs=1", *few]
        return ["strategy=pc_darts", "space=nasbench201", "space.channels=4", *small]


class TestDARTSOnNASBench201(StrategyContract):
    @pytest.fixture
    def overrides(self, few):
        small = ["strategy.epochs=1", "strategy.order=2", *few]
        return ["strategy=darts", "space=nasbench201", "space.channels=4", *small]


class TestMEDARTS(StrategyContract):
    @pytest.fixture
    def overrides(self, few):
        stages = [
            "{name: a, cells: 3, epochs: 1, population: 2, images: 12}",
            "{name: b, cells: 3, epochs: 1, population: 1, images: 24}",
        ]
        return ["strategy=medarts", "space.channels=4", f"strategy.stages=[{','.join(stages)}]", *few]


class TestSinglePath(StrategyContract):
    @pytest.fixture
    def overrides(self, few):
        small = ["epochs=2", "evolution.population=4", "evolution.generations=2", "evolution.parents=2"]
        words = [f"strategy.{word}" for word in small]
        return ["strategy=single_path", "space=nasbench201", "space.channels=4", *words, *few]


class TestNTKGA(StrategyContract):
    @pytest.fixture
    def overrides(self):
        small = ["population=2", "offspring=4", "generations=3", "landmarks=2"]
        small += [f"tournament.{word}" for word in ("images=200", "channels=4", "cells=1")]
        scores = ["batch_size=4", "ntk_batch_size=4"]
        words = [*(f"strategy.{word}" for word in small), *(f"estimator.zero_cost.{word}" for word in scores)]
        return ["strategy=ntk_ga", "space=reolon", *words]


class TestTENAS(StrategyContract):
    @pytest.fixture
    def overrides(self):
        scores = ["estimator.zero_cost.ntk_batch_size=4", "estimator.zero_cost.region_images=100"]
        return ["strategy=te_nas", "space=nasbench201", "strategy.per_round=2", *scores]


class TestTSENASStrategy(StrategyContract):
    @pytest.fixture
    def overrides(self, few):
        small = ["population=3", "generations=1", "fine_population=1", "fine_generations=1", "refresh=1"]
        trained = ["estimator.training.epochs=1", "estimator.training.channels=2", "estimator.training.held_out=0.8"]
        once = [
            "strategy.supernet.epochs=1",
            "strategy.supernet.chains=1",
            "strategy.from_scratch=1",
            "space.max_cells=4",
            "space.reductions=1",
        ]
        return ["strategy=tsenas", *(f"strategy.{word}" for word in small), *trained, *once, *few]


class OnTheTable(StrategyContract):
    """A strategy that proposes candidates, on published results."""

    strategy: str
    words: tuple[str, ...] = ()

    @pytest.fixture
    def overrides(self, shared_data, monkeypatch):
        monkeypatch.setenv("NASFORGE_DATA", str(shared_data("nasbench201.npz").parent))
        return [
            f"strategy={self.strategy}",
            "space=nasbench201",
            "estimator=tabular",
            "budget.evaluations=60",
            *self.words,
        ]


class TestRandomSearch(OnTheTable):
    strategy = "random_search"


class TestRegularizedEvolution(OnTheTable):
    strategy = "regularized_evolution"


class TestLocalSearch(OnTheTable):
    strategy = "local_search"


class TestBANANAS(OnTheTable):
    strategy = "bananas"
    words = ("strategy.epochs=10",)


class TestBayesian(OnTheTable):
    strategy = "bayesian"
    words = ("strategy.batch=25",)


class TestNSGA2(OnTheTable):
    strategy = "nsga2"


class TestNevergrad(OnTheTable):
    strategy = "nevergrad"


class TestNTKGAOnTheTable(OnTheTable):
    """With tournaments between its candidates in their supernet."""

    strategy = "ntk_ga"
    words = ("strategy.generations=3", "strategy.tournament.images=100", "strategy.tournament.channels=4")


class TrainedBriefly(StrategyContract):
    """A strategy that trains candidates for several numbers of epochs."""

    strategy: str

    @pytest.fixture
    def overrides(self, few):
        trained = [f"estimator.training.{word}" for word in ("epochs=3", "channels=2", "cells=1")]
        return [f"strategy={self.strategy}", "space=nasbench201", "budget.evaluations=6", *trained, *few]


class TestHyperband(TrainedBriefly):
    strategy = "hyperband"


class TestASHA(TrainedBriefly):
    strategy = "asha"


class TestPriorBand(TrainedBriefly):
    strategy = "priorband"
