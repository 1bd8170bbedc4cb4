"""Hyperband with a guess of the user's: what is drawn, and from where."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import nasforge
from nasforge import Column, Table, rng_of
from nasforge.config.configuration import compose
from nasforge.experiment.parts import Parts
from nasforge.registry.entry_points import build
from nasforge.run.beginning import read_config
from nasforge_plugins.shared.priors import Prior, mutated
from nasforge_plugins.strategy.priorband import PriorBand

CENTER = np.array([1, 2, 0, 3])
CHOICES = (2, 3, 1, 4)
VECTORS = np.array(list(itertools.product(*map(range, CHOICES))))


@pytest.mark.parametrize("center", [None, CENTER])
def test_vectors_are_drawn_as_often_as_their_likelihood_says(center):
    prior, rng = Prior(CHOICES, 0.6, center), rng_of("priors")
    likelihoods = np.exp(prior.log_likelihood(VECTORS))
    assert likelihoods.sum() == pytest.approx(1)
    draws = 20_000
    drawn = [tuple(prior.draw(rng)) for _ in range(draws)]
    counts = np.array([drawn.count(tuple(vector)) for vector in VECTORS])
    assert np.abs(counts - draws * likelihoods).max() < 4 * np.sqrt(draws * likelihoods.max())
    chi_squared = ((counts - draws * likelihoods) ** 2 / (draws * likelihoods)).sum()
    assert chi_squared < 2 * len(VECTORS), "23 degrees of freedom"


def test_a_mutation_changes_decisions_that_have_other_choices():
    rng = rng_of("mutations")
    every = np.array([mutated(CENTER, CHOICES, 1.0, rng) for _ in range(50)])
    assert ((every != CENTER) == (np.array(CHOICES) > 1)).all()
    assert (every < CHOICES).all()
    assert (mutated(CENTER, CHOICES, 0.0, rng) == CENTER).all()


def test_the_best_candidates_decide_between_incumbent_and_prior():
    """Two of six candidates count, the first one twice: by hand from the likelihoods."""
    strategy = PriorBand(confidence=0.7)
    strategy.expected = Prior((5, 5), 0.7, np.array([0, 0]))
    middle = [np.array(vector) for vector in ([1, 1], [0, 1], [4, 4], [3, 3], [2, 2], [2, 3])]
    rungs = [[np.array([0, 0])] * 9, middle, [np.array([1, 1])]]
    same, other = 0.7, 0.3 / 4
    around = 2 * same * same + other * same
    expected = 2 * other * other + same * other
    assert strategy.preference(np.array([1, 1]), rungs) == pytest.approx(around / (around + expected))
    assert strategy.preference(np.array([1, 1]), [middle[:2], middle[:1]]) == 0, "no rung has three"


# On a table whose accuracy is the share of edges like those of the best cell

EPOCHS = (1, 3, 9)
BEST, WORST = "all_conv_3x3", "all_skip"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The path of the table, whose numbers do not depend on the epochs."""
    columns = {
        Column("toy", "accuracy" if epochs == 9 else f"accuracy_{epochs}ep", "max", epochs=epochs): (
            np.array(list(itertools.product(range(5), repeat=6))) == 3
        ).mean(1)
        for epochs in EPOCHS
    }
    path = tmp_path_factory.mktemp("table") / "similarity.npz"
    Table.of("nasbench201", (5,) * 6, columns, source="counted").write(path)
    return path


def accuracies(table, strategy, *options):
    """Of 100 searches: (searches, evaluations)."""
    overrides = ["estimator.tabular.epochs=9", "budget.evaluations=21", *options]
    simulation = nasforge.simulate(strategy, table, "toy", range(100), overrides=overrides)
    return simulation.metrics["accuracy"][simulation.asked]


def test_each_bracket_draws_fewer_at_random(table):
    """1 / (1 + eta^rung) of them, if all others are the prior itself."""
    similar = accuracies(
        table, "priorband", f"strategy.prior={BEST}", "strategy.confidence=0.9999", "strategy.mutation=0"
    )
    first, second, third = (similar[:, start : start + count] for start, count in ((0, 9), (13, 3), (17, 3)))
    for drawn, rung in ((first, 0), (second, 1), (third, 2)):
        random = 1 / (1 + 3**rung)
        assert (drawn < 1).mean() == pytest.approx(random, abs=4 * np.sqrt(random * (1 - random) / drawn.size))


