"""DARTS and PC-DARTS against autograd, plain SGD, their published sizes, and what hands alphas on."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import Checkpoint
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from nasforge import FitData, ImageSet, OptionError, Preprocessing, SupernetModule, train
from nasforge.config.configuration import compose
from nasforge.experiment import experiment
from nasforge.experiment.parts import Parts
from nasforge_plugins.space.darts import DARTS as DARTSSpace
from nasforge_plugins.space.nasbench201 import NASBench201
from nasforge_plugins.strategy.darts import GradientAlphas, collapse_warning
from nasforge_plugins.strategy.darts.collapse import parameter_free
from nasforge_plugins.strategy.darts.unrolled import architecture_gradient, unrolled_gradient

SHAPE = (1, 8, 8)
SPACES = {
    "darts": DARTSSpace(channels=4, cells=3, partial_channels=1, include_none=True),
    "partial": DARTSSpace(channels=4, cells=3, partial_channels=2),
    "nasbench201": NASBench201(channels=2, cells=1),
}
WEIGHTS = {"learning_rate": 0.05, "final_learning_rate": 0.0, "momentum": 0.9, "weight_decay": 3e-4, "clip": 5.0}


def gradient_alphas(space, epochs=2, classes=3, **options):
    torch.manual_seed(0)
    supernet = SPACES[space].supernet(SHAPE, classes)
    return GradientAlphas(supernet, SPACES[space], epochs=epochs, **{**WEIGHTS, **options})


def fit_data(n=48, size=12):
    pixels = torch.randint(0, 256, (n, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    halves = ImageSet.of(pixels, torch.arange(n) % 3).split(0.5, 0)
    return FitData(*halves, Preprocessing((0.5,), (0.3,), 1, False), size)


def fitted(module, epochs=2):
    train(module, fit_data(), name="supernet", epochs=epochs, seed=0, trainer={"accelerator": "cpu"})
    return module


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(8, *SHAPE, generator=generator, dtype=torch.float64)
    return images, torch.randint(0, 3, (8,), generator=generator)


class Stepping:
    """What `unrolled_gradient` asks of Lightning's trainer."""

    def __init__(self, optimizer):
        self.optimizers = [optimizer]


def before_a_step(space, *, momentum, classes=3, **options):
    """A module in float64 whose weights have taken a step, so that there is momentum; and the optimizer."""
    module = gradient_alphas(space, order=2, classes=classes, **options).double()
    for tensor in module._architecture():
        tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(5)))
    optimizer = torch.optim.SGD(module.weights_to_learn, 0.05, momentum, weight_decay=3e-2)
    images, labels = batch(7)
    module.loss((images, labels % (classes)), module.live()).backward()
    optimizer.step()
    optimizer.zero_grad()
    module._trainer = Stepping(optimizer)
    return module, optimizer


def unrolled_by_autograd(module, optimizer, training, validation):
    """The exact gradient: through the step of the weights, with second derivatives."""
    group, architecture = optimizer.param_groups[0], module.live()
    weights = dict(module.supernet.named_parameters())
    alphas = dict(zip(module.alphas, architecture, strict=False))
    betas = dict(zip(module.betas or {}, architecture[len(alphas) :], strict=True)) or None
    mix = module.space.mix(alphas, betas)

    def loss(values, images, labels):
        return cross_entropy(functional_call(module.supernet, values, (images, mix)), labels)

    step = torch.autograd.grad(loss(weights, *training), list(weights.values()), create_graph=True, allow_unused=True)
    moved = {}
    for (name, weight), gradient in zip(weights.items(), step, strict=True):
        buffer = optimizer.state[weight].get("momentum_buffer", torch.zeros_like(weight))
        gradient = torch.zeros_like(weight) if gradient is None else gradient
        change = group["momentum"] * buffer + gradient + group["weight_decay"] * weight
        moved[name] = weight - group["lr"] * change
    return torch.autograd.grad(loss(moved, *validation), architecture)


# Ten times nearer than a kink of a ReLU is likely to be: there the finite difference is the derivative.
NEAR = 1e-6


@pytest.mark.parametrize(
    ("space", "momentum"), [("darts", 0.9), ("partial", 0.9), ("nasbench201", 0.9), ("nasbench201", 0.0)]
)
def test_the_second_order_is_the_gradient_through_the_step(space, momentum):
    module, optimizer = before_a_step(space, momentum=momentum, edge_normalization=space == "partial")
    expected = unrolled_by_autograd(module, optimizer, batch(1), batch(2))
    found = unrolled_gradient(module, batch(1), batch(2), NEAR)
    first = architecture_gradient(module, batch(2))
    for exact, one, plain in zip(expected, found, first, strict=True):
        torch.testing.assert_close(one, exact, rtol=1e-3, atol=1e-5)
        assert (exact - plain).norm() > 0.05 * exact.norm(), "else the first order would pass as well"


