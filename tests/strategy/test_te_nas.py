"""strategy=te_nas: what a pruning is, which one goes, and that nothing is measured twice."""

import numpy as np
import pytest
import torch

from nasforge import Estimate, Estimator, NasforgeError, Objective, OptionError, RunError
from nasforge.config.configuration import compose
from nasforge.experiment import experiment
from nasforge.journal.journal import Journal
from nasforge.registry.entry_points import build
from nasforge.run.resources import Budget, Machinery
from nasforge.run.run import Run
from nasforge.testing import tiny_data
from nasforge_plugins.estimator.zero_cost.recording import Rectifiers
from nasforge_plugins.space.nasbench201.cell import OPERATIONS
from nasforge_plugins.strategy.te_nas import TENAS
from nasforge_plugins.strategy.te_nas.algorithm import Scores, operations, pruned, without
from nasforge_plugins.strategy.te_nas.prunings import Prunings

SPACES = ["nasbench201", "darts"]


class Tally(Estimator):
    """Every operation that is left costs what a table says, so what a removal changes is known."""

    name = "tally"
    needs_data = False

    def __init__(self, shapes, seed=0, objectives=1, broken=False):
        self.objectives = tuple(Objective(f"tally{number}", "min") for number in range(objectives))
        rng = np.random.default_rng(seed)
        self.table = {cell: rng.permutation(np.prod(shape)).reshape(shape) + 1.0 for cell, shape in shapes.items()}
        self.asked, self.broken = 0, broken

    def estimate(self, architecture, context):
        self.asked += 1
        if self.broken:
            raise ValueError("no tally today")
        if architecture.space == context.space.name:
            return Estimate({objective.metric: 1.0 for objective in self.objectives})
        cost = 0.0
        for cell, table in self.table.items():
            kept = np.array([[bit == "1" for bit in row] for row in architecture[cell]])
            cost += float(table[kept].sum())
        return Estimate({objective.metric: cost for objective in self.objectives})


@pytest.fixture
def a_run(tmp_path):
    journals = []

    def make(space, estimator=None, name="run", seconds=None, seed=0):
        journals.append(Journal(tmp_path / name))
        built = build("space", {"name": space})
        return Run(
            tmp_path / name,
            journals[-1],
            space=built,
            data=tiny_data(images=64),
            estimators=[estimator] if estimator else [],
            seed=seed,
            budget=Budget(seconds=seconds),
            machinery=Machinery(trainer={"accelerator": "cpu"}, threads=1),
        )

    yield make
    for journal in journals:
        journal.close()


def prunings_of(run):
    return Prunings(run.space, run)


def tallied(a_run, space, **options):
    shapes = prunings_of(a_run(space, name="shapes")).shapes
    estimator = Tally(shapes, **options)
    return estimator, a_run(space, estimator)


# What a pruning is


@pytest.mark.parametrize("space", SPACES)
def test_a_pruning_to_one_operation_is_the_supernet_under_that_architecture(space, a_run):
    run = a_run(space)
    prunings, one = prunings_of(run), run.space.sample(np.random.default_rng(0))
    mix = run.space.mix_of(one)
    network = prunings.build(prunings.pruning({c: rows.numpy() > 0 for c, rows in mix.items()}, 0), (3, 8, 8), 4)
    images = torch.rand(4, 3, 8, 8)
    with torch.no_grad():  # where operations of weight 0 are left out
        sparse = network(images)
    torch.testing.assert_close(network(images), sparse, rtol=1e-4, atol=1e-5)
    assert network.supernet.training
    if space == "nasbench201":  # ends in a ReLU already
        assert torch.equal(network(images), network.supernet(images, mix))


@pytest.mark.parametrize("space", SPACES)
def test_a_relu_of_what_was_pruned_parts_no_regions(space, a_run):
    """With pools alone there are as many as in the network that one would train; with all operations there are more."""
    run = a_run(space)
    prunings = prunings_of(run)
    names = {cell: operations for cell, (_, operations) in run.space.mix_labels.items()}
    pools = {
        cell: np.tile([name == "avg_pool_3x3" for name in names[cell]], (edges, 1))
        for cell, (edges, _) in prunings.shapes.items()
    }
    plain = run.space.build(run.space.derive(prunings.mix(pools)), (1, 8, 8), 4, channels=4, cells=prunings.least_cells)
    size = {"channels": 4, "cells": prunings.least_cells}
    networks = [prunings.build(prunings.pruning(kept, 0), (1, 8, 8), 4, **size) for kept in (pools, prunings.whole())]
    counts = []
    for network in (plain, *networks):
        with Rectifiers() as record, torch.no_grad():
            network(torch.rand(4, 1, 8, 8))
        counts.append(len(record.on))
    assert counts[0] + 1 == counts[1] < counts[2]  # and the one before the last pooling


