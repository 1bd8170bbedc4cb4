"""Both layers of the encoding of space=tsenas: the worked example, the known cells, what is refused and where."""

import json

import numpy as np
import pytest

from nasforge import Architecture, ArchitectureError, OptionError, UnknownNameError, WeightInheritance
from nasforge.registry.entry_points import build
from nasforge.testing import SpaceContract
from nasforge_plugins.shared.cell_chain import CellChain
from nasforge_plugins.space.darts import DARTS
from nasforge_plugins.space.tsenas import TSENAS
from nasforge_plugins.space.tsenas.known import NAMES, OPERATIONS

EXAMPLE = "0 | 0 0 2 | 0 1 6 | 1 2 1 | 0 3 7 | 2 4 4"
PAPERS = {1: "AmoebaNet_A", 2: "NASNet_A", 3: "DARTS_V2", 4: "CARS_H"}


class TestTSENAS(SpaceContract):
    @pytest.fixture
    def space(self):
        return build("space", {"name": "tsenas"})


class TestNarrowTSENAS(SpaceContract):
    """The other value of every option."""

    @pytest.fixture
    def space(self):
        options = {"min_cells": 1, "max_cells": 5, "reductions": 1, "widening": 2, "previous_input": True}
        cells = {"darts": "V1", "amoebanet": "google", "dil_conv_5x5": False, "channels": 4}
        return build("space", {"name": "tsenas", **options, **cells})


@pytest.fixture(scope="module")
def space():
    return TSENAS()


def test_it_has_the_abilities_of_a_chain(space):
    assert isinstance(space, CellChain)
    assert isinstance(space, WeightInheritance)
    assert space.depths == (4, 12)


# The first layer


def test_the_worked_example_goes_round(space):
    example = space.read(EXAMPLE)
    assert example["chain"] == ((0, 0, 2), (0, 1, 6), (1, 2, 1), (0, 3, 7), (2, 4, 4))
    assert space.kinds(example) == ("normal", "reduction", "normal", "reduction", "normal")
    assert str(example) == EXAMPLE
    assert space.read(EXAMPLE.replace("| ", "")) == example
    assert space.read(EXAMPLE.replace("| ", "").replace(" ", ",")) == example
    assert space.read(json.dumps(example.to_json())) == example


def test_json_may_leave_the_known_cells_out(space):
    example = space.read(EXAMPLE)
    genes = {"chain": example["chain"]}
    assert space.read(json.dumps(Architecture.of("tsenas", genes).to_json())) == example


def test_edited_cells_are_written_out_and_read_back(space):
    rng = np.random.default_rng(0)
    edited = space.prune_node(space.mutate_operation(space.read(EXAMPLE), 2, rng), 4, rng)
    assert str(edited).startswith("0 | 0 0 2 | 0 1 6 [(0,1) (")
    assert "(0,0,0,0)" in str(edited)
    assert str(edited).endswith(" 0] | 2 4 4")
    assert space.read(str(edited)) == edited
    assert space.read(json.dumps(edited.to_json())) == edited


def test_a_value_means_the_same_under_other_options(space):
    other = TSENAS(darts="V1", dil_conv_5x5=False)
    example = space.read(EXAMPLE)
    assert other.validate(example) == example
    assert other.read(str(other.validate(example))) == example, "cells that are not the known ones are written out"


# The second layer


def as_pairs(cell):
    """Nodes as the DARTS space writes them: (operation, state), by state."""
    named = [
        [(OPERATIONS[first], first_input), (OPERATIONS[second], second_input)]
        for first_input, second_input, first, second in cell
    ]
    return [sorted(pairs) for pairs in named]


@pytest.mark.parametrize("code", NAMES)
def test_known_cells_are_the_published_genotypes(space, code):
    published = DARTS().presets[PAPERS[(code - 1) % 4 + 1]]["normal" if code <= 4 else "reduce"]
    assert as_pairs(space.known_cells[code]) == [sorted(pairs) for pairs in published]


@pytest.mark.parametrize(
    ("options", "codes", "preset"),
    [({"darts": "V1"}, (3, 7), "DARTS_V1"), ({"amoebanet": "google"}, (1, 5), "AmoebaNet_A_google")],
)
def test_variants_are_published_genotypes_too(options, codes, preset):
    published = DARTS().presets[preset]
    for code, kind in zip(codes, ("normal", "reduce"), strict=True):
        pairs_of_cell = as_pairs(TSENAS(**options).known_cells[code])
        assert pairs_of_cell == [sorted(pairs) for pairs in published[kind]]


def test_the_operation_beyond_the_table_can_be_switched_off():
    with_it, without = TSENAS(), TSENAS(dil_conv_5x5=False)
    assert [code for code, cell in with_it.known_cells.items() if any(14 in node[2:] for node in cell)] == [4]
    assert without.known_cells[4] == ((0, 1, 12, 11), (0, 2, 11, 4), (0, 1, 5, 1), (2, 0, 12, 6))


