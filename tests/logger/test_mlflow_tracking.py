"""MLflow really records, in a folder."""

import os
from pathlib import Path

import pytest

from nasforge import OptionError
from nasforge.loggers.run_logger import RunFacts
from nasforge_plugins.logger.mlflow_tracking import MLflowTracking

SEARCH = ["strategy=regularized_evolution", "strategy.population=2", "strategy.sample=2", "space=nasbench201"]
SEARCH += ["estimator=zero_cost", "estimator.zero_cost.proxies=[synflow]", "data=arrays", "executor.threads=1"]
SEARCH += ["retrain.seeds=1", "retrain.random=0", "retrain.epochs=2", "retrain.channels=4", "retrain.cells=1"]
WORDS = [*SEARCH, "logger=mlflow", "logger.mlflow.tags={team: blue}"]


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def client():
    pytest.importorskip("mlflow", reason="LOGGER NOT CHECKED: mlflow is not installed (extra `mlflow`)")
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from mlflow import MlflowClient

    return lambda folder: MlflowClient(tracking_uri=folder.absolute().as_uri())


def test_a_run_is_one_run_of_mlflow_over_all_starts(client, command, few_images):
    status, _, complaint = command(*WORDS, f"data.path={few_images}", "budget.evaluations=3", "hydra.run.dir=run")
    assert status == 0, complaint
    status, _, complaint = command("resume", "run", "budget.evaluations=5")
    assert status == 0, complaint
    store = client(Path("run/mlflow"))
    (run,) = store.search_runs([store.get_experiment_by_name("nasforge").experiment_id])
    assert (run.info.run_name, run.info.status, run.data.tags["team"]) == ("run", "FINISHED", "blue")
    assert run.data.params["strategy.population"] == "2"
    history = store.get_metric_history(run.info.run_id, "search/evaluations")
    steps = [point.step for point in history]
    assert steps == sorted(set(steps))
    assert history[-1].value == 5
    assert {"retrain/found/seed-0/train_loss", "found/test_accuracy", "search/best_synflow"} <= set(run.data.metrics)
    files = {item.path for item in store.list_artifacts(run.info.run_id)}
    assert files == {"report.html", "pictures"}
    assert any(item.path.endswith(".svg") for item in store.list_artifacts(run.info.run_id, "pictures"))
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_job_of_a_sweep_says_so(client, tmp_path):
    logger = MLflowTracking(save_dir=tmp_path / "mlflow")
    logger.begin(RunFacts("0123456789abcdef", tmp_path / "0", "seeds", {"seed": 1}))
    logger.finalize("failed")
    experiment = logger.experiment.get_experiment_by_name("nasforge").experiment_id
    (run,) = client(tmp_path / "mlflow").search_runs([experiment])
    assert (run.data.tags["nasforge.sweep"], run.info.status) == ("seeds", "KILLED")


def test_only_servers_are_destinations(monkeypatch):
    assert MLflowTracking().destination == ""
    assert MLflowTracking(tracking_uri="http://localhost:5000").destination == "http://localhost:5000"
    assert MLflowTracking(tracking_uri="databricks").destination == "databricks"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://here.org")
    assert MLflowTracking().destination == "https://here.org"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "/some/folder")
    assert MLflowTracking().destination == ""


def test_a_folder_is_no_server():
    with pytest.raises(OptionError, match=r"tracking_uri=mlruns: it must be the address of a server, .*save_dir names"):
        MLflowTracking(tracking_uri="mlruns").check()


def test_a_database_needs_the_whole_of_mlflow(monkeypatch):
    monkeypatch.setattr("nasforge_plugins.logger.mlflow_tracking.find_spec", lambda module: None)
    with pytest.raises(OptionError, match=r"cannot log to sqlite:///x.db. Install the rest with: pip install mlflow"):
        MLflowTracking(tracking_uri="sqlite:///x.db").check()


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("logger.mlflow.experiment=5", "logger.mlflow.experiment=5: it must be text"),
        ("logger.mlflow.save_dir=s3://bucket", "not an address"),
        ("logger.mlflow.tags=[a]", "logger.mlflow.tags="),
    ],
)
def test_wrong_options_are_one_sentence(mistake, word, sentence):
    assert sentence in mistake("logger=mlflow", word)