def test_prunings_of_a_draw_share_their_weights_and_draws_do_not(a_run):
    prunings = prunings_of(a_run("nasbench201"))
    whole = prunings.whole()
    less = without(whole, ("cell", 0, 3))

    def first(kept, draw):
        return next(prunings.build(prunings.pruning(kept, draw), (3, 8, 8), 4).supernet.parameters())

    assert torch.equal(first(whole, 0), first(less, 0))
    assert not torch.equal(first(whole, 0), first(whole, 1))
    other = prunings_of(a_run("nasbench201", name="other", seed=1))
    assert not torch.equal(
        first(whole, 0), next(other.build(other.pruning(whole, 0), (3, 8, 8), 4).supernet.parameters())
    )


def test_none_is_left_out_from_the_first_round_on(a_run):
    whole = prunings_of(a_run("nasbench201")).whole()["cell"]
    assert not whole[:, OPERATIONS.index("none")].any()
    assert whole.sum() == 6 * 4


def test_a_supernet_is_deep_enough_for_cells_of_all_types(a_run):
    prunings = prunings_of(a_run("darts"))
    network = prunings.build(prunings.pruning(prunings.whole(), 0), (3, 8, 8), 4, channels=2, cells=1)
    assert {cell.reduction for cell in network.supernet.cells} == {False, True}


# Which one goes


def test_on_nasbench201_the_cheapest_operation_of_each_edge_is_left(a_run):
    estimator, run = tallied(a_run, "nasbench201")
    result = TENAS().search(run)
    TENAS().explain(run, result.trace)
    table = estimator.table["cell"].copy()
    table[:, OPERATIONS.index("none")] = np.inf
    assert list(result.architecture["cell"]) == [OPERATIONS[index] for index in table.argmin(axis=1)]
    picture = (run.folder / "artifacts" / "mix_cell.svg").read_text()
    assert "before the first round" in picture
    assert "after round 3" in picture
    # 6 edges of 4, 3 and 2 operations, each round with the whole; and the found one
    assert estimator.asked == 6 * (4 + 3 + 2) + 3 + 1


def test_on_darts_each_node_keeps_the_two_edges_that_cost_least(a_run):
    estimator, run = tallied(a_run, "darts")
    found = TENAS().search(run).architecture
    for cell, table in estimator.table.items():
        best, first = table.min(axis=1), 0
        for node, pairs in enumerate(found[cell]):
            states = range(node + 2)
            cheapest = sorted(sorted(states, key=lambda state: best[first + state])[:2])
            assert [state for _, state in pairs] == cheapest
            chosen = [run.space.operations[table[first + state].argmin()] for state in cheapest]
            assert [name for name, _ in pairs] == chosen
            first += len(states)


def test_several_may_go_in_a_round_and_one_always_stays():
    kept = {"cell": np.array([[1, 1, 1], [0, 1, 1]], dtype=bool)}
    places = operations(kept)
    rest = pruned(kept, places, np.array([1.0, 2.0, 3.0, 1.0, 2.0]), per_round=2)
    assert rest["cell"].tolist() == [[False, False, True], [False, False, True]]
    assert kept["cell"].sum() == 5


class Given:
    """Scores (prunings, repeats, objectives) in the place of measured ones: whole first, then each removal."""

    reason = ""

    def __init__(self, before, after):
        self.answers = [np.array([before], dtype=float), np.array(after, dtype=float)]

    def costs(self, some, number):
        return self.answers.pop(0)


def test_equal_changes_share_a_rank_and_ranks_are_added():
    """Changes of the first score: -50 %, 0, +0.04 % (0 to three decimals), +50 %; of the second: 0, -10 %, 0, 0."""
    kept = {"cell": np.ones((1, 4), dtype=bool)}
    after = [[[50, 10]], [[100, 9]], [[100.04, 10]], [[150, 10]]]
    sums = TENAS(precision=3).ranked(Given([[100, 10]], after), kept, operations(kept), 0)
    assert np.floor(sums).tolist() == [1 + 2, 2 + 1, 2 + 2, 3 + 2]
    assert sums.argmin() == 0  # of equal sums, the foremost score decides


