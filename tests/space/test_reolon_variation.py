"""The pieces of mutation and crossover of space=reolon, one by one."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from nasforge_plugins.shared.growing_cells import GrowthRates
from nasforge_plugins.space.reolon import variation
from nasforge_plugins.space.reolon.genome import Genome, depth_of, from_text, text_of
from nasforge_plugins.space.reolon.operations import NAMES

EXAMPLE = "0|0|2|0|0|2|0|0  1|0|0|1|1|0|0|0  0|1|0|0|0|0|2|1--1  7"
DEEP = f"{EXAMPLE.partition('--')[0]}  8|0|0|0|0|0|0|0  0|8|0|0|0|0|0|0  0|0|8|0|0|0|0|0--1  7"


def genome(text):
    return from_text(text, "it", NAMES)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_depths_of_triangular_numbers():
    for depth in range(1, 50):
        blocks = depth * (depth + 1) // 2
        assert depth_of(blocks) == depth_of(blocks + depth) == depth


def test_the_smallest_entry_goes_where_more_than_half_are_used():
    crowded = genome("5|4|3|9|2|0|0|0--1  5")
    assert text_of(variation.with_smallest_dropped(crowded, 8), NAMES) == "5|4|3|9|0|0|0|0--1  5"
    assert variation.with_smallest_dropped(crowded, 10) == crowded, "five of ten are not more than half"


def test_edge_mutation_sets_a_power_of_two_and_never_lowers(rng):
    found = Counter()
    for _ in range(3000):
        child = variation.with_edge_mutated(genome("3|0|0|0|0|0|0|0--1  5"), "clinc_3x3", rng)
        found[child.blocks[0][NAMES.index("clinc_3x3")]] += 1
    assert set(found) == {1, 2, 4, 8, 16, 32}
    assert max(found.values()) / min(found.values()) < 1.5
    kept = {variation.with_edge_mutated(genome("3|0|0|0|0|0|0|0--1  5"), NAMES[0], rng).blocks[0][0] for _ in range(99)}
    assert kept == {3, 4, 8, 16, 32}


def test_edge_mutation_prefers_where_the_operation_is(rng):
    at_home = sum(
        variation.with_edge_mutated(genome(EXAMPLE), "skip_connect", rng).blocks[1] != genome(EXAMPLE).blocks[1]
        for _ in range(4000)
    )
    # With 0.7 it moves there, else it was there with 1/2 * 1/3 already; an entry of 1 stays 1 with chance 1/6.
    assert at_home / 4000 == pytest.approx((0.7 + 0.3 / 6) * 5 / 6, abs=0.03)


def test_the_backbone_is_the_last_connection_of_a_node(rng):
    empty = Genome(((0,) * 8,) * 10)
    places = Counter()
    for _ in range(6000):
        child = variation.with_edge_mutated(empty, NAMES[0], rng)
        places[next(place for place, block in enumerate(child.blocks) if any(block))] += 1
    # depth 4: backbone blocks 0, 2, 5, 9; r = 0 hits the last one a second time
    expected = [0.05 + 0.5 * share for share in (0.2, 0, 0.2, 0, 0, 0.2, 0, 0, 0, 0.4)]
    assert [places[n] / 6000 for n in range(10)] == pytest.approx(expected, abs=0.02)


def test_the_first_block_is_swapped_with_another(rng):
    before = genome(EXAMPLE)
    for _ in range(10):
        after = variation.with_first_swapped(before, rng)
        assert after.blocks[0] in before.blocks[1:]
        assert sorted(after.blocks) == sorted(before.blocks)
    one = genome("1|0|0|0|0|0|0|0--1  5")
    assert variation.with_first_swapped(one, rng) == one


def test_flags_move_at_the_seeds_rates(rng):
    before = genome(EXAMPLE)
    after = [variation.with_flags_mutated(before, rng) for _ in range(5000)]
    assert np.mean([mutant.shared != before.shared for mutant in after]) == pytest.approx(0.04, abs=0.01)
    assert np.mean([mutant.dataset != before.dataset for mutant in after]) == pytest.approx(0.24 * 0.9, abs=0.02)
    assert {mutant.dataset for mutant in after} == set(range(10))
    assert {mutant.blocks for mutant in after} == {before.blocks}


def test_a_new_node_begins_with_one_operation(rng):
    grown = variation.grown(genome(EXAMPLE), NAMES, rng)
    assert (grown.depth, grown.blocks[:3], grown.width(3)) == (3, genome(EXAMPLE).blocks, 16)
    assert sorted(grown.blocks[-1]) == [0] * 7 + [16]


def test_shrinking_drops_the_last_node_and_mixes_its_blocks_in():
    seen = set()
    for seed in range(40):
        shrunk = variation.shrunk(genome(EXAMPLE), np.random.default_rng(seed))
        assert shrunk.depth == 1
        seen.add(shrunk.blocks[0])
    own, *dropped = genome(EXAMPLE).blocks
    assert seen == {own, *(tuple((x + y) // 2 for x, y in zip(own, other, strict=True)) for other in dropped)}
    one = genome("1|0|0|0|0|0|0|0--1  5")
    assert variation.shrunk(one, np.random.default_rng(0)) == one


def test_how_often_the_size_changes(rng):
    """Against the formulas of the seed, n = 11 and b = 3, p = 0.55, M = 10; six blocks never shrink."""
    p, mean, n = 0.55, 10, 11
    depths = Counter(variation.resized(genome(EXAMPLE), p, mean, NAMES, rng).depth for _ in range(6000))
    shrinks = 0.75 * p * n / (n + mean) - 4.0 ** (3 - 5)
    grows = (1 - shrinks) * p * mean / (0.75 * n + mean)
    assert [depths[1] / 6000, depths[3] / 6000] == pytest.approx([shrinks, grows], abs=0.02)
    assert min(variation.resized(genome(DEEP), 1.0, mean, NAMES, rng).depth for _ in range(500)) == 3


def test_repair_removes_empty_last_nodes_and_fills_others(rng):
    empty = (0,) * 8
    full = genome("1|0|0|0|0|0|0|0--1  5").blocks[0]
    assert variation.repaired(Genome((full, empty, empty)), NAMES, rng) == Genome((full,))
    filled = variation.repaired(Genome((empty, full, empty)), NAMES, rng)
    assert filled.blocks[1:] == (full, empty)
    assert 1 <= sum(filled.blocks[0]) <= 7
    entries = {sum(variation.repaired(variation.start(), ["skip_connect"], rng).blocks[0]) for _ in range(200)}
    assert entries == set(range(1, 8))
    untouched = genome(EXAMPLE)
    assert variation.repaired(untouched, NAMES, rng) == untouched


def test_crossover_takes_either_number_or_the_smaller_one(rng):
    a, b = genome(DEEP), genome("5|1|1|1|1|1|1|1--0  2")
    for one, other in ((a, b), (b, a)):
        assert variation.crossed_minimum(one, other, rng).blocks == (tuple(map(min, a.blocks[0], b.blocks[0])),)
        children = [variation.crossed_uniform(one, other, rng) for _ in range(200)]
        assert {child.blocks[1:] for child in children} == {a.blocks[1:], ()}, "as long as either"
        for column, (x, y) in enumerate(zip(a.blocks[0], b.blocks[0], strict=True)):
            assert {child.blocks[0][column] for child in children} == {x, y}
        assert {(child.shared, child.dataset) for child in children} == {(1, 7), (0, 7), (1, 2), (0, 2)}


def test_a_mutation_is_a_function_of_its_generator():
    def line():
        rng, one = np.random.default_rng(3), variation.start()
        for _ in range(30):
            one = variation.mutated(one, GrowthRates(resize=0.5, swap=0.5), NAMES, rng).genome
            yield one

    assert list(line()) == list(line())
    assert any(a != b for a, b in pairwise(line()))


def test_only_operations_in_use_appear(rng):
    one = variation.repaired(variation.start(), ["clinc_7x7", "skip_connect"], rng)
    for _ in range(50):
        one = variation.mutated(one, GrowthRates(resize=0.9), ["clinc_7x7", "skip_connect"], rng).genome
    assert {name for _, _, name, _ in one.connections} <= {"clinc_7x7", "skip_connect"}
