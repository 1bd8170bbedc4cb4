"""What every plug-in must keep, as pytest suites: inherit one, supply its fixtures, and its tests are yours.

```python
class TestMySpace(SpaceContract):
    @pytest.fixture
    def space(self):
        return MySpace()
```
"""

# ruff: noqa: D102  # a test's name says what it holds
from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from nasforge.architecture import Architecture
from nasforge.data import DataModule, Preprocessing, SearchData
from nasforge.errors import ArchitectureError
from nasforge.estimator import Context, Estimator, Weights
from nasforge.executor import LocalExecutor
from nasforge.images import ImageSet
from nasforge.journal import Journal, file_digest
from nasforge.space import SearchSpace, Shape, VectorEncoded, WeightSharing

SHAPES: tuple[Shape, ...] = ((1, 9, 9), (3, 8, 8), (3, 7, 10))
"""Image shapes that every space must build for: one and three channels, odd and unequal sides."""


def tiny_data(shape: Shape = (3, 8, 8), classes: int = 2, images: int = 32) -> SearchData:
    """Noisy images whose brightness tells their class, as a search sees them."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(images) % classes
    pixels = torch.randint(0, 128, (images, *shape), generator=generator) + labels.view(-1, 1, 1, 1) * 127 // classes
    preprocessing = Preprocessing((0.5,) * shape[0], (0.25,) * shape[0], 1, False)
    names = tuple(f"class {index}" for index in range(classes))
    return SearchData(ImageSet.of(pixels.to(torch.uint8), labels), names, preprocessing, 8, seed=0)


class SpaceContract:
    """Any `SearchSpace`, with its abilities. Supply the fixture `space`."""

    @pytest.fixture
    def architectures(self, space: SearchSpace) -> list[Architecture]:
        """A few samples."""
        rng = np.random.default_rng(0)
        return [space.sample(rng) for _ in range(5)]

    def test_what_it_gives_is_valid_and_its_own(self, space: SearchSpace) -> None:
        for given in _variation(space, seed=1):
            assert given.space == space.name, f"an architecture names the space '{given.space}', not '{space.name}'"
            assert space.validate(given) == given, f"validate() changed what the space itself gave: {given}"
            assert given.notation, "give architectures a notation: people read it"
            assert hash(given) == hash(space.validate(given))

    def test_the_same_generator_gives_the_same(self, space: SearchSpace) -> None:
        assert list(_variation(space, 1)) == list(_variation(space, 1)), "draw from the generator given, nothing else"
        assert list(_variation(space, 1)) != list(_variation(space, 2)), "another seed must give other architectures"

    def test_global_random_state_is_left_alone(self, space: SearchSpace) -> None:
        before = _global_state()
        list(_variation(space, 3))
        assert _global_state() == before, "sample, mutate and crossover must draw from the generator given"

    def test_mutation_gives_a_neighbour(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        rng = np.random.default_rng(4)
        for parent in architectures:
            kept = parent.to_json()
            assert space.mutate(parent, rng) != parent, "mutate() must give a different architecture"
            assert parent.to_json() == kept, "mutate() must leave its argument as it is"

    def test_json_there_and_back(self, space: SearchSpace, architectures: list[Architecture], tmp_path: Path) -> None:
        for one in architectures:
            text = json.dumps(one.to_json())
            assert space.read(text) == one, "an architecture must survive JSON"
            (tmp_path / "one.json").write_text(text)
            assert space.read(str(tmp_path / "one.json")) == one

    def test_foreign_and_broken_architectures_are_refused(self, space: SearchSpace) -> None:
        for broken in (Architecture.of("elsewhere", {}), Architecture.of(space.name, {"nonsense": 1})):
            with pytest.raises(ArchitectureError):
                space.validate(broken)

    def test_drawings_have_valid_edges(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        for one in architectures:
            graphs = space.draw(one)
            assert graphs, "draw() must give at least one graph"
            for graph in graphs:
                for start, end, _ in graph.edges:
                    assert 0 <= start < end < len(graph.nodes), f"'{graph.title}' has no edge {start} -> {end}"

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("classes", [2, 10])
    def test_networks_give_logits(self, space: SearchSpace, shape: Shape, classes: int) -> None:
        one = space.sample(np.random.default_rng(5))
        network = space.build(one, shape, classes, channels=8, cells=3)
        logits, _ = network.with_auxiliary(torch.rand(4, *shape))
        assert logits.shape == (4, classes), f"{shape} images must give logits (4, {classes})"
        logits.sum().backward()  # type: ignore[no-untyped-call]

    def test_networks_come_from_the_global_generator(self, space: SearchSpace) -> None:
        one = space.sample(np.random.default_rng(6))
        built = []
        for _ in range(2):
            torch.manual_seed(7)
            built.append(space.build(one, (3, 8, 8), 2, channels=8, cells=3).state_dict())
        assert all(torch.equal(built[0][name], built[1][name]) for name in built[0]), "equal seeds, equal weights"

    def test_drop_path_is_off_in_eval_mode(self, space: SearchSpace) -> None:
        network = space.build(space.sample(np.random.default_rng(8)), (3, 8, 8), 2, channels=8, cells=3).eval()
        images = torch.rand(4, 3, 8, 8)
        with torch.no_grad():
            plain = network(images)
            network.drop_path = 0.9
            assert torch.equal(network(images), plain), "drop_path must do nothing in eval mode"

    def test_vectors_there_and_back(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        if not isinstance(space, VectorEncoded):
            return
        for one in architectures:
            vector = space.encode(one)
            assert vector.shape == (len(space.cardinalities),), "one integer for each decision"
            assert all(0 <= v < n for v, n in zip(vector, space.cardinalities, strict=True)), "out of its range"
            assert space.decode(vector) == one, "decode(encode(a)) must be a"

    def test_supernet_computes_under_any_mix(self, space: SearchSpace) -> None:
        if not isinstance(space, WeightSharing):
            return
        supernet = space.supernet((3, 8, 8), 4, channels=16, cells=3)
        alphas = {cell: torch.zeros(shape, requires_grad=True) for cell, shape in supernet.alpha_shapes.items()}
        logits = supernet(torch.rand(4, 3, 8, 8), space.mix(alphas))
        assert logits.shape == (4, 4), "a supernet gives logits (B, classes)"
        logits.square().sum().backward()
        assert all(alpha.grad is not None for alpha in alphas.values()), "the mix must be differentiable"
        one_hot = space.mix_of(space.sample(np.random.default_rng(9)))
        assert supernet(torch.rand(4, 3, 8, 8), one_hot).shape == (4, 4), "rows of zeros are allowed in a mix"
        again = space.supernet((3, 8, 8), 4, **supernet.options)  # type: ignore[arg-type]
        assert again.state_dict().keys() == supernet.state_dict().keys(), "`options` must be enough to build it again"

    def test_derived_architectures_are_what_their_mix_says(self, space: SearchSpace) -> None:
        if not isinstance(space, WeightSharing):
            return
        supernet = space.supernet((3, 8, 8), 4, channels=16, cells=3)
        for _ in range(5):
            alphas = {cell: torch.randn(shape) for cell, shape in supernet.alpha_shapes.items()}
            one = space.derive(space.mix(alphas))
            assert space.validate(one) == one
            assert space.derive(space.mix_of(one)) == one, "derive(mix_of(a)) must be a"


class EstimatorContract:
    """Any `Estimator`. Supply the fixtures `estimator` and `space`, a space that it can estimate in."""

    @pytest.fixture
    def context(self, estimator: Estimator, space: SearchSpace, tmp_path: Path) -> Context:
        """Tiny data, one thread and, where the estimator needs them, untrained shared weights."""
        weights = _untrained(space, tmp_path) if estimator.needs_weights else None
        return Context(space, tiny_data(), "cpu", 1, seed=0, weights=weights)

    def test_metrics_are_those_of_the_objectives(
        self, estimator: Estimator, space: SearchSpace, context: Context
    ) -> None:
        ((_, metrics),) = _estimated(estimator, [space.sample(np.random.default_rng(0))], context)
        named = {objective.metric for objective in estimator.objectives}
        assert set(metrics) == named, "estimate() must give a metric for each objective, and no other"

    def test_equal_arguments_give_equal_metrics(
        self, estimator: Estimator, space: SearchSpace, context: Context
    ) -> None:
        one = space.sample(np.random.default_rng(1))
        first = _estimated(estimator, [one], context)
        torch.manual_seed(99)
        again = _estimated(estimator, [one], context)
        assert first == again, "draw from torch's global generator, which is seeded for each estimate, or context.seed"

    def test_many_at_once_are_as_one_by_one(self, estimator: Estimator, space: SearchSpace, context: Context) -> None:
        rng = np.random.default_rng(2)
        some = [space.sample(rng) for _ in range(3)]
        one_by_one = [_estimated(estimator, [one], context)[0] for one in some]
        assert _estimated(estimator, some, context) == one_by_one, "what is estimated beside it must not matter"

    def test_shared_weights_are_left_alone(self, estimator: Estimator, space: SearchSpace, context: Context) -> None:
        if context.weights is None:
            return
        _estimated(estimator, [space.sample(np.random.default_rng(3))], context)
        assert file_digest(context.weights.path) == context.weights.digest, "an estimator must not change the weights"


class DataContract:
    """Any `DataModule` whose files are at hand. Supply the fixture `data`."""

    def test_it_says_what_its_images_are(self, data: DataModule) -> None:
        shape = data.train.shape
        assert data.test.shape == shape, "training and test images must have one shape"
        mean, deviation = data.normalization
        assert len(mean) == len(deviation) == shape[0], "one mean and one deviation for each channel"
        assert all(0 < value < 1 for value in (*mean, *deviation)), "of pixels in [0, 1]"

    @pytest.mark.parametrize("part", ["train", "test"])
    def test_images_are_bytes_and_labels_are_classes(self, data: DataModule, part: str) -> None:
        images: ImageSet = getattr(data, part)
        pixels, labels = images[torch.arange(min(8, len(images)))]
        assert pixels.dtype == torch.uint8, "images are uint8 (N, C, H, W)"
        assert labels.dtype == torch.int64, "labels are int64 (N,)"
        assert set(images.labels[images.positions].tolist()) <= set(range(len(data.class_names)))

    def test_every_class_is_trained_on(self, data: DataModule) -> None:
        assert set(data.train.labels[data.train.positions].tolist()) == set(range(len(data.class_names)))

    def test_asked_twice_it_gives_the_same(self, data: DataModule) -> None:
        assert data.train.fingerprint == data.train.fingerprint
        assert data.for_search(0).halves().fingerprint == data.for_search(0).halves().fingerprint


class StrategyContract:
    """Any `Strategy`. Supply `overrides`: the words that make a search of a few seconds, `strategy=` among them."""

    @pytest.fixture
    def search(self, overrides: list[str], tmp_path: Path) -> Callable[..., Path]:
        """Search in a folder of the given name, with more words if need be."""
        from nasforge.configuration import compose
        from nasforge.experiment import search

        quick = ["retrain.seeds=0", "retrain.random=0", "executor.threads=1", "trainer.accelerator=cpu"]

        def run(name: str, *more: str) -> Path:
            words = [*quick, *overrides, *more]
            return search(compose(words).config, tmp_path / name, words).folder

        return run

    def test_same_seed_same_result(self, search: Callable[..., Path]) -> None:
        first, second = (search(name) / "result.json" for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes(), "draw from run.rng, and read no clock"

    def test_a_finished_search_replays_from_its_journal(self, search: Callable[..., Path]) -> None:
        from nasforge.experiment import resume

        folder = search("run")
        result = (folder / "result.json").read_bytes()
        done = _finished_work(folder)
        resume(folder)
        assert (folder / "result.json").read_bytes() == result, "search() must run again from its first line alike"
        assert _finished_work(folder) == done, "a replay must ask for nothing that is not in the journal"

    def test_what_it_found_is_of_the_space(self, search: Callable[..., Path], overrides: list[str]) -> None:
        from nasforge.configuration import compose
        from nasforge.registry import build

        space: SearchSpace = build("space", compose(overrides).config["space"])
        space.read(str(search("run") / "architecture.json"))


def _estimated(estimator: Estimator, some: list[Architecture], context: Context) -> list[tuple[str, dict[str, float]]]:
    """(notation, metrics) of each, as a run would get them."""
    answers = dict(LocalExecutor(context.threads).run(estimator, [(one, context) for one in some]))
    for answer in answers.values():
        assert answer.status == "ok", f"an estimate failed: {answer.reason}"
    return [(str(one), dict(answers[index].metrics)) for index, one in enumerate(some)]


def _variation(space: SearchSpace, seed: int) -> Iterator[Architecture]:
    rng = np.random.default_rng(seed)
    for _ in range(5):
        a, b = space.sample(rng), space.sample(rng)
        yield from (a, b, space.mutate(a, rng), space.crossover(a, b, rng))


def _global_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()
    return random.getstate(), name, bytes(keys), *rest, bytes(torch.get_rng_state().numpy())  # type: ignore[arg-type]


def _finished_work(folder: Path) -> int:
    with closing(Journal(folder)) as journal:
        return len(journal.of_kind("estimate")) + len(journal.of_kind("fit"))


def _untrained(space: SearchSpace, folder: Path) -> Weights:
    assert isinstance(space, WeightSharing), "an estimator that needs weights needs a space that shares them"
    supernet = space.supernet((3, 8, 8), 2, channels=16, cells=3)
    path = folder / "weights.safetensors"
    save_file({f"supernet.{name}": tensor.contiguous() for name, tensor in supernet.state_dict().items()}, path)
    return Weights(path, file_digest(path), dict(supernet.options))
