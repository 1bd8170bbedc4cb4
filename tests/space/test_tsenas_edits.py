"""The operators of space=tsenas: what each changes, what it keeps, and that generic strategies run on them."""

import json
from collections import Counter

import numpy as np
import pytest

from nasforge import Architecture, ArchitectureError
from nasforge_plugins.space.tsenas import TSENAS, inside

EXAMPLE = "0 | 0 0 2 | 0 1 6 | 1 2 1 | 0 3 7 | 2 4 4"
EDGES = {code: 2 * nodes for code, nodes in {1: 5, 2: 5, 4: 4, 6: 5, 7: 4}.items()}


@pytest.fixture(scope="module")
def space():
    return TSENAS()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def example(space):
    return space.read(EXAMPLE)


def many(edit, *arguments, times=300):
    rng = np.random.default_rng(0)
    return {edit(*arguments, rng) for _ in range(times)}


# Algorithm 3


def test_depths_and_free_inputs_are_uniform_and_kinds_follow_the_algorithm(space, rng):
    sampled = [space.sample(rng) for _ in range(2000)]
    depths = Counter(len(space.kinds(chain)) for chain in sampled)
    assert set(depths) == set(range(4, 13))
    assert min(depths.values()) > 170, "2000 draws over 9 depths"
    fourth = Counter(chain["chain"][3][0] for chain in sampled)
    assert set(fourth) == {0, 1, 2}
    assert min(fourth.values()) > 580
    first = Counter(space.kinds(chain)[0] for chain in sampled)
    assert abs(first["reduction"] - 1000) < 100, "the first cell is any of eight"
    assert {space.kinds(chain).count("reduction") for chain in sampled} == {0, 1, 2, 3}
    assert {chain["chain"][0][2] for chain in sampled} == set(range(1, 9))
    assert all(chain["cells"] == tuple(space.known_cells[code] for _, _, code in chain["chain"]) for chain in sampled)


def test_the_previous_cell_may_be_the_free_input_too(rng):
    space = TSENAS(previous_input=True)
    assert {space.sample(rng)["chain"][2][0] for _ in range(100)} == {0, 1, 2}
    assert {space.sample(rng)["chain"][1][0] for _ in range(100)} == {0, 1}


def test_chains_of_a_given_depth(space, rng):
    assert len(space.kinds(space.sample_chain(7, rng))) == 7
    with pytest.raises(ArchitectureError, match="a chain of space 'tsenas' has 4 to 12 cells, not 13"):
        space.sample_chain(13, rng)


# Algorithm 2


def test_cell_mutation_keeps_kind_and_wiring(space, example):
    children = many(space.mutate_cell, example, 2)
    assert {child["chain"][1] for child in children} == {(0, 1, 5), (0, 1, 7), (0, 1, 8)}
    assert all(child["cells"][1] == space.known_cells[child["chain"][1][2]] for child in children)
    assert {child["chain"][:1] + child["chain"][2:] for child in children} == {
        example["chain"][:1] + example["chain"][2:]
    }


def test_connection_mutation_moves_the_free_input(space, example):
    assert {child["chain"][3] for child in many(space.mutate_connection, example, 4)} == {(1, 3, 7), (2, 3, 7)}
    assert {child["cells"] for child in many(space.mutate_connection, example, 4)} == {example["cells"]}
    assert many(space.mutate_connection, example, 2, times=3) == {example}, "cell 2 has no other layer to choose"


def test_swapped_cells_take_their_insides_along_and_leave_the_wiring(space, example, rng):
    other = space.read("0 | 0 0 8 | 0 1 3 | 1 2 4 | 2 3 1 | 0 4 2 | 3 5 7")
    edited = space.mutate_operation(other, 1, rng)
    first, second = space.swap_cells(example, edited, [(1, 2), (2, 1), (5, 4)])
    assert first["chain"] == ((0, 0, 3), (0, 1, 8), (1, 2, 1), (0, 3, 7), (2, 4, 1))
    assert second["chain"] == ((0, 0, 6), (0, 1, 2), (1, 2, 4), (2, 3, 4), (0, 4, 2), (3, 5, 7))
    assert first["cells"][1] == edited["cells"][0] != space.known_cells[8]
    assert second["cells"][0] == space.known_cells[6]
    assert space.swap_cells(first, second, [(1, 2), (2, 1), (5, 4)]) == (example, edited)


