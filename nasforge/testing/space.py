"""The suite of search spaces: architectures are valid, come from the given generator, and survive the journal."""

# ruff: noqa: D102  # a test's name says what it checks
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nasforge.architecture import Architecture
from nasforge.errors import ArchitectureError
from nasforge.space import SearchSpace
from nasforge.testing.abilities import HasSizes, SharesWeights, TakesVectors
from nasforge.testing.another_process import ORDER, elsewhere
from nasforge.testing.networks import BuildsNetworks, weights_of
from nasforge.testing.one_shot import SearchedOneShot
from nasforge.testing.samples import samples, variation
from nasforge.testing.watching import copied, left_alone


class SpaceContract(BuildsNetworks, TakesVectors, SharesWeights, HasSizes, SearchedOneShot):
    """The suite of a `SearchSpace` with its abilities. Supply the fixture `space`."""

    @pytest.fixture
    def architectures(self, space: SearchSpace) -> list[Architecture]:
        """A few samples."""
        return samples(space, 0)

    def test_what_it_gives_is_valid_and_its_own(self, space: SearchSpace) -> None:
        for made in variation(space, seed=1):
            assert isinstance(made, Architecture), f"sample, mutate and crossover must return Architectures, not {made}"
            assert _hashable(made), f"genes must be nested tuples; make it with Architecture.of: {made.genes}"
            assert made.space == space.name, f"an architecture has space '{made.space}', not '{space.name}'"
            assert space.validate(made) == made, f"validate() changed an architecture of the space itself: {made}"
            assert made.notation, "give architectures a notation for people to read"

    def test_the_same_generator_gives_the_same(self, space: SearchSpace) -> None:
        assert list(variation(space, 1)) == list(variation(space, 1)), (
            "sample, mutate and crossover returned something else for an equal generator: they must draw only from "
            "the generator that is passed, and keep nothing between calls"
        )
        assert samples(space, 1, 20) != samples(space, 2, 20), (
            "another seed must lead to other architectures: sample() must draw from the generator that is passed"
        )

    def test_global_random_state_is_left_alone(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        with left_alone("sample(), mutate() or crossover()"):
            list(variation(space, 3))
        with left_alone("validate(), draw(), function_key() or presets"):
            for architecture in (*architectures, *space.presets.values()):
                space.draw(space.validate(architecture))
                space.function_key(architecture)

    def test_mutation_gives_a_neighbour(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        rng = np.random.default_rng(4)
        for parent in architectures:
            kept = parent.to_json()
            assert space.mutate(parent, rng) != parent, "mutate() must return a different architecture"
            assert parent.to_json() == kept, "mutate() changed its argument; it must return a new architecture"

    def test_crossover_leaves_the_parents_alone(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        a, b = architectures[:2]
        kept = a.to_json(), b.to_json()
        space.crossover(a, b, np.random.default_rng(4))
        assert (a.to_json(), b.to_json()) == kept, "crossover() changed its arguments; it must return a new one"

    def test_json_there_and_back(self, space: SearchSpace, architectures: list[Architecture], tmp_path: Path) -> None:
        for written in architectures:
            text = json.dumps(written.to_json())
            back = space.read(text)
            assert back == written, f"an architecture must survive JSON: {written} came back as {back}"
            (tmp_path / "one.json").write_text(text)
            assert space.read(str(tmp_path / "one.json")) == written
            parsed = space.from_notation(str(written))
            assert parsed in (None, written), f"from_notation() must read {written} exactly, or return None"

    def test_foreign_and_broken_architectures_are_refused(self, space: SearchSpace) -> None:
        for broken in (Architecture.of("elsewhere", {}), Architecture.of(space.name, {"nonsense": 1})):
            try:
                space.validate(broken)
            except ArchitectureError:
                continue
            except Exception as error:
                pytest.fail(f"validate({broken}) raised {error!r}; an ArchitectureError must say what is wrong")
            pytest.fail(f"validate() accepted {broken} of space '{broken.space}'; it must raise an ArchitectureError")

    def test_presets_are_valid(self, space: SearchSpace) -> None:
        for name, preset in space.presets.items():
            assert space.validate(preset) == preset, f"preset '{name}' is not in canonical form"

    def test_equal_architectures_have_one_function_key(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        for architecture in architectures:
            key = space.function_key(architecture)
            again = space.function_key(Architecture(architecture.space, architecture.genes))
            assert key == again, "function_key() must depend on the genes alone"
            assert hash(key) == hash(again), "function_key() must be hashable"

    def test_drawings_have_valid_edges(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        for architecture in architectures:
            graphs = space.draw(architecture)
            assert graphs, "draw() must return at least one graph"
            for graph in graphs:
                for start, end, _ in graph.edges:
                    assert 0 <= start < end < len(graph.nodes), (
                        f"'{graph.title}' has no edge {start} -> {end}: edges go from earlier to later nodes, of "
                        f"which there are {len(graph.nodes)}"
                    )

    def test_a_copy_in_another_process_is_the_same(self, space: SearchSpace) -> None:
        copy = copied(space, f"space '{space.name}'")
        drawn, built = _made(space)
        assert list(variation(copy, 5)) == drawn, "a pickled copy returns other architectures"
        remote_drawn, remote_built = elsewhere(_made, space)
        assert remote_drawn == drawn, f"another process returns other architectures for an equal generator; {ORDER}"
        assert remote_built == built, f"another process builds another network for an equal seed; {ORDER}"


def _made(space: SearchSpace) -> tuple[list[Architecture], list[tuple[str, str]]]:
    return list(variation(space, 5)), weights_of(space)


def _hashable(architecture: Architecture) -> bool:
    try:
        hash(architecture)
    except TypeError:
        return False
    return True
