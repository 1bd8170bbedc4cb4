"""space=transnas_micro and transnas_macro: the published counts, notations and neighbors, and the contract."""

import numpy as np
import pytest

from nasforge import Architecture, ArchitectureError
from nasforge.registry.entry_points import build
from nasforge.testing import SpaceContract
from nasforge_plugins.space.transnas.macro import ALL, adjacent


class TestTransNASMicroContract(SpaceContract):
    @pytest.fixture
    def space(self):
        return build("space", {"name": "transnas_micro"})


class TestTransNASMacroContract(SpaceContract):
    @pytest.fixture
    def space(self):
        return build("space", {"name": "transnas_macro"})


def test_the_published_counts():
    assert np.prod(build("space", {"name": "transnas_micro"}).cardinalities) == 4096
    assert len(ALL) == 3256
    assert [sum(len(digits) == length for digits in ALL) for length in (4, 5, 6)] == [210, 750, 2296]


def test_skeletons_are_in_the_published_order(shared_data):
    with np.load(shared_data("atlas/transnas101_macro.npz")) as arrays:
        assert [tuple(digit for digit in row if digit) for row in arrays["arch"].tolist()] == list(ALL)


def test_the_published_example_of_a_cell():
    space = build("space", {"name": "transnas_micro"})
    cell = space.read("64-41414-1_02_333")
    assert space.encode(cell).tolist() == [1, 0, 2, 3, 3, 3]
    (graph,) = space.draw(cell)
    assert graph.edges == (
        *((0, 1, "skip_connect"), (1, 2, "nor_conv_1x1")),
        *((0, 3, "nor_conv_3x3"), (1, 3, "nor_conv_3x3"), (2, 3, "nor_conv_3x3")),
    )


def test_neighbors_differ_in_one_module():
    assert (min(len(adjacent(digits)) for digits in ALL), max(len(adjacent(digits)) for digits in ALL)) == (9, 20)
    assert (1, 2, 3) not in adjacent((1, 2, 3, 4))
    assert (1, 2, 3, 4, 4) in adjacent((1, 2, 3, 4))
    assert all(digits in adjacent(near) for digits in ALL[::97] for near in adjacent(digits))


def test_children_have_their_parents_modules():
    space, rng = build("space", {"name": "transnas_macro"}), np.random.default_rng(0)
    a, b = space.read("64-1234-basic"), space.read("64-222133-basic")
    children = {str(space.crossover(a, b, rng)).split("-")[1] for _ in range(200)}
    assert len(children) > 10
    assert all(digit in {parent[place] for parent in ("1234", "222133") if place < len(parent)}
               for child in children for place, digit in enumerate(child))  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("transnas_micro", "64-41414-1_02_334", "has 6 integers below"),
        ("transnas_macro", "64-1111-basic", "it must be 4 to 6 of 1, 2, 3 and 4, among them one to four of 3 and 4"),
        ("transnas_macro", "64-123-basic", "it must be 4 to 6"),
    ],
)
def test_wrong_notations(name, text, sentence):
    with pytest.raises(ArchitectureError, match=sentence):
        build("space", {"name": name}).read(text)


def test_a_wrong_operation_is_named():
    names = ["none"] * 5 + ["avg_pool_3x3"]
    with pytest.raises(ArchitectureError, match=r"edge 3<-2 is 'avg_pool_3x3'; it must be one of none, skip_connect"):
        build("space", {"name": "transnas_micro"}).validate(Architecture.of("transnas_micro", {"cell": names}))
