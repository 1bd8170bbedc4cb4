"""space=reolon: the genome's text, what is refused and where, the worked example of the seed, its network."""

import json

import numpy as np
import pytest
import torch

from nasforge import Architecture, ArchitectureError, OptionError, UnknownNameError
from nasforge.registry.entry_points import build
from nasforge.testing import SpaceContract
from nasforge_plugins.shared.growing_cells import GrowingCells, GrowthRates
from nasforge_plugins.space.reolon import Reolon
from nasforge_plugins.space.reolon.network import CellSequence, GrowingCell
from nasforge_plugins.space.reolon.operations import NAMES, OPERATIONS

EXAMPLE = "0|0|2|0|0|2|0|0  1|0|0|1|1|0|0|0  0|1|0|0|0|0|2|1--1  7"
CIFAR = tuple(name for name in NAMES if name != "skip_connect")


class TestReolon(SpaceContract):
    @pytest.fixture
    def space(self):
        return build("space", {"name": "reolon"})


class TestReolonOfFewOperations(SpaceContract):
    """The other value of every option."""

    @pytest.fixture
    def space(self):
        few = ["max_pool_3x3", "clinc_7x7"]
        return build("space", {"name": "reolon", "operations": few, "pooling": "always", "cells": 2})


@pytest.fixture(scope="module")
def space():
    return Reolon()


# Text


def test_the_worked_example_goes_round(space):
    example = space.read(EXAMPLE)
    assert example == space.presets["example"]
    assert str(example) == EXAMPLE
    assert space.read(json.dumps(example.to_json())) == example
    assert (example["shared"], example["dataset"]) == ((1,), (7,))
    ((first, *_),) = example["cells"]
    assert dict(zip(NAMES, first, strict=True)) == {**dict.fromkeys(NAMES, 0), "dil_conv_7x7": 2, "clinc_7x7": 2}


def test_columns_are_found_by_name_whatever_their_order(space):
    turned = Reolon(operations=tuple(reversed(NAMES)))
    example = turned.validate(space.read(EXAMPLE))
    assert example == space.read(EXAMPLE), "a value means the same under every option"
    assert str(example).startswith("0|0|2|0|0|2|0|0  0|0|0|1|1|0|0|1  ")
    assert turned.read(str(example)) == example


def test_the_fourth_column_of_the_cifar_run_is_not_skip():
    """The published code read columns in the order of the full table, and so made it a skip."""
    found = Reolon(operations=CIFAR).read("0|0|0|4|0|0|0--1  5")
    assert dict(zip(NAMES, found["cells"][0][0], strict=True))["clinc_3x3"] == 4


def test_a_chain_goes_round(space):
    chain = space.chain([space.read(EXAMPLE), space.read("0|0|0|3|0|0|0|0--0  2")])
    assert str(chain) == f"{EXAMPLE} + 0|0|0|3|0|0|0|0--0  2"
    assert space.read(str(chain)) == chain
    assert len(space.draw(chain)) == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("0|0|2|0|0|2|0--1  5", "block 1 of the genome has 7 entries; one for each of 8 operations"),
        ("0|0|2|0|0|2|0|x--1  5", "entry max_pool_3x3 of block 1 of the genome is 'x'; an integer"),
        ("0|0|-2|0|0|2|0|0--1  5", "entry dil_conv_7x7 of block 1 of the genome is -2; an integer from 0 to 1024"),
        ("0|0|5000|0|0|2|0|0--1  5", "entry dil_conv_7x7 of block 1 of the genome is 5000"),
        ("0|0|2|0|0|2|0|0", "the genome must end in `--SHARED  DATASET`"),
        ("0|0|2|0|0|2|0|0--2  5", "SHARED of the genome is 2"),
        ("0|0|2|0|0|2|0|0--1  11", "DATASET of the genome is 11; an integer from 0 to 10"),
        ("0|0|2|0|0|2|0|0  1|0|0|0|0|0|0|0--1  5", r"the genome has 2 blocks; 1, 3, 6, 10"),
        ("0|0|0|0|0|0|0|0--1  5", r"node 1 of the genome has no operation: block 1"),
        (f"{EXAMPLE} + 0|0|0|0|0|0|0--1  5", "block 1 of cell 2 of the chain has 7 entries"),
    ],
)
def test_an_error_names_block_and_entry(space, text, complaint):
    with pytest.raises(ArchitectureError, match=complaint):
        space.read(text)


def test_an_empty_inner_node_is_named(space):
    with pytest.raises(ArchitectureError, match="node 2 of the genome has no operation: blocks 2 to 3"):
        space.read("1|0|0|0|0|0|0|0  0|0|0|0|0|0|0|0  0|0|0|0|0|0|0|0--1  5")


def test_an_operation_that_is_left_out_is_named(space):
    with pytest.raises(ArchitectureError, match=r"skip_connect of block 2 of the genome is 1, and space\.operations"):
        Reolon(operations=CIFAR).validate(space.read(EXAMPLE))
    assert not Reolon(operations=CIFAR).presets


@pytest.mark.parametrize("cells", [3, [3], []])
def test_genes_of_another_shape_are_refused(space, cells):
    flags = [] if cells == [] else [1]
    with pytest.raises(ArchitectureError, match="list"):
        space.validate(Architecture.of("reolon", {"cells": cells, "shared": flags, "dataset": flags}))


