"""TS-ENAS's operators, each on its own: crossover keeps kinds and depths, selection fills level by level."""

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from nasforge import Evaluation, OptionError, WeightStore, entries
from nasforge.registry.entry_points import build
from nasforge_plugins.strategy.tsenas import TSENAS
from nasforge_plugins.strategy.tsenas.algorithm import environmental_selection, levels, tournament
from nasforge_plugins.strategy.tsenas.inheritance import Individual, refreshed
from nasforge_plugins.strategy.tsenas.operators import MUTATIONS, crossover, fine_mutation, mutation, pruning

SPACE = build("space", {"name": "tsenas"})


def someone(cost, depth=4, seed=0):
    return Individual(
        Evaluation(SPACE.sample_chain(depth, np.random.default_rng(seed)), {"accuracy": -cost}), cost, depth
    )


def codes(architecture):
    return [code for _, _, code in architecture["chain"]]


def wiring(architecture):
    return [(first, second) for first, second, _ in architecture["chain"]]


def test_crossover_exchanges_cells_of_one_kind_and_keeps_wiring_and_depth():
    rng = np.random.default_rng(0)
    exchanged = 0
    for _ in range(200):
        a, b = SPACE.sample(rng), SPACE.sample(rng)
        child, other = crossover(a, b, SPACE, rng)
        assert (wiring(child), wiring(other)) == (wiring(a), wiring(b))
        assert SPACE.kinds(child) == SPACE.kinds(a)
        assert Counter(codes(child)) + Counter(codes(other)) == Counter(codes(a)) + Counter(codes(b))
        exchanged += child != a
    assert exchanged > 100


def test_the_longer_parents_surplus_cells_stay():
    rng = np.random.default_rng(1)
    short, long = (
        SPACE.read("0 | 0 0 1 | 0 1 1 | 1 2 5 | 0 3 1"),
        SPACE.read("0" + "".join(f" | 0 {i} 2" for i in range(9))),
    )
    seen = {tuple(codes(crossover(short, long, SPACE, rng)[1])) for _ in range(100)}
    assert {of_child[3:] for of_child in seen} == {(2,) * 6}  # three normal cells can be exchanged, and the rest stay
    assert {of_child[:3] for of_child in seen} == {(a, b, c) for a in (1, 2) for b in (1, 2) for c in (1, 2)}


def test_single_point_crossover_exchanges_all_cells_behind_one_point():
    rng = np.random.default_rng(1)
    a, b = (SPACE.read("0" + "".join(f" | 0 {i} {code}" for i in range(5))) for code in (1, 2))
    seen = {tuple(codes(crossover(a, b, SPACE, rng, "single_point")[0])) for _ in range(100)}
    assert seen == {(1,) * kept + (2,) * (5 - kept) for kept in range(5)}


def test_single_point_crossover_exchanges_cells_of_one_kind():
    rng = np.random.default_rng(0)
    for _ in range(100):
        a, b = SPACE.sample(rng), SPACE.sample(rng)
        child, other = crossover(a, b, SPACE, rng, "single_point")
        assert (SPACE.kinds(child), SPACE.kinds(other)) == (SPACE.kinds(a), SPACE.kinds(b))


@pytest.mark.parametrize("off", MUTATIONS)
def test_a_mutation_that_is_off_changes_nothing_of_its_kind(off):
    rng, on = np.random.default_rng(6), tuple(kind for kind in MUTATIONS if kind != off)
    changed = dict.fromkeys(MUTATIONS, 0)
    for _ in range(40):
        parent = SPACE.sample_chain(6, rng)
        child = mutation(parent, SPACE, rng, on)
        changed["cell"] += codes(child) != codes(parent)
        changed["connection"] += wiring(child) != wiring(parent)
        cells = fine_mutation(parent, SPACE, rng, on)["cells"]
        for before, after in zip(parent["cells"], cells, strict=True):
            for node, mutant in zip(before, after, strict=True):
                changed["node"] += node[:2] != mutant[:2]
                changed["edge"] += node[2:] != mutant[2:]
    assert [kind for kind, times in changed.items() if not times] == [off]


