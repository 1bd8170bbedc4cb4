"""`estimator=predictor`: predictions from a run's candidates or a table, and each mistake before a search begins."""

import json
import shutil
import warnings

import numpy as np
import pytest

import nasforge
from nasforge import Context, build, find_table
from nasforge.config.configuration import compose
from nasforge.data import NoData
from nasforge.standalone.many_seeds import simulate
from nasforge_plugins.estimator.predictor.scores import WithScores
from nasforge_plugins.shared.predictors import DecisionEncoder

SPACE = build("space", {"name": "nasbench201"})
SEARCH = ["strategy=random_search", "space=nasbench201", "retrain.seeds=0", "executor.threads=1"]


@pytest.fixture(autouse=True)
def tables(shared_data, monkeypatch):
    monkeypatch.setenv("NASFORGE_DATA", str(shared_data("nasbench201.npz").parent))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, shared_data):
    """The folder of a run that followed accuracy and parameters of 40 candidates; some broke its constraint."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NASFORGE_DATA", str(shared_data("nasbench201.npz").parent))
        words = ["estimator=tabular", "objectives=[accuracy,params_m]", "constraints=['params_m<=0.7']"]
        folder = tmp_path_factory.mktemp("finished") / "run"
        nasforge.search(run_dir=folder, quiet=True, overrides=[*SEARCH, *words, "budget.evaluations=40"])
    return folder


def predictor(**options):
    return build("estimator", {"name": "predictor", **options})


def cells(count):
    rng = np.random.default_rng(7)
    return [SPACE.sample(rng) for _ in range(count)]


def estimates(estimator, architectures):
    return [each.metrics for each in estimator.estimate_many(architectures, Context(SPACE, NoData(), "cpu", 1, seed=0))]


def test_it_predicts_what_the_table_says(shared_data):
    estimator = predictor(samples=100, metrics=["params_m", "accuracy"])
    assert [objective.metric for objective in estimator.objectives if not objective.report_only] == [
        "params_m",
        "accuracy",
    ]
    table, others = find_table("nasbench201"), cells(200)
    rows = [table.row(SPACE.encode(cell)) for cell in others]
    columns = {column.metric: column for column in table.of_dataset("cifar10")}
    predicted = estimates(estimator, others)
    for metric, least in (("params_m", 0.95), ("accuracy", 0.4)):
        true = table.values(columns[metric])[rows]
        assert np.corrcoef([metrics[metric] for metrics in predicted], true)[0, 1] > least
    assert estimator.objectives[1].label == "predicted accuracy"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.check(SPACE)
    assert estimator.about["params_m"].startswith("predicted by gp from 100 of ")
    assert estimator.about["params_m"].endswith("out of sample")


def test_a_score_becomes_the_share_of_examples_that_have_a_lower_one(monkeypatch):
    monkeypatch.delenv("NASFORGE_DATA")  # the installed tables
    space, table = build("space", {"name": "transnas_micro"}), find_table("transnas_micro_zerocost")
    rng = np.random.default_rng(0)
    examples, others = ([space.sample(rng) for _ in range(count)] for count in (30, 5))
    plain = DecisionEncoder(space, examples)
    features = WithScores(plain, space, table, "jigsaw", examples)(others)
    np.testing.assert_array_equal(features[:, : sum(space.cardinalities)], plain(others))
    columns = table.of_dataset("jigsaw")
    assert len(columns) > 3
    for shares, column in zip(features[:, -len(columns) :].T, columns, strict=True):
        scores = table.values(column)
        known = scores[[table.row(space.encode(example)) for example in examples]]
        own = scores[[table.row(space.encode(other)) for other in others]]
        assert shares.tolist() == [float((known < score).mean()) for score in own]


def test_scores_are_part_of_every_key(monkeypatch):
    monkeypatch.delenv("NASFORGE_DATA")
    options = {"table": "transnas_micro", "dataset": "jigsaw", "samples": 10}
    fingerprints = {
        predictor(**options, scores=scores).fingerprint
        for scores in (None, "transnas_micro_zerocost", "transnas_micro")
    }
    assert len(fingerprints) == 3


def test_a_model_that_ranks_no_better_than_chance_is_warned_of():
    with pytest.warns(UserWarning, match=r"model=ridge hardly ranks accuracy: Kendall's tau with the 10 examples is "):
        predictor(model="ridge", samples=10, seed=4).check(SPACE)


def test_a_run_teaches_what_it_followed_even_by_candidates_that_broke_a_constraint(finished):
    evaluations = nasforge.load(finished).candidates()
    assert any(evaluation.status == "infeasible" for evaluation in evaluations)
    estimator = predictor(run=str(finished))
    assert [objective.metric for objective in estimator.objectives] == [
        "accuracy",
        "params_m",
        "accuracy_deviation",
        "params_m_deviation",
    ]
    distinct = {evaluation.architecture: evaluation.metrics for evaluation in evaluations}
    predicted = estimates(estimator, list(distinct))
    errors = [
        metrics["params_m"] - known["params_m"] for metrics, known in zip(predicted, distinct.values(), strict=True)
    ]
    assert np.abs(errors).max() < 0.1
    assert all(0 <= metrics["accuracy"] <= 1 and metrics["params_m"] >= 0 for metrics in predicted)


def test_what_it_learned_from_is_part_of_every_key(finished, tmp_path):
    first = predictor(run=str(finished))
    shutil.copytree(finished, tmp_path / "moved")
    moved = predictor(run=str(tmp_path / "moved"))
    assert (moved.fingerprint, dict(moved.options)) == (first.fingerprint, dict(first.options))
    assert predictor(run=str(finished), metrics=["accuracy"]).fingerprint != first.fingerprint
    samples = [estimates(predictor(samples=20, seed=seed), cells(3)) for seed in (0, 0, 1)]
    assert samples[0] == samples[1] != samples[2]


@pytest.mark.parametrize("strategy", ["nsga2", "regularized_evolution"])
def test_a_simulation_does_what_a_run_does(finished, tmp_path, strategy):
    words = ["estimator=predictor", f"estimator.predictor.run={finished}", "strategy.population=4"]
    words += ["strategy.sample=2"] if strategy == "regularized_evolution" else []
    goals = ["objectives=[params_m,accuracy]", "constraints=['params_m<=1.0']", "budget.evaluations=12", *words]
    simulation = simulate(compose([f"strategy={strategy}", *SEARCH[1:], *goals]).config, [5])
    run = [f"strategy={strategy}", *SEARCH[1:], *goals, "seed=5"]
    outcome = nasforge.search(run_dir=tmp_path / "run", quiet=True, overrides=run)
    evaluations = outcome.load().candidates()
    assert [simulation.architectures[number] for number in simulation.asked[0]] == [
        evaluation.architecture for evaluation in evaluations
    ]
    for metric, values in simulation.metrics.items():
        assert values[simulation.asked[0]].tolist() == [evaluation.metrics[metric] for evaluation in evaluations]
    reported = {objective.metric for objective in outcome.result.objectives if objective.report_only}
    assert reported == {"accuracy_deviation", "params_m_deviation"}


# Mistakes


OPTION = "estimator.predictor"
MISTAKES = {
    f"{OPTION}.run=nowhere": f"{OPTION}.run=nowhere: there is no folder ",
    f"{OPTION}.samples=20000": f"{OPTION}.samples=20000: it must be a whole number, at least 10",
    f"{OPTION}.metrics=[acuracy]": "Did you mean 'accuracy'?",
    f"{OPTION}.metrics=[test_accuracy]": "'test_accuracy' was measured on test data",
    f"{OPTION}.metrics=[]": f"{OPTION}.metrics=[] leaves nothing to predict; choose from accuracy",
    f"{OPTION}.dataset=cifar": "Did you mean 'cifar10'?",
    f"{OPTION}.scores=hwnasbench201": "Available: ",
    f"{OPTION}.scores=transnas_micro_zerocost": "'transnas_micro_zerocost' is of space 'transnas_micro' with 4096",
    f"{OPTION}.model=gpp": f'{OPTION}.model="gpp": it must be one of gp, boosting, forest, mlp, ridge',
    "space=fbnet": "is of space 'nasbench201' with 15625 architectures, but the run's space is 'fbnet'",
}


@pytest.mark.parametrize("word", MISTAKES)
def test_a_mistake_is_one_sentence(mistake, word):
    assert MISTAKES[word] in mistake(*SEARCH, "estimator=predictor", "budget.evaluations=5", word)


def test_a_run_of_another_space_is_refused(mistake, finished):
    complaint = mistake(*SEARCH, "estimator=predictor", f"estimator.predictor.run={finished}", "space=transnas_micro")
    assert f"run {finished} searched space 'nasbench201', and this search is in space 'transnas_micro'" in complaint


def test_a_predictor_asked_before_it_has_data_says_so(mistake, finished, tmp_path):
    few = [*SEARCH, "estimator=tabular", "budget.evaluations=4"]
    folder = nasforge.search(run_dir=tmp_path / "few", quiet=True, overrides=few).folder
    asked = [*SEARCH, "estimator=predictor", f"estimator.predictor.run={folder}"]
    assert "learns from at least 10 measured candidates, and this run has 4" in mistake(*asked)
    rows = json.loads((finished / "evaluations.json").read_text())
    copy = tmp_path / "altered"
    shutil.copytree(finished, copy)
    (copy / "evaluations.json").write_text(json.dumps(rows[:20]))
    assert "was altered since the run ended" in mistake(
        *SEARCH, "estimator=predictor", f"estimator.predictor.run={copy}"
    )