def test_options_that_do_not_fit():
    with pytest.raises(UnknownNameError, match=r"'skip_conect'\. Did you mean 'skip_connect'"):
        build("space", {"name": "reolon", "operations": ["skip_conect"]})
    for names in ([], ["skip_connect", "skip_connect"]):
        with pytest.raises(OptionError, match="each operation once"):
            build("space", {"name": "reolon", "operations": names})


# Networks


def test_the_worked_example_has_the_seeds_shapes():
    space = Reolon(pooling="always")
    cell = space.cell_module(space.presets["example"], 3)
    assert cell(torch.rand(2, 3, 32, 32)).shape == (2, 7, 15, 15)
    assert space.cell_width(space.presets["example"]) == 7
    assert space.total_channels(space.presets["example"]) == 4 + 3 + 4
    assert space.draw(space.presets["example"])[0].nodes == ("input", "1 · 4 ch", "2 · 7 ch")


def test_a_cell_pools_large_maps_only(space):
    example = space.presets["example"]
    for side, left in ((32, 32), (50, 50), (51, 25)):
        assert space.cell_module(example, 3)(torch.rand(2, 3, side, side)).shape[2:] == (left, left)


def test_parameters_of_the_worked_example_counted_by_hand(space):
    def separable(kernel, before, after):
        return before * kernel**2 + before * after + 2 * after

    def clinc(kernel, features, before, after):
        own = features // 16
        return before * own * kernel**2 + 2 * own + (features + 1) * after + (before + 1) * after

    first = separable(7, 3, 2) + clinc(7, 128, 3, 2)  # 0 -> 1
    second = separable(3, 3, 1) + (3 * 1 + 2) + clinc(3, 64, 3, 1)  # 0 -> 2: the skip changes the width
    third = separable(5, 4, 1) + (4 * 9 * 2 + 2 * 2) + (4 * 9 * 1 + 2 * 1)  # 1 -> 2: so do both pools
    network = space.build(space.presets["example"], (3, 32, 32), 10)
    assert sum(p.numel() for p in network.parameters()) == first + second + third + (7 + 1) * 10


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [(3, 5), (4, 4)])
def test_operations_change_channels_and_keep_the_map(name, channels):
    before, after = channels
    layer = OPERATIONS[name](before, after)
    for side in ((9, 9), (3, 4), (1, 1)):
        assert layer(torch.rand(2, before, *side)).shape == (2, after, *side)


def test_a_node_is_the_concatenation_of_what_arrives(space):
    """A cell of plain pools alone, whose answer is put together from the tensors themselves."""
    genome = space._cells(space.read("0|0|0|0|0|0|3|0  0|0|0|0|0|0|0|3  0|0|0|0|0|0|0|3--1  5"))[0]
    x = torch.rand(2, 3, 6, 6)
    average = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    largest = torch.nn.functional.max_pool2d(x, 3, 1, 1)
    after = torch.nn.functional.max_pool2d(average, 3, 1, 1)
    torch.testing.assert_close(GrowingCell(genome, 3, "large")(x), torch.cat([largest, after], 1))


def test_nodes_that_lead_nowhere_are_not_built(space):
    genome = space._cells(space.read("0|0|0|0|0|0|3|0  0|0|0|2|0|0|0|0  0|0|0|0|0|0|0|0--1  5"))[0]
    assert list(GrowingCell(genome, 3, "large").operations) == ["0_2_skip_connect"]


def test_chained_cells_read_the_image_again(space):
    cell = space._cells(space.presets["example"])[0]
    chain = CellSequence([cell, cell], 3, "always")
    images = torch.rand(2, 3, 32, 32)
    first = chain.cells[0](images)
    shrunk = torch.nn.functional.adaptive_avg_pool2d(images, 15)
    torch.testing.assert_close(chain(images), chain.cells[1](torch.cat([first, shrunk], 1)))
    copies = space.build(space.presets["example"], (3, 16, 16), 10, cells=3)
    assert len(copies.features.cells) == 3
    with pytest.raises(OptionError, match="not cells=0"):
        space.build(space.presets["example"], (3, 16, 16), 10, cells=0)


def test_flags_do_not_change_the_network(space):
    other = space.read(EXAMPLE.replace("--1  7", "--0  2"))
    assert other != space.presets["example"]
    assert space.function_key(other) == space.function_key(space.presets["example"])


# The ability


def test_it_grows(space):
    assert isinstance(space, GrowingCells)
    rng, rates = np.random.default_rng(0), GrowthRates(resize=0.55, swap=0.2)
    first = one = space.first_cell(rates, rng)
    for _ in range(60):
        one, operation = space.mutate_with(one, rates, rng)
        assert operation is None or operation in space.operation_names
        assert space.validate(one) == one
    assert space.length(one) > space.length(first)


def test_a_mutation_of_a_chain_touches_one_cell(space):
    rng = np.random.default_rng(0)
    chain = space.chain([space.sample(rng) for _ in range(3)])
    for _ in range(20):
        child, _ = space.mutate_with(chain, GrowthRates(resize=0.5), rng)
        assert sum(a != b for a, b in zip(child["cells"], chain["cells"], strict=True)) <= 1


def test_operations_are_drawn_by_their_weight(space):
    weights = dict.fromkeys(NAMES, 1e-09) | {"clinc_3x3": 1.0}
    rng, rates = np.random.default_rng(0), GrowthRates(operation_weights=weights)
    drawn = {space.mutate_with(space.presets["example"], rates, rng)[1] for _ in range(50)}
    assert drawn == {"clinc_3x3", None}