def test_without_any_mutation_a_network_stays_as_it_is():
    rng = np.random.default_rng(7)
    parent = SPACE.sample_chain(6, rng)
    assert mutation(parent, SPACE, rng, ("edge", "node")) == fine_mutation(parent, SPACE, rng, ("cell",)) == parent


def test_without_pruning_a_parent_has_one_child_that_keeps_its_nodes():
    rng = np.random.default_rng(8)
    parent = SPACE.sample_chain(6, rng)
    (child,) = TSENAS(pruning=False).refined(parent, SPACE, rng)
    mutated, _ = TSENAS().refined(parent, SPACE, rng)
    nodes = [sum(map(len, architecture["cells"])) for architecture in (parent, child, mutated)]
    assert len(set(nodes)) == 1
    assert TSENAS(pruning=False).candidates == TSENAS().candidates - 4 * 4


def test_mutation_is_of_cells_or_of_one_connection_by_a_fair_coin():
    rng = np.random.default_rng(2)
    of_cells, several = 0, 0
    for _ in range(400):
        parent = SPACE.sample_chain(8, rng)
        child = mutation(parent, SPACE, rng)
        assert SPACE.kinds(child) == SPACE.kinds(parent)
        changed = sum(before != after for before, after in zip(codes(parent), codes(child), strict=True))
        rewired = sum(before != after for before, after in zip(wiring(parent), wiring(child), strict=True))
        assert bool(changed) != bool(rewired)
        assert rewired <= 1
        assert changed <= 4
        of_cells += bool(changed)
        several += changed > 1
    assert chisquare([of_cells, 400 - of_cells]).pvalue > 0.01
    assert several > 100


def test_a_chain_of_one_cell_can_mutate():
    space = build("space", {"name": "tsenas", "min_cells": 1, "max_cells": 1})
    parent = space.read("0 | 0 0 1")
    children = {tuple(codes(mutation(parent, space, np.random.default_rng(seed)))) for seed in range(20)}
    assert children == {(1,), (2,), (3,), (4,)}


def test_every_tournament_is_between_two_and_won_by_the_fitter():
    population = [someone(cost, seed=i) for i, cost in enumerate((0.4, 0.1, 0.3, 0.2))]
    rng = np.random.default_rng(3)
    wins = Counter(winner for _ in range(4000) for winner in tournament(population, 1, rng))
    # Of the six pairs the best wins three, the next two, the third one, the worst none.
    order = sorted(population, key=lambda individual: individual.cost)
    assert (
        chisquare([wins[individual.architecture] for individual in order[:3]], [2000, 4000 / 3, 2000 / 3]).pvalue > 0.01
    )
    assert wins[order[3].architecture] == 0


def test_offspring_come_in_threes_cut_to_the_number_asked_for():
    population = [someone(i, seed=i) for i in range(5)]
    parents = {individual.architecture for individual in population}
    unchanged = TSENAS(population=7, crossover_rate=0.0, mutation_rate=0.0)
    children = unchanged.offspring(population, SPACE, np.random.default_rng(4))
    assert len(children) == 7
    assert set(children) <= parents
    mutated = TSENAS(population=300, crossover_rate=0.0, mutation_rate=1.0)
    children = mutated.offspring(population, SPACE, np.random.default_rng(4))
    assert sum(child not in parents for child in children) == 100  # the third of each three


def test_levels_are_measured_from_their_best_not_from_neighbour_to_neighbour():
    costs = [-0.900, -0.897, -0.894, -0.891, -0.700]
    made = levels([someone(cost) for cost in reversed(costs)], 0.005)
    assert [[individual.cost for individual in level] for level in made] == [
        [-0.900, -0.897],
        [-0.894, -0.891],
        [-0.700],
    ]


def test_selection_prefers_depths_that_few_survivors_have():
    level = [someone(-0.90, 4), someone(-0.899, 4), someone(-0.898, 4), someone(-0.897, 6), someone(-0.896, 8)]
    chosen = environmental_selection([*level, someone(-0.5, 12)], 3, 0.005)
    assert [survivor.depth for survivor in chosen] == [4, 6, 8]
    assert chosen[0].cost == -0.90  # among equals of density the fitter one
    assert [survivor.depth for survivor in environmental_selection(level, 4, 0.005)] == [4, 6, 8, 4]


