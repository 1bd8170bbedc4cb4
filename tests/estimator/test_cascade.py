"""Score many, train few: who passes the bar is estimated as if there were none, who does not is left alone."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest

from nasforge import Context, Estimate, Estimator, Infeasible, NasforgeError, Objective
from nasforge.config.configuration import compose
from nasforge.execution.executor import LocalExecutor
from nasforge.experiment import experiment
from nasforge.experiment.parts import Parts
from nasforge.registry.entry_points import build
from nasforge.testing import tiny_data

TABLE = ["space=nasbench201", "retrain.seeds=0", "executor.threads=1"]


@pytest.fixture
def table(shared_data, monkeypatch):
    monkeypatch.setenv("NASFORGE_DATA", str(shared_data("nasbench201.npz").parent))


def searched(folder, *words):
    return experiment.search(compose([*TABLE, *words]).config, folder)


PARAMS = [
    "estimator.cascade.first.proxies=[params]",
    "estimator.cascade.first.cells=1",
    "estimator@estimator.cascade.then=tabular",
]
CASCADE = ["strategy=random_search", "estimator=cascade", *PARAMS, "budget.evaluations=40"]
CASCADE += ["estimator.cascade.first.channels=4", "estimator.cascade.reference=16"]


@pytest.fixture
def digits(table):
    """Few images: the cheap score reads them, the table does not."""
    return ["data=digits"]


def rows(outcome):

    return json.loads((outcome.folder / "evaluations.json").read_text())


def test_who_passes_has_the_second_ones_metrics_and_who_does_not_says_why(digits, tmp_path):
    plain = searched(tmp_path / "plain", "strategy=random_search", "estimator=tabular", "budget.evaluations=40")
    cascade = searched(tmp_path / "cascade", *CASCADE, *digits)
    known = {row["notation"]: row["metrics"] for row in rows(plain)}
    passed = [row for row in rows(cascade) if row["status"] == "ok"]
    left = [row for row in rows(cascade) if row["status"] == "infeasible"]
    assert len(passed) + len(left) == 40
    assert all(row["metrics"] == known[row["notation"]] for row in passed)
    assert all(row["reason"].startswith("not estimated further: params is ") for row in left)
    assert not any(row["metrics"] for row in left)


def test_the_share_that_passes_is_the_one_asked_for(digits, tmp_path):
    """Of 60 random cells, with a bar that 40 others set."""
    words = ["estimator.cascade.reference=40", "budget.evaluations=60", "estimator.cascade.keep=0.5"]
    done = searched(tmp_path / "run", *CASCADE, *digits, *words)
    passed = sum(row["status"] == "ok" for row in rows(done))
    assert binomtest(passed, 60, 0.5).pvalue > 1e-3
    sizes = [row["metrics"]["params_m"] for row in rows(done) if row["status"] == "ok"]
    assert min(sizes) > 0.2  # the larger half of NAS-Bench-201


def test_an_estimate_does_not_depend_on_who_else_is_asked_about(digits, tmp_path):
    one = searched(tmp_path / "one", *CASCADE, *digits)
    other = searched(tmp_path / "other", *CASCADE, *digits, "budget.evaluations=10")
    assert rows(one)[:10] == rows(other)


class Picky(Estimator):
    """It scores an architecture of its space by its number, and knows nothing of every second one."""

    name = "picky"
    needs_data = False
    objectives = (Objective("number", "max"),)

    def estimate(self, architecture, context):
        number = int(context.space.encode(architecture).sum())
        if number % 2:
            raise (Infeasible, ValueError, SystemExit)[number % 3](f"{number} is odd")
        return Estimate({"number": float(number)})


def test_what_some_references_lack_does_not_stand_in_the_way_of_others():
    space = build("space", {"name": "nasbench201"})
    cascade = build("estimator", {"name": "cascade", "keep": 0.25})
    cascade.first = cascade.then = Picky()
    cascade.score, cascade.objectives = Picky.objectives[0], Picky.objectives
    context = Context(space, tiny_data(), "cpu", 1, seed=0)
    some = {int(space.encode(each).sum()): each for each in map(space.decode, np.eye(6, dtype=int).cumsum(0) * 4)}
    answers = LocalExecutor(1).run(cascade, [(architecture, context) for architecture in some.values()])
    said = {number: answer.status for number, (_, answer) in zip(some, answers, strict=True)}
    assert said == {4: "infeasible", 8: "infeasible", 12: "infeasible", 16: "ok", 20: "ok", 24: "ok"}


def test_strategies_go_on_with_who_passes(digits, tmp_path):
    words = [*CASCADE, *digits, "strategy=regularized_evolution", "objectives=[accuracy]"]
    done = searched(tmp_path / "run", *words)
    assert done.result["metrics"]["accuracy"] > 0.8
    assert done.result["evaluations"]["infeasible"] > 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["estimator.cascade.keep=0"], "estimator.cascade.keep=0: it must be a number, above 0 and at most 1"),
        (["estimator.cascade.first.name=zero_cots"], "no estimator named 'zero_cots'. Did you mean 'zero_cost'"),
        (["estimator.cascade.first.name=null"], r"estimator\.cascade\.first\.name=None"),
        (["estimator.cascade.first.batch_size=1"], r"estimator\.cascade\.first\.batch_size=1: it must be"),
        (["estimator.cascade.by=synflow"], r"\(estimator\.cascade\.by\) named 'synflow'"),
        (["estimator.cascade.first.proxies=[snyflow]"], "Did you mean 'synflow'"),
    ],
)
def test_mistakes_are_said_before_the_work(digits, tmp_path, words, sentence):
    with pytest.raises(NasforgeError, match=sentence):
        searched(tmp_path / "run", *CASCADE, *digits, *words)
    assert not (tmp_path / "run").exists()


def test_shared_weights_have_no_place_in_it(table):
    words = ["strategy=random_search", "estimator=cascade", "estimator@estimator.cascade.first=supernet"]
    with pytest.raises(NasforgeError, match="'supernet' scores with shared weights, which a cascade lacks"):
        _ = Parts(compose([*TABLE, *words]).config).estimators


def test_it_trains_whom_it_lets_pass():
    cascade = build("estimator", {"name": "cascade"})
    assert (cascade.epochs, cascade.channels, cascade.held_out) == (3, 8, 0.2)
    assert [objective.metric for objective in cascade.objectives] == [
        objective.metric for objective in cascade.then.objectives
    ]
