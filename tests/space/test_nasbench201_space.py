"""Cells, vectors and mixing weights of space=nasbench201."""

import itertools
import json

import numpy as np
import pytest
import torch

from nasforge import Architecture, ArchitectureError, OptionError, UnknownNameError
from nasforge.charts.drawing import cell_svg
from nasforge.testing import SpaceContract
from nasforge_plugins.space.nasbench201 import NASBench201
from nasforge_plugins.space.nasbench201.cell import EDGES, OPERATIONS, edge_name

RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
VECTORS = list(itertools.product(range(5), repeat=6))


class TestContract(SpaceContract):
    @pytest.fixture
    def space(self):
        return NASBench201()


@pytest.fixture(scope="module")
def space():
    return NASBench201()


# Reading and writing


def test_every_cell_survives_vector_notation_and_validation(space):
    seen = set()
    for row, vector in enumerate(VECTORS):
        one = space.decode(np.array(vector))
        assert np.ravel_multi_index(tuple(space.encode(one)), space.cardinalities) == row
        assert space.read(str(one)) == one
        assert space.validate(one) == one
        seen.add(one)
    assert len(seen) == 5**6


def test_vectors_follow_the_published_orders(space):
    assert [edge_name(edge) for edge in EDGES] == ["1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2"]
    resnet = space.read(RESNET)
    assert resnet["cell"] == ("nor_conv_3x3", "none", "nor_conv_3x3", "skip_connect", "none", "skip_connect")
    assert space.encode(resnet).tolist() == [3, 0, 3, 1, 0, 1]
    assert str(resnet) == RESNET


def test_samples_and_mutations_draw_what_a_draw_for_each_decision_would(space):
    quick, plain = np.random.default_rng(3), np.random.default_rng(3)
    for _ in range(50):
        vector = plain.integers(space.cardinalities)
        sample = space.sample(quick)
        assert space.encode(sample).tolist() == vector.tolist()
        vector[plain.integers(6)] += plain.integers(1, 5)
        assert space.encode(space.mutate(sample, quick)).tolist() == (vector % 5).tolist()
    assert quick.bit_generator.state == plain.bit_generator.state


def test_a_node_may_list_its_edges_in_any_order(space):
    turned = "|nor_conv_3x3~0|+|nor_conv_3x3~1|none~0|+|skip_connect~2|none~1|skip_connect~0|"
    assert space.read(f"  {turned}\n") == space.read(RESNET)


def test_presets_survive_notation_and_json(space):
    assert space.presets["resnet"] == space.read(RESNET)
    for architecture in space.presets.values():
        assert space.read(str(architecture)) == architecture
        assert space.read(json.dumps(architecture.to_json())) == architecture
    with pytest.raises(UnknownNameError, match="Did you mean 'resnet'"):
        space.read("resnt")


def cell(*names):
    return Architecture.of("nasbench201", {"cell": names})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "|nor_conv_3x3~0|+|none~0|nor_conv_3x33~1|+|skip_connect~0|none~1|skip_connect~2|",
            "edge 2<-1: 'nor_conv_3x33' is not one of none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3. "
            "Did you mean nor_conv_3x3?",
        ),
        (
            "|~0|+|none~0|none~1|+|none~0|none~1|none~2|",
            "edge 1<-0: '' is not one of none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3",
        ),
        (
            "|none~0|+|none~0|none~1|",
            "a cell is 3 parts joined by '+', one for each of the nodes 1, 2 and 3; this has 2",
        ),
        ("|none~0|+|none~0|+|none~0|none~1|none~2|", "edge 2<-1 is missing; expected |OPERATION~0|OPERATION~1|"),
        ("|none~0|+|none~0|none~0|+|none~0|none~1|none~2|", "edge 2<-0 is given twice; expected |OPERATION~0|"),
        ("|none~1|+|none~0|none~1|+|none~0|none~1|none~2|", "node 1 has the edge 'none~1'; expected |OPERATION~0|"),
        ("|none~0|+|none~0|none|+|none~0|none~1|none~2|", "node 2 has the edge 'none'; expected |OPERATION~0|OPE"),
        ("|none~0|+none~0|none~1|+|none~0|none~1|none~2|", "node 2 is written 'none~0|none~1|'; expected |OPERATION"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2", "node 3 is written '|none~0|none~1|none~2'; expected |"),
        ("|", "a cell is 3 parts joined by '+', one for each of the nodes 1, 2 and 3; this has 1"),
        ("|+|+|", "node 1 is written '|'; expected |OPERATION~0|"),
    ],
)
def test_a_broken_string_names_the_edge_or_the_node(space, text, sentence):
    with pytest.raises(ArchitectureError) as error:
        space.read(text)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("architecture", "sentence"),
    [
        (cell("none", "none", "none", "max_pool_3x3", "none", "none"), "edge 3<-0: 'max_pool_3x3' is not one of"),
        (cell("none", "none", "none", 3, "none", "none"), "edge 3<-0: 3 is not one of none, skip_connect"),
        (cell("none", "none", "none", ("none",), "none", "none"), "edge 3<-0: ('none',) is not one of none"),
        (cell("none"), "field 'cell' must be a list of 6 operations, one for each of the edges 1<-0, 2<-0, 2<-1, 3<-0"),
        (Architecture.of("nasbench201", {"cell": "none"}), "field 'cell' must be a list of 6 operations"),
        (Architecture.of("nasbench201", {}), "has the field 'cell' and no other; this one has no field"),
        (Architecture.of("nasbench201", {"cell": (), "size": 3}), "and no other; this one has cell, size"),
        (Architecture.of("darts", {}), "an architecture of space 'darts' does not belong to space 'nasbench201'"),
    ],
)
def test_validation_names_field_and_edge(space, architecture, sentence):
    with pytest.raises(ArchitectureError) as error:
        space.validate(architecture)
    assert sentence in str(error.value)