# Functions


def test_function_keys_see_through_the_writing_of_a_cell(space):
    def with_first(inner):
        return space.read(f"0 | 0 0 1 [{inner}] | 0 1 1 | 1 2 1 | 2 3 1")

    original = with_first("(0,1) (0,1,11,12) (0,2,5,6) (1,1,9,9) 0")
    same = (
        with_first("(0,1) (1,0,12,11) (2,0,6,5) (1,1,9,9) 0"),
        with_first("(0,1) (1,1,9,9) (0,1,11,12) (0,3,5,6) 0"),
        with_first("(0,1) (0,0,0,0) (0,1,11,12) (0,3,5,6) (0,0,0,0) (1,1,9,9) 0"),
    )
    others = (
        with_first("(0,1) (0,1,12,11) (0,2,5,6) (1,1,9,9) 0"),
        with_first("(0,1) (0,1,11,12) (1,2,5,6) (1,1,9,9) 0"),
        with_first("(0,1) (0,1,11,12) (0,1,11,12) (0,2,5,6) (1,1,9,9) 0"),
    )
    assert all(other != original and space.function_key(other) == space.function_key(original) for other in same)
    assert len({space.function_key(other) for other in (original, *others)}) == 4


# Pictures


def test_draw_shows_the_chain_and_each_distinct_cell(space):
    rng = np.random.default_rng(1)
    known = space.read("0 | 0 0 3 | 0 1 7 | 1 2 3 | 2 3 3 | 0 4 3")
    chain, *cells = space.draw(space.mutate_operation(known, 4, rng))
    assert chain.nodes[:3] == ("input", "1 · DARTS normal", "2 · DARTS reduction")
    assert chain.nodes[4] == "4 · DARTS normal, edited"
    assert {(0, 2, ""), (1, 2, ""), (0, 5, ""), (4, 5, ""), (5, 6, "")} <= set(chain.edges)
    assert chain.marked == (2,)
    assert [cell.title for cell in cells] == ["DARTS normal", "DARTS reduction", "DARTS normal as edited in cell 4"]
    assert cells[0].nodes == ("earlier", "previous", "2", "3", "4", "5", "sum")
    assert [edge for edge in cells[0].edges if not edge[2]] == [(3, 6, ""), (4, 6, ""), (5, 6, "")]


def test_pruned_nodes_and_unused_inputs_are_not_drawn(space):
    chain = space.read("0 | 0 0 1 [(0,1) (1,1,9,10) (0,0,0,0) (2,1,1,8) 0] | 0 1 1 | 1 2 1 | 2 3 1")
    _, cell, _ = space.draw(chain)
    assert cell.nodes == ("previous", "2", "4", "sum")
    assert cell.edges == (
        (0, 1, "nor_conv_1x1"), (0, 1, "nor_conv_3x3"), (1, 2, "skip_connect"), (0, 2, "max_pool_7x7"), (2, 3, ""),
    )  # fmt: skip


