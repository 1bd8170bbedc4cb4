"""The strategies that only propose and learn, on a small space whose every answer is known."""

from collections import Counter
from functools import partial
from itertools import product

import numpy as np
import pytest
from scipy.stats import rankdata

from nasforge import (
    Architecture,
    Constraint,
    Estimate,
    Estimator,
    Evaluation,
    Objective,
    OptionError,
    ParetoFront,
    VectorEncoded,
)
from nasforge.data import NoData
from nasforge.journal.journal import Journal
from nasforge.run.goals import Goals
from nasforge.run.resources import Budget, Machinery
from nasforge.run.run import Run
from nasforge_plugins.strategy.bananas import BANANAS
from nasforge_plugins.strategy.bayesian import Bayesian
from nasforge_plugins.strategy.local_search import LocalSearch
from nasforge_plugins.strategy.nevergrad import Nevergrad
from nasforge_plugins.strategy.nsga2 import NSGA2
from nasforge_plugins.strategy.random_search import RandomSearch
from nasforge_plugins.strategy.regularized_evolution import RegularizedEvolution

BATCHES = [RandomSearch, partial(RegularizedEvolution, population=20, batch=7), partial(Nevergrad, batch=7)]
ALL = [*BATCHES, RegularizedEvolution, LocalSearch, NSGA2, Nevergrad, partial(BANANAS, epochs=10), Bayesian]


class Grid(VectorEncoded):
    """Five decisions of four values."""

    name = "grid"
    cardinalities = (4, 4, 4, 4, 4)

    def encode(self, architecture):
        return np.array(architecture["v"])

    def decode(self, vector):
        return Architecture.of(self.name, {"v": [int(value) for value in vector]})

    def validate(self, architecture):
        return architecture

    def draw(self, architecture):
        return []

    def build(self, architecture, input_shape, classes, **options): ...


class Hills(Estimator):
    """Accuracy with local optima, and a cost that grows where accuracy does; what has no cost cannot be estimated."""

    name = "hills"
    needs_data = False
    objectives = (Objective("accuracy", "max"), Objective("cost", "min"))

    def estimate(self, architecture, context):
        v = np.array(architecture["v"])
        if not v.any():
            raise ValueError("an empty network")
        return Estimate({"accuracy": float(v @ (1, 2, 3, 2, 1) - 4 * (v[1] == v[2])), "cost": float((v**2).sum())})


EVERY = [Grid().decode(vector) for vector in product(range(4), repeat=5)]
TRUTH = [Evaluation(each, Hills().estimate(each, None).metrics) for each in EVERY[1:]]


def searched(folder, strategy, evaluations, *, seed=0, objectives=None, constraints=()):
    journal = Journal(folder)
    run = Run(
        folder,
        journal,
        space=Grid(),
        data=NoData(),
        estimators=[Hills()],
        goals=Goals.of([Hills()], objectives, constraints),
        seed=seed,
        budget=Budget(evaluations=evaluations),
        machinery=Machinery(trainer={"accelerator": "cpu"}, threads=1),
    )
    try:
        return strategy.search(run), run.evaluations
    finally:
        journal.close()


@pytest.mark.parametrize("strategy", ALL)
def test_the_budget_is_kept_and_a_longer_run_begins_alike(strategy, tmp_path):
    _, short = searched(tmp_path / "short", strategy(), 33)
    _, longer = searched(tmp_path / "longer", strategy(), 90)
    assert len(short) == 33
    assert longer[:33] == short


@pytest.mark.parametrize("strategy", ALL)
def test_a_run_stopped_by_its_budget_goes_on_as_if_it_had_not(strategy, tmp_path):
    searched(tmp_path / "run", strategy(), 25)
    extended, asked = searched(tmp_path / "run", strategy(), 70)
    straight, same = searched(tmp_path / "straight", strategy(), 70)
    assert asked == same
    assert extended == straight


@pytest.mark.parametrize("strategy", ALL)
def test_seeds_matter(strategy, tmp_path):
    asked = [searched(tmp_path / str(seed), strategy(), 30, seed=seed)[1] for seed in (0, 1)]
    assert asked[0] != asked[1]


