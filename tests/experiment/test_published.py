"""What is known beside a search, or why it is not."""

from types import SimpleNamespace

from nasforge.experiment.published import explained, true_accuracies, why_not_looked_up
from nasforge.result import KnownMetric
from nasforge_plugins.space.nasbench201 import NASBench201

PAPER = {"cifar10": 0.9356}


def test_estimators_are_asked_what_they_know_of_their_metrics():
    table = SimpleNamespace(about={"accuracy": "validation, 12 epochs"}, optima={"accuracy": 0.9, "params_m": 0.1})
    latency = SimpleNamespace(about={"latency_ms": "on a board"}, optima={})
    assert explained([table, latency]) == {
        "accuracy": KnownMetric(about="validation, 12 epochs", optimum=0.9),
        "params_m": KnownMetric(optimum=0.1),
        "latency_ms": KnownMetric(about="on a board"),
    }


def test_without_a_table_it_is_said_that_nothing_was_looked_up(no_installed_tables, tmp_path, monkeypatch):
    for variable in ("NASFORGE_DATA", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert true_accuracies(NASBench201(), {}, "cifar10", PAPER) is None
    (note,) = why_not_looked_up(NASBench201(), "cifar10", PAPER)
    assert "no table of 'nasbench201' with results on cifar10 was found" in note
    assert "nasforge table import" in note
    assert why_not_looked_up(NASBench201(), "digits", PAPER) == []  # no table could