@pytest.mark.parametrize("vector", [[0] * 5, [0] * 7, [0, 0, 0, 0, 0, 5], [-1, 0, 0, 0, 0, 0]])
def test_vectors_out_of_range(space, vector):
    with pytest.raises(ArchitectureError, match="6 integers from 0 to 4, not"):
        space.decode(np.array(vector))


# What a cell computes


def test_isomorphic_cells_have_one_function_key_and_stay_unequal(space):
    direct = space.read("|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    other = space.read("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|")
    assert space.function_key(direct) == space.function_key(other)
    assert direct != other
    assert len({space.function_key(space.decode(np.array(vector))) for vector in VECTORS}) == 6_466


def computed(space, one, images):
    """Its logits, where every convolution of a size has the same weights and nothing else is left to chance either."""
    network = space.build(one, images.shape[1:], 4, channels=2, cells=1).double().eval()
    kernels = [torch.randn(8, 8, size, size, generator=torch.Generator().manual_seed(size)) for size in (0, 1, 2, 3)]
    draw = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".operations." not in name:
                parameter.copy_(torch.randn(parameter.shape, generator=draw))
            elif parameter.dim() == 4:
                width, _, size, _ = parameter.shape
                parameter.copy_(kernels[size][:width, :width])
        return network(images)


def test_cells_with_one_function_key_compute_the_same(space):
    by_key = {}
    for vector in VECTORS:
        one = space.decode(np.array(vector))
        by_key.setdefault(space.function_key(one), []).append(one)
    several = [cells for cells in by_key.values() if len(cells) > 1]
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for position in np.random.default_rng(0).choice(len(several), 40, replace=False):
        first, *_, last = several[position]
        torch.testing.assert_close(computed(space, first, images), computed(space, last, images))


def test_draw_leaves_none_out(space):
    (graph,) = space.draw(space.read(RESNET))
    assert graph.title == "cell"
    assert graph.nodes == ("0", "1", "2", "3")
    assert graph.edges == (
        (0, 1, "nor_conv_3x3"),
        (1, 2, "nor_conv_3x3"),
        (0, 3, "skip_connect"),
        (2, 3, "skip_connect"),
    )
    (empty,) = space.draw(space.decode(np.zeros(6, int)))
    assert empty.edges == ()
    assert cell_svg(empty).count("<text") >= 4  # a cell of nothing can be looked at


# Mixing weights


def test_mix_softmaxes_once_with_none(space):
    alphas = {"cell": torch.randn(3, 6, 5, dtype=torch.float64)}
    betas = {"cell": torch.randn(3, 6, dtype=torch.float64)}
    plain, weighted = space.mix(alphas)["cell"], space.mix(alphas, betas)["cell"]
    torch.testing.assert_close(plain, alphas["cell"].softmax(-1))
    shares = torch.cat([part.softmax(-1) for part in betas["cell"].split([1, 2, 3], dim=-1)], dim=-1)
    torch.testing.assert_close(weighted, plain * shares[..., None])
    with pytest.raises(ValueError, match=r"alphas\['cell'\] has shape \(6, 4\); space 'nasbench201' expects \(6, 5\)"):
        space.mix({"cell": torch.zeros(6, 4)})


def test_derive_is_the_argmax_of_each_edge_none_included(space):
    for vector in VECTORS[::97]:
        one = space.decode(np.array(vector))
        mix = space.mix_of(one)
        assert mix["cell"].sum(1).tolist() == [1.0] * 6
        assert space.derive(mix) == one
    alphas = torch.zeros(6, 5)
    alphas[torch.arange(6), torch.tensor([0, 4, 3, 2, 1, 0])] = 0.1
    betas = {"cell": torch.tensor([0.0, -9.0, 9.0, 5.0, 0.0, -5.0])}
    for weights in (None, betas):
        assert space.encode(space.derive(space.mix({"cell": alphas}, weights))).tolist() == [0, 4, 3, 2, 1, 0]


def test_ties_keep_the_first_operation_and_rows_of_zeros_are_none(space):
    rows = torch.tensor(
        [[0.2] * 5, [0.1, 0.3, 0.3, 0.2, 0.1], [0.0, 0.1, 0.3, 0.3, 0.3], [0.0] * 5, [0.0] * 5, [0.0] * 5]
    )
    names = [OPERATIONS[choice] for choice in space.encode(space.derive({"cell": rows}))]
    assert names == ["none", "skip_connect", "nor_conv_1x1", "none", "none", "none"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"partial_channels": 4},
            "partial_channels=4 does not work with space 'nasbench201': its cells mix all channels",
        ),
        ({"partial_channels": 4}, "partial_channels=null or 1 would be right"),
        ({"include_none": False}, "include_none=false does not work with space 'nasbench201': `none` is one of its"),
        ({"pool_normalization": True}, "pool_normalization=true does not work with space 'nasbench201': no BatchNorm"),
        ({"channels": 0}, "space.channels=0 must be at least 1"),
        ({"cells": 0}, "space.cells=0 must be at least 1"),
    ],
)
def test_options_that_the_supernet_lacks_are_refused_by_name(space, options, sentence):
    with pytest.raises(OptionError) as error:
        space.supernet((3, 8, 8), 10, **options)
    assert sentence in str(error.value)


def test_a_typo_is_one_sentence_on_the_command_line(mistake):
    typo = RESNET.replace("none~0", "nonne~0")
    said = mistake("retrain", "space=nasbench201", f"architecture='{typo}'")
    assert "edge 2<-0: 'nonne' is not one of none, skip_connect" in said
    assert said.endswith("Did you mean none?")