def test_cells_of_two_kinds_are_not_swapped(space, example):
    with pytest.raises(ArchitectureError, match="cells 1 and 2 are of different kinds"):
        space.swap_cells(example, example, [(1, 2)])


def test_crossover_mixes_cells_of_one_kind_in_the_first_parents_wiring(space, rng):
    a, b = space.read("0 | 0 0 1 | 0 1 1 | 0 2 5 | 0 3 1"), space.read("0 | 0 0 2 | 0 1 6 | 1 2 7 | 2 3 2 | 0 4 2")
    children = {space.crossover(a, b, rng)["chain"] for _ in range(100)}
    expected = {((0, 0, a), (0, 1, 1), (0, 2, b), (0, 3, c)) for a in (1, 2) for b in (5, 7) for c in (1, 2)}
    assert children == expected


# Algorithm 4


@pytest.mark.parametrize("position", [1, 2, 3, 4, 5])
def test_edge_mutation_changes_one_operation_of_the_table(space, example, position):
    cell, code = example["cells"][position - 1], example["chain"][position - 1][2]
    children = many(space.mutate_operation, example, position, times=2000)
    changed = set()
    for child in children:
        assert child["chain"] == example["chain"]
        before, after = list(inside.edges(cell)), list(inside.edges(child["cells"][position - 1]))
        ((old, new),) = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        assert old[:3] == new[:3]
        assert new[3] in range(1, 14)
        changed.add(old[:2])
    assert len(changed) == EDGES[code]


def test_node_mutation_takes_an_input_from_another_earlier_state(space):
    parent = space.read("0 | 0 0 1 [(0,1) (0,1,9,9) (0,0,0,0) (2,0,9,9) 0] | 0 1 1 | 1 2 1 | 2 3 1")
    cells = {child["cells"][0] for child in many(space.mutate_input, parent, 1)}
    pruned = (0, 0, 0, 0)
    assert cells == {
        ((1, 1, 9, 9), pruned, (2, 0, 9, 9)),
        ((0, 0, 9, 9), pruned, (2, 0, 9, 9)),
        ((0, 1, 9, 9), pruned, (0, 0, 9, 9)),
        ((0, 1, 9, 9), pruned, (1, 0, 9, 9)),
        ((0, 1, 9, 9), pruned, (2, 1, 9, 9)),
        ((0, 1, 9, 9), pruned, (2, 2, 9, 9)),
    }


def test_pruning_points_consumers_at_the_first_input(space, example):
    cell = ((1, 0, 9, 9), (2, 0, 5, 6), (2, 2, 1, 7), (3, 4, 1, 1))
    assert inside.loose_ends(cell) == (5,)
    pruned = inside.without_node(cell, 2)
    assert pruned == ((0, 0, 0, 0), (1, 0, 5, 6), (1, 1, 1, 7), (3, 4, 1, 1))
    without_last = inside.without_node(pruned, 5)
    assert inside.loose_ends(without_last) == (3, 4), "what fed the pruned node is loose now"
    cells = {child["cells"][0] for child in many(space.prune_node, example, 1)}
    assert cells == {inside.without_node(example["cells"][0], state) for state in range(2, 7)}


def test_the_last_node_stays(space, example, rng):
    chain = example
    for _ in range(10):
        chain = space.prune_node(chain, 3, rng)
    assert len(inside.kept(chain["cells"][2])) == 1
    assert space.validate(chain) == chain
    with pytest.raises(ArchitectureError, match="is the only one of its cell; at least one must stay"):
        inside.without_node(chain["cells"][2], inside.kept(chain["cells"][2])[0])


