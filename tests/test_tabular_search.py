"""A search on published results as a person makes it: no images, and a folder that says what it was."""

import json

import numpy as np
import pytest

import nasforge
from nasforge import NasforgeError
from nasforge.config.configuration import compose
from nasforge.experiment import experiment

WORDS = ["strategy=regularized_evolution", "space=nasbench201", "estimator=tabular", "budget.evaluations=80"]


@pytest.fixture
def table(shared_data, monkeypatch):
    path = shared_data("nasbench201.npz")
    monkeypatch.setenv("NASFORGE_DATA", str(path.parent))
    return path


@pytest.fixture
def found(table, tmp_path):
    return experiment.search(compose(WORDS).config, tmp_path / "run", WORDS)


def test_it_reads_no_images_and_reports_the_tables_own_numbers(found, table):
    result = found.result
    assert (result["data"], result["size"], result["retrain"], result["control"]) == ("cifar10", None, None, None)
    assert json.loads((found.folder / "data.json").read_text()) == {"name": "cifar10", "fingerprint": ""}
    with np.load(table) as arrays:
        row = list(arrays["arch_str"]).index(str(found.architecture))
        assert result["metrics"]["accuracy"] == arrays["cifar10_valid_acc_12ep"][row] / 100
        assert result["metrics"]["test_accuracy"] == arrays["cifar10_test_acc_200ep_mean"][row] / 100
    rows = json.loads((found.folder / "evaluations.json").read_text())
    assert len(rows) == result["evaluations"]["requested"] == 80
    assert max(row["metrics"]["accuracy"] for row in rows) == result["metrics"]["accuracy"]
    assert [objective.metric for objective in result.objectives if objective.report_only] == [
        "test_accuracy",
        "test_accuracy_12ep",
    ]
    assert "test_accuracy" not in result["followed"]


def test_resumed_with_more_budget_it_equals_a_longer_one(found, table, tmp_path):
    longer = [*WORDS[:-1], "budget.evaluations=200"]
    straight = experiment.search(compose(longer).config, tmp_path / "straight", WORDS)
    extended = experiment.resume(found.folder, ["budget.evaluations=200"])
    assert extended.result == straight.result
    assert extended.result["status"] == "finished"


def test_what_a_table_found_is_trained_without_the_table(found, tmp_path, monkeypatch):
    monkeypatch.setenv("NASFORGE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    quick = ["data=digits", "retrain.seeds=1", "retrain.epochs=1", "retrain.channels=4", "retrain.cells=1"]
    outcome = experiment.retrain(compose([*WORDS, *quick]).config, found.folder, run=True)
    assert outcome.architecture == found.architecture
    assert 0 <= outcome.result["retrain"]["rows"][0]["mean"] <= 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["objectives=[energy]"], "no objective of these estimators named 'energy'"),
        (["objectives=[test_accuracy]"], "'test_accuracy' is only reported"),
        (["constraints=['params_m<1']"], r"constraint 'params_m<1' is invalid; write it like params_m<=1\.0"),
        (
            ["objectives=accuracy"],
            r"objectives=accuracy: it must be a list of texts, such as objectives=\[accuracy,latency_ms\]",
        ),
        (["space=darts"], "is of space 'nasbench201' with 15625 architectures, but the run's space is 'darts'"),
        (["estimator.tabular.dataset=cifar1000"], "no data set in .* named 'cifar1000'"),
        (["strategy=egnas", "objectives=[accuracy]"], "strategy 'egnas' .* Estimators that fit: supernet"),
    ],
)
def test_mistakes_are_said_before_anything_is_written(table, tmp_path, words, sentence):
    with pytest.raises(NasforgeError, match=sentence):
        experiment.search(compose([*WORDS, *words]).config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_from_python(table, tmp_path):
    options = {"estimator": "tabular", "constraints": ["params_m<=0.6"], "budget": {"evaluations": 40}}
    outcome = nasforge.search("nsga2", "nasbench201", run_dir=tmp_path / "run", **options)
    assert outcome.result["metrics"]["params_m"] <= 0.6
    assert outcome.result["evaluations"]["infeasible"] > 0
    assert {row["status"] for row in json.loads((tmp_path / "run" / "evaluations.json").read_text())} == {
        "ok",
        "infeasible",
    }