# What is refused


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0 | 0 0 2 | 0 1 6 | 3 2 1 | 0 3 7",
         "cell 3 of the chain: its earlier input 3 points forward; expected a layer from 0 (the input) to 2"),
        ("0 | 1 0 2 | 0 1 6", "cell 1 of the chain: its earlier input 1 points forward; expected 0, the input layer"),
        ("0 | 0 0 2 | -1 1 6", "cell 2 of the chain: its earlier input -1 is negative"),
        ("0 | 0 0 2 | 0 0 6", "cell 2 of the chain: its second input is 0; expected 1, the cell before it"),
        ("0 | 0 0 2 | 0 1 9 | 1 2 1", "cell 2 of the chain: there is no cell 9; expected one of 1 Amoeba"),
        ("0 | 0 0 2 | 0 1 0 | 1 2 1", "cell 2 of the chain: there is no cell 0"),
        ("0 | 0 0 2 | 0 1 6 | 1 2", "cell 3 of the chain is cut short: it has 2 numbers; expected 3"),
        ("0 0 0 2 0 1 6 1", "cell 3 of the chain is cut short: it has 1 number; expected 3"),
        ("0 | 0 0 2 5 | 0 1 6", "cell 1 of the chain has 4 numbers; expected 3"),
        ("0 | 0 0 2 |", "cell 2 of the chain is cut short: it has 0 numbers"),
        ("0", "field 'chain' of space 'tsenas' must be a list of"),
        ("1 | 0 0 2", "a chromosome begins with 0, the input layer; this one begins with 1"),
        ("0 | 0 0 x", "cell 1 of the chain holds 'x' where an integer was expected"),
        ("0 | 0 0 2 | 0 1 2 | 0 2 2", "the chain has 3 cells; space.min_cells=4 and space.max_cells=12 allow 4 to 12"),
        ("0 | 0 0 5 | 0 1 6 | 0 2 7 | 0 3 1", "cell 3 of the chain is reduction number 3; expected at most 2: half"),
        ("0 | 0 0 5 | 0 1 5 | 0 2 5 | 0 3 1 | 0 4 1 | 0 5 1 | 0 6 1 | 0 7 8",
         "cell 8 of the chain is reduction number 4; expected at most 3: space.reductions=3"),
        ("0 | 0 0 1 [(0,1) (0,1,5,6) 0", "cell 1: the inside of a cell is written in brackets"),
        ("0 | 0 0 1 [(0,1,5,6) 0]", "cell 1 is written '(0,1,5,6) 0'; expected (0,1), a quadruple"),
        ("0 | 0 0 1 [(0,1) (0,1,5,6)]", "expected (0,1), a quadruple (x_i,x_j,o_i,o_j) for each node, and 0"),
        ("0 | 0 0 1 [(0,1) (0,1,5) 0]", "cell 1, node 2 is written '(0,1,5)'"),
        ("0 | 0 0 1 [(0,1) (0,1,5,15) 0]", "cell 1, node 2 has the operation code 15; expected 1 to 14"),
        ("0 | 0 0 1 [(0,1) (0,1,5,0) 0]", "cell 1, node 2 has the operation code 0; expected 1 to 14, or 0 twice"),
        ("0 | 0 0 1 [(0,1) (0,1,5,6) (0,3,1,1) 0]", "cell 1, node 3 takes state 3; expected an earlier one that is not "
         "pruned: 0, 1, 2"),
        ("0 | 0 0 1 [(0,1) (0,1,5,6) (0,0,0,0) (3,1,1,1) 0]", "cell 1, node 4 takes state 3; expected an earlier one"),
        ("0 | 0 0 1 [(0,1) (0,0,0,0) 0]", "cell 1: all of its nodes are pruned"),
    ],
)  # fmt: skip
def test_broken_chromosomes_are_refused_by_position(space, text, sentence):
    with pytest.raises(ArchitectureError) as error:
        space.read(text)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("genes", "sentence"),
    [
        ({}, "field 'chain' of space 'tsenas' must be a list of [earlier input, previous cell, cell code]"),
        ({"chain": ((0, 0, 1),) * 4, "more": 1}, "space 'tsenas' has no field 'more'; its fields are chain, cells"),
        ({"chain": (0, 0, 0, 2)}, "cell 1 of the chain is 0; expected three integers"),
        ({"chain": ((0, 0, True),)}, "cell 1 of the chain is (0, 0, True); expected three integers"),
        ({"chain": ((0, 0, 1),) * 4, "cells": ()}, "field 'cells' holds 0 cells where the chain has 4"),
        ({"chain": ((0, 0, 1),), "cells": ("x",)}, "cell 1: a cell is a list of quadruples"),
        ({"chain": ((0, 0, 1),), "cells": (((0, 1, 1.0, 1),),)}, "cell 1, node 2 is (0, 1, 1.0, 1); expected four int"),
    ],
)
def test_broken_genes_are_refused_by_field_and_position(space, genes, sentence):
    with pytest.raises(ArchitectureError) as error:
        space.validate(Architecture.of("tsenas", genes))
    assert sentence in str(error.value)


def test_more_reductions_than_the_image_allows(space):
    chain = space.read("0 | 0 0 5 | 0 1 1 | 0 2 6 | 0 3 1 | 0 4 1 | 0 5 8")
    with pytest.raises(
        ArchitectureError,
        match=r"cell 6 of the chain is reduction number 3; images of 4x9 pixels allow 2, after which the map is 1x3",
    ):
        space.build(chain, (3, 4, 9), 10)
    space.build(chain, (3, 5, 9), 10, channels=2)


def test_options_that_do_not_go_together():
    with pytest.raises(OptionError, match=r"space\.min_cells=12 is more than space\.max_cells=4"):
        TSENAS(min_cells=12, max_cells=4)


def test_depth_bounds_the_wrong_way_round_stop_the_command(mistake):
    stderr = mistake(
        "strategy=random_search", "space=tsenas", "estimator=training", "space.min_cells=9", "space.max_cells=5"
    )
    assert stderr == (
        "nasforge: space.min_cells=9 is more than space.max_cells=5: the depth of a network is drawn from min_cells to "
        "max_cells"
    )


def test_what_is_no_chromosome_is_no_name_either(space):
    with pytest.raises(UnknownNameError, match="no architecture of space 'tsenas' named 'DARTS_V2'"):
        space.read("DARTS_V2")