@pytest.mark.parametrize("strategy", [RegularizedEvolution, LocalSearch])
def test_it_beats_random_search_over_seeds(strategy, tmp_path):
    def found(one):
        results = [searched(tmp_path / f"{one.name}{seed}", one(), 150, seed=seed)[0] for seed in range(8)]
        return np.mean([result.metrics["accuracy"] for result in results])

    assert found(strategy) > found(RandomSearch)


@pytest.mark.parametrize("strategy", BATCHES)
def test_candidates_to_estimate_side_by_side_are_asked_for_together(strategy, tmp_path, monkeypatch):
    asked = []
    estimate = Run.estimate
    monkeypatch.setattr(Run, "estimate", lambda run, some: asked.append(len(some)) or estimate(run, some))
    one = strategy()
    searched(tmp_path, one, 60)
    first = 20 if isinstance(one, RegularizedEvolution) else one.batch
    assert asked[:3] == [first, one.batch, one.batch]
    assert one.batch > 1


@pytest.mark.parametrize("seed", range(3))
def test_random_search_finds_the_same_however_many_are_drawn_at_a_time(seed, tmp_path):
    found = [searched(tmp_path / str(batch), RandomSearch(batch=batch), 40, seed=seed) for batch in (1, 7, 16, 100)]
    assert all(result == found[0] for result in found[1:])


def test_an_optimizer_that_takes_one_point_at_a_time_is_named():
    with pytest.raises(OptionError, match=r"strategy\.batch=2: nevergrad's Cobyla needs the result of each point"):
        Nevergrad(optimizer="Cobyla", batch=2)


def test_random_search_draws_uniformly(tmp_path):
    _, evaluations = searched(tmp_path, RandomSearch(), 2000)
    first = Counter(evaluation.architecture["v"][0] for evaluation in evaluations)
    assert all(abs(count - 500) < 5 * np.sqrt(2000 * 0.25 * 0.75) for count in first.values())


def test_random_search_can_choose_by_the_sum_of_ranks(tmp_path):
    result, evaluations = searched(tmp_path, RandomSearch(select="rank_sum"), 100)
    usable = [evaluation for evaluation in evaluations if evaluation.ok]
    sums = rankdata([-candidate.metrics["accuracy"] for candidate in usable]) + rankdata(
        [candidate.metrics["cost"] for candidate in usable]
    )
    assert result.architecture == usable[int(np.argmin(sums))].architecture
    foremost, _ = searched(tmp_path / "other", RandomSearch(), 100)
    assert foremost.metrics["accuracy"] == max(candidate.metrics["accuracy"] for candidate in usable)
    assert foremost.architecture != result.architecture


def test_evolution_lets_the_oldest_die_and_breeds_the_best_of_a_sample():
    strategy = RegularizedEvolution(population=3, sample=3)
    strategy.space, strategy.rng = Grid(), np.random.default_rng(0)
    strategy.objectives, strategy.constraints = Hills.objectives, ()
    strategy.begin()
    first = strategy.ask()
    assert len(first) == 3
    strategy.tell([Evaluation(one, {"accuracy": float(3 - i)}) for i, one in enumerate(first)])  # the oldest is best
    born = [Grid().decode([3, 3, 3, 3, value]) for value in range(3)]
    strategy.tell([Evaluation(born[0], {"accuracy": 0.0})])
    assert [one for _, one in strategy.population] == [first[1], first[2], born[0]]
    strategy.tell([Evaluation(born[1], {}, "failed"), Evaluation(born[2], {"accuracy": 0.5})])
    assert [one for _, one in strategy.population] == [*born]
    children = [strategy.ask()[0] for _ in range(40)]
    # With as many drawn as there are, the best is mostly among them: most children differ from it in one decision.
    close = sum(sum(np.array(child["v"]) != np.array(born[2]["v"])) == 1 for child in children)
    assert close > 20
    with pytest.raises(OptionError, match=r"strategy\.sample=4 is more than strategy\.population=3"):
        RegularizedEvolution(population=3, sample=4)
    with pytest.raises(OptionError, match=r"strategy\.batch=4 is more than strategy\.population=3"):
        RegularizedEvolution(population=3, sample=3, batch=4)