def test_the_weights_are_left_as_they_were():
    module, optimizer = before_a_step("darts", momentum=0.9)
    before = [weight.clone() for weight in module.weights_to_learn]
    unrolled_gradient(module, batch(1), batch(2))
    assert all(torch.equal(a, b) for a, b in zip(before, module.weights_to_learn, strict=True))
    assert all(weight.grad is None for weight in module.weights_to_learn)
    assert optimizer.state[module.weights_to_learn[0]]["momentum_buffer"] is not None


def test_in_half_precision_every_loss_is_that_of_the_weights_it_is_computed_at():
    gradients = []
    for cached in (True, False):  # autocast keeps the halved weights of its first loss
        module, _ = before_a_step("partial", momentum=0.9)
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=cached):
            gradients.append(torch.cat([part.flatten() for part in unrolled_gradient(module, batch(1), batch(2))]))
    assert torch.equal(*gradients)


def test_without_a_gradient_there_is_no_second_order():
    module, _ = before_a_step("nasbench201", momentum=0.9, classes=1)
    images, _ = batch(1)
    nothing = unrolled_gradient(module, (images, torch.zeros(8).long()), (images, torch.zeros(8).long()))
    assert [float(gradient.abs().max()) for gradient in nothing] == [0.0]


def test_the_first_order_is_the_plain_gradient_and_leaves_the_weights_learning():
    module, _ = before_a_step("partial", momentum=0.9, edge_normalization=True)
    found = architecture_gradient(module, batch(1))
    assert len(module.weights_to_learn) == len(list(module.parameters()))
    live = module.live()
    for gradient, expected in zip(found, torch.autograd.grad(module.loss(batch(1), live), live), strict=True):
        assert torch.equal(gradient, expected)
    assert len(found) == 4, "alphas and betas of both cell types"


def test_the_alphas_steps_are_adams_on_validation_images_alone():
    module = gradient_alphas("darts", alpha_learning_rate=0.01)
    start, seen = [tensor.clone() for tensor in module._architecture()], []
    step = module._validation_batch

    def watched(size):
        images, labels = step(size)
        seen.append((images, labels, {k: v.clone() for k, v in module.state_dict().items()}))
        return images, labels

    module._validation_batch = watched
    fitted(module, epochs=1)
    twin = gradient_alphas("darts", alpha_learning_rate=0.01)
    mine = [tensor.clone().requires_grad_() for tensor in start]
    adam = torch.optim.Adam(mine, 0.01, (0.5, 0.999), weight_decay=1e-3)
    for images, labels, state in seen:
        twin.load_state_dict(state)
        twin.train()
        loss = cross_entropy(twin.supernet(images, twin._mix_of(mine)), labels)
        for tensor, gradient in zip(mine, torch.autograd.grad(loss, mine), strict=True):
            tensor.grad = gradient
        adam.step()
    for found, expected in zip(module._architecture(), mine, strict=True):
        torch.testing.assert_close(found, expected.detach())


def test_the_weights_steps_are_clipped_sgds_under_the_alphas_that_moved():
    module = gradient_alphas("darts", alpha_learning_rate=0.01, clip=0.05)
    batches, transfer = [], module.on_after_batch_transfer
    module.on_after_batch_transfer = lambda *given: batches.append(transfer(*given)) or batches[-1]
    states, learn = [], module.learn
    module.learn = lambda *given: states.append({k: v.clone() for k, v in module.state_dict().items()}) or learn(*given)
    fitted(module, epochs=1)
    twin = gradient_alphas("darts").train()
    twin.load_state_dict(states[0])
    sgd = torch.optim.SGD(twin.weights_to_learn, 0.05, 0.9, weight_decay=3e-4)
    for (images, labels), state in zip(batches, states, strict=True):
        for cell, rows in twin.alphas.items():
            rows.copy_(state[f"alpha_{cell}"])
        sgd.zero_grad()
        cross_entropy(twin.supernet(images, twin.mix), labels).backward()
        assert torch.nn.utils.clip_grad_norm_(twin.weights_to_learn, 0.05) > 0.05
        sgd.step()
    for found, expected in zip(module.weights_to_learn, twin.weights_to_learn, strict=True):
        torch.testing.assert_close(found, expected)