def test_a_good_prior_helps_and_a_bad_one_is_left(table):
    def found(strategy, *options):
        return accuracies(table, strategy, *options).max(1).mean()

    alone = found("hyperband")
    assert found("priorband", f"strategy.prior={BEST}") > alone + 0.1
    drawn = accuracies(table, "priorband", f"strategy.prior={WORST}", "budget.evaluations=42")
    assert drawn[:, 34:37].mean() > drawn[:, 0:9].mean() + 0.15, "later brackets draw around the best so far"


def test_a_prior_of_another_space_is_refused_and_leaves_nothing(command, table):
    words = ["strategy=priorband", "space=nasbench201", "estimator=tabular", f"estimator.tabular.path={table}"]
    words += ["estimator.tabular.dataset=toy", "estimator.tabular.epochs=9", "budget.evaluations=9"]
    status, _, complaint = command(*words, "strategy.prior=DARTS_V2", "hydra.run.dir=run")
    assert status == 2
    assert "no architecture of space 'nasbench201' named 'DARTS_V2'" in complaint
    assert not Path("run").exists()


def test_a_run_keeps_the_architecture_of_a_file_that_is_gone_later(command, table):
    notation = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    Path("mine.txt").write_text(notation)
    words = ["strategy=priorband", "space=nasbench201", "estimator=tabular", f"estimator.tabular.path={table}"]
    words += ["estimator.tabular.dataset=toy", "estimator.tabular.epochs=9", "budget.evaluations=9", "retrain.seeds=0"]
    status, _, complaint = command(*words, "strategy.prior=mine.txt", "hydra.run.dir=run")
    assert status == 0, complaint
    Path("mine.txt").unlink()
    assert read_config(Path("run"))["strategy"]["prior"] == notation
    status, _, complaint = command("resume", "run", "budget.evaluations=12")
    assert status == 0, complaint
    assert len(json.loads(Path("run/evaluations.json").read_text())) == 12


def test_an_index_needs_no_quotes(table):
    """YAML reads it as a number."""
    space = build("space", {"name": "nasbench201"})
    words = ["strategy=priorband", "space=nasbench201", "estimator=tabular", f"estimator.tabular.path={table}"]
    words += ["estimator.tabular.dataset=toy", "estimator.tabular.epochs=9", "strategy.prior=1462"]
    parts = Parts(compose(words).config)
    assert parts.strategy.prior == "1462"
    assert parts.recorded["strategy"]["prior"] == str(space.read("1462"))


def test_a_sweep_with_a_prior_is_started_again(command, table):
    words = ["-m", "strategy=priorband", "space=nasbench201", "estimator=tabular", f"estimator.tabular.path={table}"]
    words += ["estimator.tabular.dataset=toy", "estimator.tabular.epochs=9", "budget.evaluations=9", "retrain.seeds=0"]
    words += ["strategy.prior=1462,mine.txt", "hydra.sweep.dir=sweep"]
    Path("mine.txt").write_text("1463")
    assert command(*words)[0] == 0
    status, printed, complaint = command(*words)
    assert status == 0, complaint
    assert [f"job {job} finished before" in printed for job in (0, 1)] == [True, True]
    Path("mine.txt").write_text("1464")
    status, _, complaint = command(*words)
    assert status != 0
    assert "job 1: its folder sweep/1 holds a run with the same arguments, but the configuration" in complaint
    assert "strategy.prior" in complaint


def test_a_space_without_a_notation_has_its_json_recorded(few_images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = build("space", {"name": "mobilenet"})
    prior = space.smallest
    Path("mine.json").write_text(json.dumps(prior.to_json()))
    words = ["strategy=priorband", "space=mobilenet", "estimator=training", "data=arrays", f"data.path={few_images}"]
    parts = Parts(compose([*words, "strategy.prior=mine.json"]).config)
    assert parts.strategy.name == "priorband"
    assert space.read(parts.recorded["strategy"]["prior"]) == prior
