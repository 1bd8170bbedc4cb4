"""The suite of search spaces: what they give is valid, comes from the generator given, and survives the journal."""

# ruff: noqa: D102  # a test's name says what it holds
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nasforge.architecture import Architecture
from nasforge.errors import ArchitectureError
from nasforge.space import SearchSpace
from nasforge.testing.abilities import SharesWeights, TakesVectors
from nasforge.testing.another_process import ORDER, elsewhere
from nasforge.testing.networks import BuildsNetworks, weights_of
from nasforge.testing.one_shot import SearchedOneShot
from nasforge.testing.samples import samples, variation
from nasforge.testing.watching import copied, left_alone


class SpaceContract(BuildsNetworks, TakesVectors, SharesWeights, SearchedOneShot):
    """Any `SearchSpace`, with its abilities. Supply the fixture `space`."""

    @pytest.fixture
    def architectures(self, space: SearchSpace) -> list[Architecture]:
        """A few samples."""
        return samples(space, 0)

    def test_what_it_gives_is_valid_and_its_own(self, space: SearchSpace) -> None:
        for given in variation(space, seed=1):
            assert isinstance(given, Architecture), f"sample, mutate and crossover must give Architectures, not {given}"
            assert _hashable(given), f"genes must be nested tuples; make it with Architecture.of: {given.genes}"
            assert given.space == space.name, f"an architecture names the space '{given.space}', not '{space.name}'"
            assert space.validate(given) == given, f"validate() changed what the space itself gave: {given}"
            assert given.notation, "give architectures a notation: people read it"

    def test_the_same_generator_gives_the_same(self, space: SearchSpace) -> None:
        assert list(variation(space, 1)) == list(variation(space, 1)), (
            "sample, mutate and crossover gave something else from an equal generator: they must draw from the "
            "generator given, nothing else, and keep nothing between calls"
        )
        assert samples(space, 1, 20) != samples(space, 2, 20), (
            "another seed must give other architectures: sample() draws from the generator that it is given"
        )

    def test_global_random_state_is_left_alone(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        with left_alone("sample(), mutate() or crossover()"):
            list(variation(space, 3))
        with left_alone("validate(), draw(), function_key() or presets"):
            for one in (*architectures, *space.presets.values()):
                space.draw(space.validate(one))
                space.function_key(one)

    def test_mutation_gives_a_neighbour(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        rng = np.random.default_rng(4)
        for parent in architectures:
            kept = parent.to_json()
            assert space.mutate(parent, rng) != parent, "mutate() must give a different architecture"
            assert parent.to_json() == kept, "mutate() changed its argument; it must leave it as it is"

    def test_crossover_leaves_the_parents_alone(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        a, b = architectures[:2]
        kept = a.to_json(), b.to_json()
        space.crossover(a, b, np.random.default_rng(4))
        assert (a.to_json(), b.to_json()) == kept, "crossover() changed its arguments; it must leave them as they are"

    def test_json_there_and_back(self, space: SearchSpace, architectures: list[Architecture], tmp_path: Path) -> None:
        for one in architectures:
            text = json.dumps(one.to_json())
            assert space.read(text) == one, f"an architecture must survive JSON: {one} came back as {space.read(text)}"
            (tmp_path / "one.json").write_text(text)
            assert space.read(str(tmp_path / "one.json")) == one
            assert space.from_notation(str(one)) in (None, one), f"from_notation() must read {one} as it is, or not"

    def test_foreign_and_broken_architectures_are_refused(self, space: SearchSpace) -> None:
        for broken in (Architecture.of("elsewhere", {}), Architecture.of(space.name, {"nonsense": 1})):
            try:
                space.validate(broken)
            except ArchitectureError:
                continue
            except Exception as error:
                pytest.fail(f"validate({broken}) raised {error!r}; an ArchitectureError must say what is wrong")
            pytest.fail(f"validate() let {broken} of space '{broken.space}' pass; an ArchitectureError must refuse it")

    def test_presets_are_valid(self, space: SearchSpace) -> None:
        for name, preset in space.presets.items():
            assert space.validate(preset) == preset, f"preset '{name}' is not in canonical form"

    def test_equal_architectures_have_one_function_key(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        for one in architectures:
            again = Architecture(one.space, one.genes)
            assert space.function_key(one) == space.function_key(again), "function_key() must depend on the genes alone"
            assert hash(space.function_key(one)) == hash(space.function_key(again)), "and be hashable"

    def test_drawings_have_valid_edges(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        for one in architectures:
            graphs = space.draw(one)
            assert graphs, "draw() must give at least one graph"
            for graph in graphs:
                for start, end, _ in graph.edges:
                    assert 0 <= start < end < len(graph.nodes), (
                        f"'{graph.title}' has no edge {start} -> {end}: edges go from earlier to later nodes, of "
                        f"which there are {len(graph.nodes)}"
                    )

    def test_a_copy_in_another_process_is_the_same(self, space: SearchSpace) -> None:
        copy = copied(space, f"space '{space.name}'")
        given, built = _given(space)
        assert list(variation(copy, 5)) == given, "a pickled copy gives other architectures"
        given_there, built_there = elsewhere(_given, space)
        assert given_there == given, f"another process gives other architectures from an equal generator; {ORDER}"
        assert built_there == built, f"another process builds another network from an equal seed; {ORDER}"


def _given(space: SearchSpace) -> tuple[list[Architecture], list[tuple[str, str]]]:
    return list(variation(space, 5)), weights_of(space)


def _hashable(one: Architecture) -> bool:
    try:
        hash(one)
    except TypeError:
        return False
    return True
