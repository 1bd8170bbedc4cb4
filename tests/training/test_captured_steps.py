"""Captured steps give what eager ones give, to the last bit, on a tape that stands in for a CUDA graph."""

import warnings
import weakref
from functools import partial

import numpy as np
import pytest
import torch
from tape import Tape
from test_capabilities import LEAST, SIZES, SPACE_SIZES

from nasforge import FitData, ImageSet, NetworkModule, Preprocessing, SGDOptions, SupernetModule, capturable
from nasforge.config.configuration import compose
from nasforge.devices import graphs
from nasforge.devices.graphs import WARM_UP, Captured
from nasforge.devices.replay import Replayed
from nasforge.experiment import experiment
from nasforge.training import captured_steps, network_module
from nasforge.training.captured_losses import Losses
from nasforge.training.fit import train
from nasforge.training.recipe import Recipe
from nasforge_plugins.space.darts import DARTS
from nasforge_plugins.space.nasbench201 import NASBench201
from nasforge_plugins.space.tsenas import TSENAS as Chains
from nasforge_plugins.strategy.darts.module import GradientAlphas
from nasforge_plugins.strategy.egnas.algorithm import EGNAS, EvolvedAlphas
from nasforge_plugins.strategy.egnas.clipping import CountedAlphas
from nasforge_plugins.strategy.tsenas.supernet import CellSupernet

SHAPE, CLASSES, EPOCHS = (3, 8, 8), 3, 3
SGD = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 3e-4, "clip": 1.0}
WEIGHTS = {**SGD, "final_learning_rate": 0.01}
SPACE, PARTIAL = (
    NASBench201(channels=4, cells=1),
    DARTS(channels=4, cells=2, partial_channels=2, operations=["max_pool_3x3", "skip_connect", "sep_conv_3x3"]),
)


@pytest.fixture(autouse=True)
def tapes(monkeypatch):
    """The tapes that fits have made: on a CPU they take the place of CUDA graphs."""
    made = []

    def make(beside=None):
        made.append(Tape(beside))
        return made[-1]

    for module in (captured_steps, network_module):
        monkeypatch.setattr(module, "graphs_on", lambda device: make)
    captured_steps.eager_instead.cache_clear()
    return made


FULL = 4
"""Whole batches of an epoch; a short one follows."""