def test_alphas_see_validation_images_alone():
    module = gradient_alphas("darts", augment_validation=False)
    seen, step = [], module._validation_batch
    module._validation_batch = lambda size: seen.append(step(size)) or seen[-1]
    fitted(module, epochs=1)
    data = fit_data()
    known = data.preprocessing.normalize(data.validation[torch.arange(24)][0])
    distances = torch.cdist(torch.cat([images for images, _ in seen]).flatten(1), known.flatten(1))
    assert distances.min(dim=1).values.max() < 1e-3


def test_weights_are_trained_as_without_alphas():
    """While the alphas warm up the fit is plain training of the supernet under its first mix."""
    warming = fitted(gradient_alphas("darts", warmup_epochs=2))
    torch.manual_seed(0)
    supernet = SPACES["darts"].supernet(SHAPE, 3)
    plain = fitted(SupernetModule(supernet, SPACES["darts"], **WEIGHTS))
    for name, tensor in plain.state_dict().items():
        assert torch.equal(warming.state_dict()[name], tensor), name


def test_alphas_rest_while_they_warm_up_and_move_afterwards():
    module = gradient_alphas("partial", epochs=3, warmup_epochs=1, edge_normalization=True)
    fitted(module, epochs=3)
    for rows in module.trace.values():
        assert len(rows) == 4
        assert torch.equal(rows[0], rows[1])
        assert not torch.equal(rows[1], rows[2])
    for cell, edges in module.edge_weights.items():
        assert [float(part.sum()) for part in torch.split(edges, [2, 3, 4, 5])] == pytest.approx([1.0] * 4), cell


def test_each_epoch_ends_with_a_look_at_all_validation_images():
    """In the mode of training, on images that nothing distorts; nothing of it stays behind."""
    module = fitted(gradient_alphas("darts", warmup_epochs=1))
    data = fit_data()
    images, labels = data.validation[torch.arange(24)]
    with torch.no_grad():
        logits = module.supernet.train()(data.preprocessing.normalize(images), module.mix)
    found = module.history["validation_accuracy"], module.history["validation_loss"]
    assert [len(values) for values in found] == [2, 2], "warm-up or not"
    assert found[0][-1] == pytest.approx(float((logits.argmax(1) == labels).float().mean()))
    assert found[1][-1] == pytest.approx(float(cross_entropy(logits, labels)), rel=1e-5)
    free, _ = parameter_free(SPACES["darts"].derive(module.mix), SPACES["darts"])
    assert module.history["parameter_free_operations"][-1] == free


def test_handed_on_alphas_begin_the_next_supernet():
    first = fitted(gradient_alphas("darts"))
    deeper = DARTSSpace(channels=4, cells=4, partial_channels=1, include_none=True)
    supernet = deeper.supernet(SHAPE, 3)
    second = GradientAlphas(supernet, deeper, epochs=1, alphas=first.alphas, **WEIGHTS)
    assert all(torch.equal(a, b) for a, b in zip(first.alphas.values(), second.alphas.values(), strict=True))
    assert second.alphas["normal"].data_ptr() != first.alphas["normal"].data_ptr()


def test_alphas_of_another_space_or_betas_without_edge_normalization_begin_nothing():
    foreign = gradient_alphas("nasbench201").alphas
    with pytest.raises(ValueError, match=r"the initial alphas have \{'cell': \(6, 5\)\}"):
        gradient_alphas("darts", alphas=foreign)
    with pytest.raises(ValueError, match="this supernet needs none"):
        gradient_alphas("darts", betas={"normal": torch.zeros(14), "reduce": torch.zeros(14)})


def test_a_broken_fit_goes_on_to_the_same_bits(tmp_path):
    whole = fitted(gradient_alphas("partial", edge_normalization=True))
    broken = gradient_alphas("partial", edge_normalization=True)
    saved = tmp_path / "epoch.ckpt"

    class Broken(RuntimeError): ...

    class Last(Checkpoint):
        def on_train_epoch_end(self, trainer, module):
            if trainer.current_epoch == 1:
                raise Broken
            trainer.save_checkpoint(saved)

    options = {"name": "supernet", "epochs": 2, "seed": 0, "trainer": {"accelerator": "cpu"}}
    with pytest.raises(Broken):
        train(broken, fit_data(), callbacks=[Last()], **options)
    again = gradient_alphas("partial", edge_normalization=True)
    train(again, fit_data(), checkpoint=saved, **options)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    assert again.history == whole.history