def test_local_search_ends_each_climb_on_a_local_optimum(tmp_path):
    found, evaluations = searched(tmp_path, LocalSearch(), 600)
    accuracy = {evaluation.architecture: evaluation.metrics["accuracy"] for evaluation in TRUTH}
    around = Grid().neighbors(found.architecture)
    assert len(around) == len(set(around)) == 15
    assert all(accuracy.get(neighbor, -1) <= found.metrics["accuracy"] for neighbor in around)
    assert len(evaluations) == 600


def test_nsga2_finds_the_true_front(tmp_path):
    found, evaluations = searched(tmp_path, NSGA2(population=40), 2000)
    true = {
        (candidate.metrics["accuracy"], candidate.metrics["cost"]) for candidate in ParetoFront(TRUTH, Hills.objectives)
    }
    front = {(candidate.metrics["accuracy"], candidate.metrics["cost"]) for candidate in found.front}
    assert len(front & true) >= 0.9 * len(true)
    for first in range(0, 2000, 40):  # no generation has twins
        assert len({evaluation.architecture for evaluation in evaluations[first : first + 40]}) == 40


def test_nsga2_keeps_to_constraints(tmp_path):
    found, evaluations = searched(tmp_path, NSGA2(), 400, constraints=["cost<=6"])
    assert all(evaluation.metrics["cost"] <= 6 for evaluation in found.front)
    feasible = [evaluation for evaluation in TRUTH if Constraint.read("cost<=6").violation(evaluation.metrics) == 0]
    assert found.metrics["accuracy"] == max(evaluation.metrics["accuracy"] for evaluation in feasible)
    late = evaluations[-100:]
    kept = sum(evaluation.status == "ok" for evaluation in late) / len(late)
    assert kept > 2 * len(feasible) / len(EVERY)  # it stays where constraints hold


def test_nsga2_outlives_candidates_that_fail(tmp_path):
    class Fragile(Hills):
        def estimate(self, architecture, context):
            if architecture["v"][0] < 2:
                raise ValueError("too thin")
            return super().estimate(architecture, context)

    journal = Journal(tmp_path)
    machinery = Machinery(trainer={"accelerator": "cpu"}, threads=1)
    options = {"space": Grid(), "data": NoData(), "estimators": [Fragile()], "seed": 0, "machinery": machinery}
    run = Run(tmp_path, journal, budget=Budget(evaluations=200), **options)
    found = NSGA2().search(run)
    journal.close()
    assert found.architecture["v"][0] >= 2
    assert sum(evaluation.status == "failed" for evaluation in run.evaluations[100:]) < 50


def test_a_constraint_that_nothing_keeps_is_said(tmp_path):
    with pytest.raises(Exception, match=r"none of 40 candidates satisfies cost<=0 \(the nearest had [1-9]\d*\)"):
        searched(tmp_path, NSGA2(), 40, constraints=["cost<=0"])


@pytest.mark.parametrize("optimizer", ["CMA", "DE", "RandomSearch", "NGOpt"])
def test_optimizers_of_nevergrad_by_name(optimizer, tmp_path):
    found, evaluations = searched(tmp_path, Nevergrad(optimizer=optimizer, horizon=60), 60)
    assert len(evaluations) == 60
    assert found.metrics["accuracy"] > np.median([evaluation.metrics["accuracy"] for evaluation in TRUTH])


def test_an_optimizer_that_cannot_be_set_up_says_what_it_asserts(tmp_path):
    with pytest.raises(OptionError) as wrong:
        searched(tmp_path, Nevergrad(optimizer="CMandAS3", batch=9), 20)
    assert str(wrong.value) == (
        "nevergrad's CMandAS3 cannot be set up (AssertionError at 'assert budget is not None'); what it calls budget "
        "is strategy.horizon=null, and num_workers strategy.batch=9"
    )


def test_an_optimizer_that_nevergrad_lacks():
    with pytest.raises(OptionError, match=r"strategy\.optimizer: no optimizer of nevergrad named 'CMAA'.*'CMA'"):
        Nevergrad(optimizer="CMAA")
