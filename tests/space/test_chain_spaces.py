"""Spaces nasbench_macro, mnasnet, fbnet and once_for_all: published counts and parameters, notations, the contract."""

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch

from nasforge import ArchitectureError, DataError, find_table, network_size
from nasforge.registry.entry_points import build
from nasforge.testing import SpaceContract
from nasforge_plugins.space.mnasnet import WIDTHS


def space_of(name, **options):
    return build("space", {"name": name, **options})


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def on_meta(space, architecture, shape, classes):
    with torch.device("meta"):
        return space.build(architecture, shape, classes)


def column(table, metric):
    return table.values(next(column for column in table.columns if column.metric == metric))


class TestNASBenchMacroContract(SpaceContract):
    @pytest.fixture
    def space(self):
        return space_of("nasbench_macro", channels=4)


class TestMnasNetContract(SpaceContract):
    @pytest.fixture
    def space(self):
        return space_of("mnasnet")


class TestFBNetContract(SpaceContract):
    @pytest.fixture
    def space(self):
        return space_of("fbnet")


class TestOnceForAllContract(SpaceContract):
    @pytest.fixture
    def space(self):
        return space_of("once_for_all")


@pytest.mark.parametrize(
    ("name", "count", "table"),
    [
        ("nasbench_macro", 3**8, "nasbench_macro"),
        ("mnasnet", 36**6 * 48, "accel_nasbench"),
        ("fbnet", 9**22, "help_fbnet"),
        ("once_for_all", 3**45 * 25, "help_ofa"),
    ],
)
def test_the_published_counts(name, count, table):
    assert math.prod(map(int, space_of(name).cardinalities)) == count
    assert find_table(table).cardinalities == space_of(name).cardinalities


# NAS-Bench-Macro


def test_networks_of_nasbench_macro_have_the_published_sizes():
    space, table = space_of("nasbench_macro"), find_table("nasbench_macro")
    best = space.presets["best_cifar10"]
    row = table.row(space.encode(best))
    size = network_size(space.build(best, (3, 32, 32), 10), (3, 32, 32))
    assert (size["params_m"], size["macs_m"]) == (column(table, "params_m")[row], column(table, "macs_m")[row])
    for row in np.random.default_rng(0).choice(table.rows, 8, replace=False):
        architecture = space.decode(np.array(np.unravel_index(row, table.cardinalities)))
        with torch.device("meta"):
            network = space._network(architecture, (3, 32, 32), 10)
        assert parameters(network) == round(1e6 * column(table, "params_m")[row])


def test_the_key_of_nasbench_macro():
    space = space_of("nasbench_macro")
    architecture = space.read("02012100")
    assert str(architecture) == "02012100"
    assert architecture["layers.1"] == "mb6_5x5"
    assert space.from_notation("0201210") is None


# Accel-NASBench


def test_all_networks_of_accel_nasbench_have_the_published_parameters():
    """Each stage's parameters are counted in a network that has it; they do not depend on other stages' options."""
    space, table = space_of("mnasnet"), find_table("accel_nasbench")
    shapes = np.array(space.cardinalities).reshape(-1, 4)
    counts = np.zeros((len(WIDTHS), 48), dtype=np.int64)
    for option in range(48):
        codes = np.minimum(option, shapes.prod(axis=1) - 1)
        digits = [np.unravel_index(code, shape) for code, shape in zip(codes, shapes, strict=True)]
        network = on_meta(space, space.decode(np.concatenate(digits)), (3, 224, 224), 1000)
        ends = np.cumsum([0, *(depth + 1 for _, _, depth, _ in digits)])
        for stage, (start, end) in enumerate(pairwise(ends)):
            counts[stage, codes[stage]] = parameters(network.layers[start:end])
    around = parameters(network) - parameters(network.layers)
    rows = table.vectors.reshape(-1, len(WIDTHS), 4)
    codes = [np.ravel_multi_index(tuple(rows[:, stage].T), shapes[stage]) for stage in range(len(WIDTHS))]
    totals = around + sum(counts[stage, code] for stage, code in enumerate(codes))
    assert (np.float32(totals / 1e6) == np.float32(column(table, "params_m"))).sum() == 5125