def test_derivation_is_by_alpha_times_beta():
    space = SPACES["partial"]
    alphas = {cell: torch.zeros(14, 7) for cell in ("normal", "reduce")}
    betas = {cell: torch.zeros(14) for cell in ("normal", "reduce")}
    for rows in alphas.values():
        rows[:, 3] = 1.0  # every edge likes sep_conv_3x3 alike
    for edges in betas.values():
        edges[[1, 2, 4, 7, 8, 12, 13]] = 5.0
    found = space.derive(space.mix(alphas, betas))
    assert [sorted(state for _, state in node) for node in found["normal"]] == [[0, 1], [0, 2], [2, 3], [3, 4]]
    mixed = space.mix(alphas, betas)["normal"].sum(1)
    assert [float(part.sum()) for part in torch.split(mixed, [2, 3, 4, 5])] == pytest.approx([1.0] * 4)


@pytest.mark.parametrize(("experiment", "weights"), [("darts_cifar10", 1_930_618), ("pc_darts_cifar10", 299_578)])
def test_the_papers_supernets_have_their_size(experiment, weights):
    parts = Parts(compose([f"+experiment={experiment}"]).config)
    images = SimpleNamespace(input_shape=(3, 32, 32), classes=10)
    supernet = parts.strategy.supernet(parts.space, images)
    assert sum(parameter.numel() for parameter in supernet.parameters()) == weights
    assert supernet.alpha_shapes == {"normal": (14, 8), "reduce": (14, 8)}


def test_a_collapse_is_named_above_the_threshold():
    space = SPACES["darts"]
    pairs = [("skip_connect", 0), ("skip_connect", 1)] * 3 + [("sep_conv_3x3", 0), ("max_pool_3x3", 1)]
    cells = f"normal={pairs}, normal_concat=range(2, 6), reduce={pairs}, reduce_concat=[2, 3, 4, 5]"
    collapsed = space.read(f"Genotype({cells})")
    assert parameter_free(collapsed, space) == (7, 8)
    (sentence,) = collapse_warning(collapsed, space, None)
    assert "more than 4" in sentence
    assert "7 of 8 operations of the normal cell" in sentence
    assert collapse_warning(collapsed, space, 7) == []
    for published in ("DARTS_V1", "DARTS_V2", "PC_DARTS_cifar", "PDARTS"):
        assert collapse_warning(space.read(published), space, None) == []
    on_201 = SPACES["nasbench201"]
    skips = "|skip_connect~0|+|skip_connect~0|nor_conv_3x3~1|+|skip_connect~0|{}~1|nor_conv_3x3~2|"
    assert collapse_warning(on_201.read(skips.format("nor_conv_1x1")), on_201, None) == []
    assert "4 of 6" in collapse_warning(on_201.read(skips.format("none")), on_201, None)[0]


@pytest.mark.parametrize("strategy", ["darts", "pc_darts"])
@pytest.mark.parametrize("space", ["darts", "nasbench201"])
def test_a_search_of_a_few_seconds(tmp_path, strategy, space):
    words = [f"strategy={strategy}", f"space={space}", "space.channels=4", "data=digits"]
    words.append(f"space.cells={3 if space == 'darts' else 1}")
    words += ["strategy.epochs=2", "retrain.seeds=0", "data.batch_size=256"]
    words += ["strategy.warmup_epochs=1", "strategy.max_parameter_free=0"]
    outcome = experiment.search(compose(words).config, tmp_path / "run", words)
    result = outcome.result
    assert result["strategy"] == strategy
    assert outcome.architecture.space == space
    collapsed = any("has collapsed" in note for note in result["notes"])
    assert collapsed == (parameter_free(outcome.architecture, Parts(compose(words).config).space)[0] > 0)
    assert any("mixes all channels (K=1)" in note for note in result["notes"]) == (
        strategy == "pc_darts" and space == "nasbench201"
    )
    kept = json.loads((tmp_path / "run/artifacts.json").read_text())
    cells = {"darts": ["normal", "reduce"], "nasbench201": ["cell"]}[space]
    assert [artifact["file"] for artifact in kept] == [f"artifacts/mix_{cell}.svg" for cell in cells]
    page = (tmp_path / "run/report.html").read_text()
    assert all(f"Mixing weights over time: {cell}" in page for cell in cells)
    assert np.isfinite(result["control"]["found"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["strategy.epochs=2", "strategy.warmup_epochs=2"], "leaves no epoch of strategy.epochs=2 for the alphas"),
        (["space.cells=2"], "a supernet of 2 cells has only reduction cells, so no normal cell would learn"),
    ],
)
@pytest.mark.parametrize("strategy", ["darts", "pc_darts"])
def test_what_would_search_nothing_is_refused(tmp_path, strategy, words, sentence):
    with pytest.raises(OptionError, match=sentence):
        experiment.search(
            compose([f"strategy={strategy}", "space=darts", "data=digits", *words]).config, tmp_path / "run"
        )
    assert not (tmp_path / "run" / "fits").exists()