def test_changes_are_averaged_over_draws_of_their_own_size():
    kept = {"cell": np.ones((1, 2), dtype=bool)}
    before = [[1.0], [1000.0]]
    after = [[[2.0], [1000.0]], [[1.0], [1500.0]]]  # +100 % and 0; 0 and +50 %
    sums = TENAS().ranked(Given(before, after), kept, operations(kept), 0)
    assert sums.argmin() == 1


# What a person may meet


def test_what_cannot_be_scored_ends_the_search_at_its_first_question(a_run):
    _, run = tallied(a_run, "nasbench201", broken=True)
    with pytest.raises(RunError, match="the supernet cannot be scored: ValueError: no tally today"):
        TENAS().search(run)


def test_a_table_has_no_prunings(shared_data, monkeypatch, tmp_path):
    monkeypatch.setenv("NASFORGE_DATA", str(shared_data("nasbench201.npz").parent))
    words = ["strategy=te_nas", "space=nasbench201", "estimator=tabular", "retrain.seeds=0"]
    with pytest.raises(NasforgeError, match="and estimator 'tabular' knows only the space's architectures"):
        experiment.search(compose(words).config, tmp_path / "run")


def test_constraints_would_be_ignored_so_they_are_refused(tmp_path):
    words = ["strategy=te_nas", "space=nasbench201", "constraints=['linear_regions>=10']"]
    with pytest.raises(OptionError, match="leave constraints= out"):
        experiment.search(compose([*words, "retrain.seeds=0"]).config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_draws_of_weights_are_its_own_to_make(tmp_path):
    words = ["strategy=te_nas", "space=nasbench201", "estimator.zero_cost.seeds=3"]
    with pytest.raises(OptionError, match=r"more seeds would measure the same; strategy\.repeats=3 draws new weights"):
        experiment.search(compose(words).config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_without_time_for_a_round_there_is_no_result(a_run):
    shapes = prunings_of(a_run("nasbench201", name="shapes")).shapes
    run = a_run("nasbench201", Tally(shapes), seconds=1e-9)
    with pytest.raises(RunError, match="before its first round"):
        TENAS().search(run)


def test_a_search_that_is_cut_short_says_so(a_run, monkeypatch):
    estimator, run = tallied(a_run, "nasbench201")
    monkeypatch.setattr(run, "generations", lambda n, name: iter(range(2)))
    result = TENAS().search(run)
    TENAS().explain(run, result.trace)
    table = estimator.table["cell"].copy()
    table[:, OPERATIONS.index("none")] = np.inf
    assert list(result.architecture["cell"]) == [OPERATIONS[index] for index in table.argmin(axis=1)]
    assert any("ended after 2 of 3 rounds" in note for note in run.notes)


def test_scores_of_several_estimators_are_read_in_the_order_of_the_objectives(a_run):
    shapes = prunings_of(a_run("nasbench201", name="shapes")).shapes
    estimator = Tally(shapes, objectives=2)
    run = a_run("nasbench201", estimator)
    reader = Scores(prunings_of(run), run, repeats=2)
    costs = reader.costs([reader.prunings.whole()] * 2, 0)
    assert costs.shape == (2, 2, 2)
    assert (costs == costs[0, 0, 0]).all()


def test_its_own_scores_can_be_had_of_prunings_of_darts(a_run):
    """With and without an edge, and in as many cells as it takes."""
    proxies = ["ntk_condition", "linear_regions"]
    options = {"ntk_batch_size": 4, "region_images": 20, "ntk_channels": 1, "proxies": proxies}
    run = a_run("darts", build("estimator", {"name": "zero_cost", **options}))
    reader = Scores(prunings_of(run), run, repeats=1)
    whole = reader.prunings.whole()
    costs = reader.costs([whole, without(whole, ("normal", 13, slice(None)))], 0)
    assert np.isfinite(costs).all()
    assert (costs[0] != costs[1]).any()
    assert [objective.metric for objective in run.objectives] == proxies
    assert any("at least 3 cells" in note for note in reader.notes())