def images():
    """As many images to validate on as to train on."""
    count = 2 * (6 * FULL + 4)
    pixels = torch.randint(0, 256, (count, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    whole = ImageSet.of(pixels, torch.arange(len(pixels)) % CLASSES)
    half, validation = whole.split(0.5, 0)
    return FitData(half, validation, Preprocessing((0.5,) * 3, (0.3,) * 3, 1, False), 6)


def fit(make, graph, epochs=EPOCHS, **options):
    """All that a fit has changed: the state of the module, and its history."""
    torch.manual_seed(0)
    module = make()
    trainer = {"accelerator": "cpu", "graph": graph, **options.pop("trainer", {})}
    train(module, images(), name="fit", epochs=epochs, seed=0, trainer=trainer, **options)
    return {**module.state_dict(), **{name: torch.tensor(values) for name, values in module.history.items()}}


def same(ours, theirs):
    assert ours.keys() == theirs.keys()
    different = [name for name, tensor in ours.items() if not torch.equal(tensor, theirs[name])]
    assert not different


def supernet(kind, space, **options):
    return kind(space.supernet(SHAPE, CLASSES), space, **WEIGHTS, **options)


def evolved(space):
    method = EGNAS(epochs=EPOCHS, warmup_epochs=0, samples=1, population=4, validation_batch_size=10)
    return supernet(EvolvedAlphas, space, method=method)


def network(recipe):
    architecture = PARTIAL.sample(np.random.default_rng(0))
    built = PARTIAL.build(architecture, SHAPE, CLASSES, channels=4, cells=2)
    return NetworkModule(built, **SGD, drop_path=0.4, recipe=recipe, classes=CLASSES)


class Moving(SupernetModule):
    """Moves its alphas after each epoch, as EG-NAS does."""

    def on_train_epoch_end(self):
        super().on_train_epoch_end()
        for alphas in self.alphas.values():
            alphas.add_(torch.randn(alphas.shape, generator=self.generator("alphas")))


class Zeroing(Moving):
    """Keeps the tensors of gradients."""

    def optimizer_zero_grad(self, epoch, batch_idx, optimizer):
        optimizer.zero_grad(set_to_none=False)


FITS = {
    "alphas that move after an epoch": partial(supernet, Moving, PARTIAL),
    "gradients that are set to zero in place": partial(supernet, Zeroing, SPACE),
    "a norm that counts the alphas": partial(supernet, CountedAlphas, SPACE, counted=True),
    "alphas that move in each step": partial(supernet, GradientAlphas, SPACE, epochs=EPOCHS, warmup_epochs=1),
    "betas too": partial(supernet, GradientAlphas, PARTIAL, epochs=EPOCHS, edge_normalization=True),
    "evolved alphas, whose scores are replayed too": partial(evolved, PARTIAL),
    "the second order": partial(supernet, GradientAlphas, SPACE, epochs=EPOCHS, order=2),
    "paths that are dropped": partial(network, Recipe()),
    "a recipe": partial(network, Recipe(label_smoothing=0.1, nesterov=True, ema=0.9, warmup_epochs=1, mixup=0.3)),
}


@pytest.mark.parametrize("name", FITS)
def test_a_captured_fit_is_the_eager_one_to_the_last_bit(name, tapes):
    eager = fit(FITS[name], graph=False)
    assert not tapes
    same(fit(FITS[name], graph="auto"), eager)
    assert max(tape.replays for tape in tapes) == EPOCHS * FULL - WARM_UP
    assert all(tape.replays for tape in tapes if tape.calls)


def test_chains_resume_too(tmp_path):
    checkpoint = tmp_path / "fit.ckpt"
    fit(chains, graph=True, checkpoint=checkpoint, exhausted=iter([False, True]).__next__)
    same(fit(chains, graph=True, checkpoint=checkpoint), fit(chains, graph=True))


def test_it_resumes_as_if_nothing_had_happened(tmp_path):
    make, checkpoint = FITS["alphas that move in each step"], tmp_path / "fit.ckpt"
    fit(make, graph=True, checkpoint=checkpoint, exhausted=iter([False, True]).__next__)
    for graph in (True, False):  # and continues with another value of the option
        copy = tmp_path / f"{graph}.ckpt"
        copy.write_bytes(checkpoint.read_bytes())
        same(fit(make, graph=graph, checkpoint=copy), fit(make, graph=False))


def test_in_half_precision(tapes):
    make, mixed = FITS["alphas that move in each step"], {"precision": "bf16-mixed"}
    same(fit(make, graph=True, trainer=mixed), fit(make, graph=False, trainer=mixed))
    assert tapes


def chains():
    """Of the cells of TS-ENAS, each step trains four of six."""
    sgd = SGDOptions(learning_rate=0.05, final_learning_rate=0.0)
    space, rng = Chains(max_cells=4, reductions=1), np.random.default_rng(0)
    return CellSupernet(space, SHAPE, CLASSES, channels=4, chains=2, rng=rng, optimizer=sgd)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_chains_are_captured_one_by_one(precision, tapes, monkeypatch):
    once = fit(chains, graph=True, trainer={"precision": precision})
    assert len(tapes) == len(chains().networks) == 6
    assert all(tape.replays for tape in tapes)
    monkeypatch.setattr(graphs, "WARM_UP", 1_000)
    same(fit(chains, graph=True, trainer={"precision": precision}), once)
    assert not any(tape.replays for tape in tapes[6:])


def test_chains_in_half_precision_learn_what_they_learn_eagerly():
    """One epoch, since a rounding that moves a value beyond 0 or another maximum would later be seen."""
    half = {"precision": "bf16-mixed"}
    captured, eager = (fit(chains, graph=graph, epochs=1, trainer=half) for graph in (True, False))
    torch.testing.assert_close(captured, eager, rtol=1e-5, atol=1e-6)


def test_gradients_that_come_with_a_loss_are_those_of_its_backward_pass(tapes):
    double = {"precision": "64-true"}
    captured, eager = (fit(chains, graph=graph, trainer=double) for graph in (True, False))
    torch.testing.assert_close(captured, eager, rtol=1e-12, atol=1e-12)
    assert all(tape.replays for tape in tapes)


def test_the_tape_freezes_what_a_graph_freezes():
    class Frozen(Moving):
        @capturable
        def training_step(self, batch, batch_index):
            return (1 + self.current_epoch) * super().training_step(batch, batch_index)

    make = partial(supernet, Frozen, SPACE)
    with pytest.raises(AssertionError):
        same(fit(make, graph=True), fit(make, graph=False))


SMALL = ["data.batch_size=4", *LEAST, *SPACE_SIZES["darts"], "space=darts", "space.channels=4"]
TRAINED = [f"estimator.training.{word}" for word in ("epochs=2", "channels=4", "cells=2")]
SEARCHES = {
    "egnas, and a retraining": [
        *("strategy=egnas", *SIZES["egnas"], "strategy.warmup_epochs=0", "retrain.seeds=1", "retrain.random=0"),
        *("retrain.epochs=2", "retrain.channels=4", "retrain.cells=2"),
    ],
    "ntk_ga, whose candidate changes in each step": [
        *(
            "strategy=ntk_ga",
            *SIZES["ntk_ga"],
            "strategy.tournament.epochs=2",
            "estimator=zero_cost",
            "estimator.zero_cost.proxies=[params]",
        ),
    ],
    "candidates that are trained": ["strategy=random_search", "estimator=training", *TRAINED, "budget.evaluations=2"],
}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_finds_the_same(name, tapes, few_images, tmp_path, monkeypatch):
    # On a CPU, a supernet leaves out what has no weight, and a tape of one architecture would leave it out of the next.
    monkeypatch.setattr(captured_steps, "Replayed", lambda forward, *_: forward)
    results = []
    for graph in ("false", "auto"):
        assert not tapes
        words = [f"data.path={few_images}", "data=arrays", *SMALL, *SEARCHES[name], f"trainer.graph={graph}"]
        outcome = experiment.search(compose(words).config, tmp_path / graph)
        results.append((outcome.folder / "result.json").read_text().replace(str(outcome.folder), ""))
    assert results[0] == results[1]
    assert any(tape.replays for tape in tapes)


# Where a fit cannot be captured


def sentence_of(make, **options):
    """What is said, once, while the result is that of the eager fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        captured = fit(make, graph=True, **options)
    same(captured, fit(make, graph=False, **options))
    (warning,) = [warning for warning in caught if "CUDA graph" in str(warning.message)]
    return str(warning.message)


class Synchronizing(SupernetModule):
    @capturable
    def training_step(self, batch, batch_index):
        loss = super().training_step(batch, batch_index)
        return loss if loss.item() < 100 else 0 * loss


def test_a_step_that_waits_for_the_device_is_not_captured():
    line = Synchronizing.training_step.__code__.co_firstlineno + 3
    assert sentence_of(partial(supernet, Synchronizing, SPACE)) == (
        f"fit 'fit' goes on without a CUDA graph, which is slower: aten._local_scalar_dense in {__file__}:{line} "
        "(training_step) makes the device wait for the host; trainer.graph=false does not try"
    )


def test_a_step_that_overrides_a_marked_one_needs_a_mark():
    class Unmarked(SupernetModule):
        def training_step(self, batch, batch_index):
            return super().training_step(batch, batch_index)

    said = sentence_of(partial(supernet, Unmarked, SPACE))
    assert "Unmarked.training_step is not marked as @capturable" in said


def test_a_module_may_say_why_its_steps_differ():
    class Drawing(SupernetModule):
        differs = "each step trains another path"

        def training_step(self, batch, batch_index):
            return super().training_step(batch, batch_index)

    assert "which is slower: each step trains another path; trainer." in sentence_of(partial(supernet, Drawing, SPACE))


def test_accumulated_gradients_are_not_captured():
    assert "2 batches make a step" in sentence_of(partial(network, Recipe(accumulate=2)))


def test_out_of_memory_while_recording_ends_the_recording_alone(monkeypatch):
    def capture(tape, call):
        try:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore advice.")
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    monkeypatch.setattr(Tape, "capture", capture)
    said = sentence_of(FITS["alphas that move after an epoch"])
    assert "which is slower: OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.; trainer." in said


# The parts


def test_other_shapes_are_computed_eagerly_and_change_no_recording():
    tape, ended = Tape(), []
    double = Captured(lambda x: 2 * x, tape, ended.append)
    for value in range(WARM_UP + 2):
        assert double(torch.full((4,), float(value))).tolist() == [2.0 * value] * 4
    recorded = double(torch.full((4,), 7.0))
    assert double(torch.ones(2)).tolist() == [2.0, 2.0]
    assert recorded.tolist() == [14.0] * 4
    assert (tape.replays, ended) == (3, [])


def losses(told, make_graph=Tape):
    """Two losses of three leaves as a step would use them: eagerly, and captured."""
    leaves = [torch.tensor([1.0, 2.0], requires_grad=True), *(torch.ones(2, requires_grad=True) for _ in range(2))]
    parts = [lambda x: (x * leaves[0] ** 2).sum(), lambda x: (x * leaves[0] * leaves[1]).sum()]
    return leaves, parts, Losses(lambda: leaves, make_graph, told.append)


def gradients_of(loss, hand_out, leaves):
    loss.backward()
    hand_out()
    found = [None if leaf.grad is None else leaf.grad.tolist() for leaf in leaves]
    for leaf in leaves:
        leaf.grad = None
    return loss.item(), found


@pytest.mark.parametrize("fails", [False, True])
def test_weighted_losses_beside_others_have_the_gradients_of_eager_ones(fails):
    class Failing(Tape):
        def capture(self, call):
            raise RuntimeError("out of memory")

    told = []
    leaves, (first, second), captured = losses(told, Failing if fails else Tape)
    for step in range(2 * WARM_UP):
        x = torch.full((1 if step == WARM_UP else 2,), 1.0 + step)
        eager = gradients_of(3 * first(x) + second(x) / 2 + leaves[0].sum(), list, leaves)
        replayed = 3 * captured(first, x) + captured(second, x) / 2 + leaves[0].sum()
        assert gradients_of(replayed, captured.hand_out, leaves) == eager
        assert eager[1][2] is None
    assert told == fails * ["RuntimeError: out of memory"]


def test_a_backward_pass_computes_in_the_precision_of_its_forward_pass():
    weight, told = torch.eye(2, requires_grad=True), []
    captured = Losses(lambda: [weight], Tape, told.append)

    def loss(x):
        with torch.autocast("cpu", enabled=False):
            return (x @ weight).sum()

    x = torch.tensor([[1 + 2**-12, 1.0]])  # bfloat16 would round it
    with torch.autocast("cpu", torch.bfloat16):
        replayed = captured(loss, x)
    _, (gradient,) = gradients_of(replayed, captured.hand_out, [weight])
    assert gradient == [[1 + 2**-12] * 2, [1.0] * 2]


def test_no_leaf_belongs_to_the_step_whose_stream_no_capture_may_use():
    leaves, (first, _), captured = losses([])
    found, nodes = [], [captured(first, torch.ones(2)).grad_fn]
    while nodes:
        node = nodes.pop()
        found.append(getattr(node, "variable", None))
        nodes += [each for each, _ in node.next_functions if each is not None]
    assert len(found) > 1
    assert not any(leaf is each for leaf in leaves for each in found)


def test_graphs_are_freed_without_the_garbage_collector():
    class Eager:
        def warm_up(self, call):
            return call()

    made = []

    def make(beside=None):
        graph = Eager()
        made.append(weakref.ref(graph))
        return graph

    _, (first, _), captured = losses([], make)
    forward = Replayed(lambda images, mix: images, make, pytest.fail)
    captured(first, torch.ones(2))
    with torch.no_grad():
        forward(torch.ones(2), {})
    captured.clear()
    del forward
    assert [graph() for graph in made] == [None, None]


def test_a_graph_has_no_cast_from_before():
    weight, told = torch.ones(4, 4, requires_grad=True), []
    product = Captured(lambda x: x @ weight, Tape(), told.append)
    for step in range(2 * WARM_UP):
        with torch.autocast("cpu", torch.bfloat16):
            assert (torch.ones(1, 4) @ weight).tolist() == product(torch.ones(1, 4)).tolist() == [[4.0 + step] * 4]
        weight.data += 0.25
    assert not told


def test_only_cuda_records_graphs():
    assert graphs.graphs_on(torch.device("cpu")) is None
    assert graphs.graphs_on(torch.device("cuda", 1)).args == (torch.device("cuda", 1),)
