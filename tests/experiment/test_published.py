"""What is known beside a search, or why it is not."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from nasforge.config.configuration import compose
from nasforge.experiment import experiment
from nasforge.experiment.parts import Parts
from nasforge.experiment.published import explained, missing_table, true_accuracies
from nasforge.result import KnownMetric
from nasforge_plugins.space.nasbench201 import NASBench201
from nasforge_plugins.strategy.egnas import EGNAS

PAPER = {"cifar10": 0.9356}


def test_estimators_are_asked_what_they_know_of_their_metrics():
    table = SimpleNamespace(about={"accuracy": "validation, 12 epochs"}, optima={"accuracy": 0.9, "params_m": 0.1})
    latency = SimpleNamespace(about={"latency_ms": "on a board"}, optima={})
    assert explained([table, latency]) == {
        "accuracy": KnownMetric(about="validation, 12 epochs", optimum=0.9),
        "params_m": KnownMetric(optimum=0.1),
        "latency_ms": KnownMetric(about="on a board"),
    }


@pytest.fixture
def no_table(no_installed_tables, tmp_path, monkeypatch):
    for variable in ("NASFORGE_DATA", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_without_a_table_it_is_said_that_nothing_can_be_looked_up(no_table):
    assert true_accuracies(NASBench201(), {}, "cifar10", PAPER) is None
    (note,) = missing_table(NASBench201(), "cifar10", PAPER)
    assert "there is no table of 'nasbench201' with results on cifar10" in note
    assert "`pip install nasforge-tables` brings tables, and `nasforge table import` makes one" in note
    assert missing_table(NASBench201(), "digits", PAPER) == []  # no table could


def test_it_is_said_before_the_search(no_table, few_images, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(Parts, "data_name", "cifar10")
    monkeypatch.setattr(EGNAS, "search", lambda strategy, run: sys.exit(" ".join("".join(capfd.readouterr()).split())))
    small = ("strategy=egnas", "space=nasbench201", "data=arrays", f"data.path={few_images}", "retrain.seeds=0")
    with pytest.raises(SystemExit, match="so the true accuracy of the architecture that the search finds cannot"):
        experiment.search(compose(small).config, tmp_path / "run")


def test_validation_accuracies_stand_beside_test_accuracies(shared_data, monkeypatch):
    space, path = NASBench201(), shared_data("nasbench201.npz")
    monkeypatch.setenv("NASFORGE_DATA", str(path.parent))
    raw = np.load(path)
    notation = str(raw["arch_str"][4321])
    found = true_accuracies(space, {"found": space.read(notation)}, "cifar10", PAPER).rows[0]
    for dataset in ("cifar10", "cifar100", "imagenet16_120"):
        assert found.validation_accuracy[dataset] == raw[f"{dataset}_valid_acc_12ep"][4321] / 100
        assert found.test_accuracy[dataset] == raw[f"{dataset}_test_acc_200ep_mean"][4321] / 100