@pytest.mark.parametrize("position", [0, 6, -1])
def test_positions_that_are_not_there(space, example, rng, position):
    edits = (space.mutate_cell, space.mutate_connection, space.mutate_operation, space.mutate_input, space.prune_node)
    for edit in edits:
        with pytest.raises(ArchitectureError, match=f"there is no cell {position} in a chain of 5 cells"):
            edit(example, position, rng)


# Depth and repair


def test_a_longer_chain_keeps_what_fed_what(space):
    parent = space.read("0 | 0 0 2 | 0 1 6 | 1 2 1 | 0 3 7 | 2 4 4 | 3 5 1")
    for child in many(space.lengthen, parent, 2):
        links = child["chain"]
        assert len(links) == 7
        assert links[:2] == parent["chain"][:2]
        assert links[2][:2] in {(0, 2), (1, 2)}
        assert [link[0] for link in links[3:]] == [1, 0, 2, 4], "layers from 3 on have moved"
        assert child["cells"][3:] == parent["cells"][2:]
    kinds = {space.kinds(child)[2] for child in many(space.lengthen, parent, 2)}
    assert kinds == {"normal", "reduction"}
    longest = space.sample_chain(12, np.random.default_rng(0))
    assert many(space.lengthen, longest, 3, times=3) == {longest}


def test_a_shorter_chain_is_mended(space):
    parent = space.read("0 | 0 0 2 | 0 1 6 | 1 2 5 | 1 3 1 | 0 4 8 | 2 5 4")
    child = space.shorten(parent, 4)
    assert child["chain"] == ((0, 0, 2), (0, 1, 6), (1, 2, 5), (0, 3, 4), (2, 4, 4)), (
        "five cells may have two reductions"
    )
    child = space.shorten(space.read("0 | 0 0 2 | 0 1 6 | 0 2 1 | 2 3 1 | 0 4 1 | 3 5 4"), 2)
    assert child["chain"] == ((0, 0, 2), (0, 1, 1), (1, 2, 1), (0, 3, 1), (2, 4, 4))
    shortest = space.sample_chain(4, np.random.default_rng(0))
    assert space.shorten(shortest, 1) == shortest


def test_repair_turns_inputs_back_and_reductions_into_the_same_papers_normal_cells(space):
    broken = Architecture.of("tsenas", {"chain": [(3, 0, 5), (9, 1, 6), (2, 2, 7), (1, 1, 8), (5, 4, 8)]})
    mended = space.repair(broken)
    assert mended["chain"] == ((0, 0, 5), (0, 1, 6), (2, 2, 3), (1, 3, 4), (3, 4, 4))
    assert space.repair(mended) == mended
    with pytest.raises(ArchitectureError, match="cell 1 of the chain: there is no cell 9"):
        space.repair(Architecture.of("tsenas", {"chain": [(0, 0, 9)]}))


# Strategies that know nothing of it


@pytest.mark.parametrize("strategy", ["random_search", "regularized_evolution", "nsga2"])
def test_generic_strategies_search_it(command, tmp_path, strategy):
    small = {"random_search": [], "regularized_evolution": ["strategy.population=4", "strategy.sample=2"]}
    status, _, complaint = command(
        f"strategy={strategy}", "space=tsenas", "estimator=zero_cost", "estimator.zero_cost.proxies=[params]",
        "estimator.zero_cost.channels=2", "space.max_cells=6",
        "budget.evaluations=12", "retrain.seeds=0", "executor.threads=1",
        f"hydra.run.dir={tmp_path / 'run'}", *small.get(strategy, ["strategy.population=4"]),
    )  # fmt: skip
    assert status == 0, complaint
    rows = json.loads((tmp_path / "run" / "evaluations.json").read_text())
    assert len(rows) == 12
    assert all(row["status"] == "ok" for row in rows), rows
    assert len({row["notation"] for row in rows}) > 6
    drawn = {path.stem for path in (tmp_path / "run").glob("*.svg")}
    assert "chain" in drawn
    assert len(drawn) > 1
    space = TSENAS(max_cells=6)
    architecture = space.read(str(tmp_path / "run" / "architecture.json"))
    assert space.validate(architecture) == architecture