def test_a_better_level_survives_whole_before_the_next_one():
    better = [someone(-0.9, 4), someone(-0.9, 4)]
    worse = [someone(-0.8, 4), someone(-0.8, 9)]
    chosen = environmental_selection([*worse, *better], 3, 0.005)
    assert chosen == [*better, worse[1]]


def test_those_that_could_not_be_estimated_come_last():
    broken, sound = someone(float("inf"), 9), someone(-0.1, 4)
    assert environmental_selection([broken, broken, sound], 1, 0.005) == [sound]


def test_fine_mutation_edits_every_cell_once():
    rng = np.random.default_rng(5)
    operations, cells = 0, 0
    for _ in range(60):
        parent = SPACE.sample(rng)
        child = fine_mutation(parent, SPACE, rng)
        assert child["chain"] == parent["chain"]
        for before, after in zip(parent["cells"], child["cells"], strict=True):
            changed = [(i, j) for i, node in enumerate(before) for j in range(4) if node[j] != after[i][j]]
            assert len(changed) == 1
            operations += changed[0][1] >= 2
            cells += 1
    assert chisquare([operations, cells - operations]).pvalue > 0.01


def test_pruning_takes_one_node_of_one_cell_until_none_can_go():
    rng = np.random.default_rng(6)
    architecture = SPACE.read("0 | 0 0 3 | 0 1 3 | 1 2 7 | 0 3 3")
    sizes = []
    while True:
        child = pruning(architecture, SPACE, rng)
        if child == architecture:
            break
        sizes.append(sum(any(node) for cell in child["cells"] for node in cell))
        architecture = child
    assert sizes == list(range(15, 3, -1))  # sixteen nodes at first, one of each cell at last


def trained(chain, seed=0):
    """A chain with its network's tensors, as a population's network leaves them."""
    torch.manual_seed(seed)
    architecture = SPACE.read(chain)
    return architecture, SPACE.build(architecture, (1, 8, 8), 10, channels=4).state_dict()


def first_of(architecture, tensors, code):
    """The tensors of the first cell with that code, by entry."""
    first = {}
    for name, entry in entries(SPACE, architecture, tensors).items():
        if entry.startswith(f"{code}/"):
            first.setdefault(entry, tensors[name])
    return first


def test_a_refresh_takes_each_cell_from_the_best_that_has_it_and_keeps_the_rest():
    best, next_best = trained("0 | 0 0 1 | 0 1 1 | 1 2 1 | 0 3 1", 1), trained("0 | 0 0 1 | 0 1 2 | 1 2 2 | 0 3 2", 2)
    old = trained("0 | 0 0 3 | 0 1 3 | 1 2 3 | 0 3 3", 3)
    store = refreshed(WeightStore({}, {}), SPACE, [old])
    newest = refreshed(store, SPACE, [best, next_best])
    for network, code in ((best, 1), (next_best, 2), (old, 3)):
        expected = first_of(*network, code)
        assert expected
        assert all(torch.equal(newest.tensors[entry], value) for entry, value in expected.items())
    assert len(store) < len(newest)


def test_a_refresh_reads_no_more_networks_than_it_needs():
    network = trained("0 | 0 0 1 | 0 1 1 | 1 2 1 | 0 3 1")
    store = refreshed(WeightStore({}, {}), SPACE, [network])

    def ranked():
        yield network
        raise AssertionError("every entry is new after the first network")

    assert len(refreshed(store, SPACE, ranked())) == len(store)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"population": 1}, "population"),
        ({"population": 4, "fine_population": 5}, "fine_population=5 is more than strategy.population=4"),
        ({"crossover_rate": 1.2}, "crossover_rate"),
        ({"mutation_rate": -0.1}, "mutation_rate"),
        ({"threshold": -1.0}, "threshold"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, sentence):
    with pytest.raises(OptionError, match=sentence):
        build("strategy", {"name": "tsenas", **options})


def test_the_papers_sizes_are_counted():
    strategy = TSENAS(population=100, generations=100, fine_population=30, fine_generations=50, from_scratch=0)
    assert strategy.candidates == 100 + 100 * 100 + 2 * 30 * 50