def test_the_best_network_of_accel_nasbench():
    space, table = space_of("mnasnet"), find_table("accel_nasbench")
    best = space.decode(table.vectors[column(table, "accuracy").argmax()])
    assert str(best) == space.notations[0]
    assert space.read(str(best)) == best
    assert parameters(on_meta(space, best, (3, 224, 224), 1000)) == 5_885_624


# FBNet


def test_the_first_network_of_help():
    space, table = space_of("fbnet"), find_table("help_fbnet")
    first = space.decode(table.vectors[0])
    assert str(first) == space.notations[0]
    assert space.read("7 8 1 8 4 8 8 8 7 4 1 4 7 3 2 7 3 2 4 2 4 5") == first
    assert first["layers"][:3] == ("k5_e6", "skip", "k3_e1_g2")
    large, small = (on_meta(space, first, (3, side, side), 100) for side in (224, 32))
    assert parameters(large) - parameters(small) == (1984 - 1504) * (352 + 2 + 100)  # the head and the classifier


# Once-for-All


def test_networks_of_once_for_all():
    space, table = space_of("once_for_all"), find_table("help_ofa")
    first = space.decode(table.vectors[0])
    assert str(first) == space.notations[0]
    assert space.read(str(first)) == first
    (graph,) = space.draw(first)
    assert (len(graph.nodes), graph.nodes[0]) == (11, "24 channels: k7 e6")
    unused = table.vectors[0].copy()
    unused[2] = 0  # the kernel of the first stage's third block, and its depth is two
    assert space.function_key(space.decode(unused)) == space.function_key(first)
    assert len({space.function_key(space.decode(vector)) for vector in table.vectors}) == 5000


def test_the_resolution_scales_the_images():
    space = space_of("once_for_all")
    half, full = (space.read(f"k{'3' * 20}-e{'3' * 20}-d22222-r{size}") for size in (128, 224))
    small, large = (network_size(space.build(each, (3, 224, 224), 10), (3, 224, 224)) for each in (half, full))
    assert small["params_m"] == large["params_m"]
    assert small["macs_m"] / large["macs_m"] == pytest.approx((128 / 224) ** 2, rel=0.03)


# Within a table


def test_a_search_among_a_tables_rows_never_leaves_them():
    space, table, rng = space_of("fbnet", among="help_fbnet"), find_table("help_fbnet"), np.random.default_rng(0)
    rows = {tuple(vector) for vector in table.vectors.tolist()}
    a, b = space.sample(rng), space.sample(rng)
    for architecture in (a, b, space.mutate(a, rng), space.crossover(a, b, rng)):
        assert tuple(space.encode(architecture).tolist()) in rows
    distances = np.sort((table.vectors != space.encode(a)).sum(axis=1))
    mutants = {space.mutate(a, rng) for _ in range(60)}
    assert len(mutants) > 3
    assert max((space.encode(mutant) != space.encode(a)).sum() for mutant in mutants) <= distances[8]


def test_a_table_of_another_space_is_refused():
    with pytest.raises(DataError, match=r"has no sample of this space 'fbnet', but 5,125 .* of space 'mnasnet'"):
        space_of("fbnet", among="accel_nasbench").sample(np.random.default_rng(0))


def test_a_search_outside_of_a_sample_is_warned_of():
    estimator = build("estimator", {"name": "tabular", "table": "accel_nasbench", "dataset": "imagenet"})
    with pytest.warns(UserWarning, match="space.among=accel_nasbench, in spaces that have it"):
        estimator.check(space_of("mnasnet"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.check(space_of("mnasnet", among="accel_nasbench"))


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("mnasnet", "e4k3d3-e4k5d3-e6k3d3se-e6k5d1se-e6k5d3se-e6k5d3-e6k5d4se", "has 28 integers below"),
        ("fbnet", "9" * 22, "has 22 integers below"),
        ("once_for_all", f"k{'4' * 20}-e{'3' * 20}-d22222-r128", "has 46 integers below"),
    ],
)
def test_wrong_notations(name, text, sentence):
    with pytest.raises(ArchitectureError, match=sentence):
        space_of(name).read(text)
