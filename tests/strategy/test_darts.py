"""DARTS and PC-DARTS against autograd, plain SGD, their published sizes, and what hands alphas on."""

import json

import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import Checkpoint
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from nasforge import FitData, ImageSet, Preprocessing, SupernetModule, experiment, train
from nasforge.configuration import compose
from nasforge.parts import Parts
from nasforge_plugins.space.darts import DARTS as DARTSSpace
from nasforge_plugins.space.nasbench201 import NASBench201
from nasforge_plugins.strategy.darts import GradientAlphas, collapse_warning
from nasforge_plugins.strategy.darts.collapse import parameter_free
from nasforge_plugins.strategy.darts.unrolled import gradients_of, unrolled_gradient

SHAPE = (1, 8, 8)
SPACES = {
    "darts": DARTSSpace(channels=4, cells=3, partial_channels=1, include_none=True),
    "partial": DARTSSpace(channels=8, cells=3, partial_channels=2),
    "nasbench201": NASBench201(channels=2, cells=1),
}
WEIGHTS = {"learning_rate": 0.05, "final_learning_rate": 0.0, "momentum": 0.9, "weight_decay": 3e-4, "clip": 5.0}


def gradient_alphas(space, epochs=2, **options):
    torch.manual_seed(0)
    supernet = SPACES[space].supernet(SHAPE, 3)
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


def before_a_step(space, *, momentum, **options):
    """A module in float64 whose weights have taken a step, so that there is momentum; and the optimizer."""
    module = gradient_alphas(space, order=2, **options).double()
    for tensor in module._architecture():
        tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(5)))
    module._alpha_seen = torch.zeros(3, dtype=torch.float64)
    optimizer = torch.optim.SGD(module.weights_to_learn, 0.05, momentum, weight_decay=3e-2)
    module.training_loss(batch(7), module.live()).backward()
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


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("space", ["darts", "partial", "nasbench201"])
def test_the_second_order_is_the_gradient_through_the_step(space, momentum):
    module, optimizer = before_a_step(space, momentum=momentum, edge_normalization=space == "partial")
    expected = unrolled_by_autograd(module, optimizer, batch(1), batch(2))
    found = unrolled_gradient(module, batch(1), batch(2), NEAR)
    first = gradients_of(module.validation_loss(batch(2), live := module.live()), live)
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
    assert module.history["validation_accuracy"][0] is None
    assert all(0 <= value <= 1 for value in module.history["validation_accuracy"][1:])


def test_handed_on_alphas_begin_the_next_supernet():
    first = fitted(gradient_alphas("darts"))
    deeper = DARTSSpace(channels=4, cells=4, partial_channels=1, include_none=True)
    supernet = deeper.supernet(SHAPE, 3)
    second = GradientAlphas(supernet, deeper, epochs=1, alphas=first.alphas, **WEIGHTS)
    assert all(torch.equal(a, b) for a, b in zip(first.alphas.values(), second.alphas.values(), strict=True))
    assert second.alphas["normal"].data_ptr() != first.alphas["normal"].data_ptr()


def test_a_broken_fit_goes_on_to_the_same_bits(tmp_path):
    whole = fitted(gradient_alphas("partial", epochs=3, edge_normalization=True), epochs=3)
    broken = gradient_alphas("partial", epochs=3, edge_normalization=True)
    saved = tmp_path / "epoch.ckpt"

    class Broken(RuntimeError): ...

    class Last(Checkpoint):
        def on_train_epoch_end(self, trainer, module):
            if trainer.current_epoch == 1:
                raise Broken
            trainer.save_checkpoint(saved)

    options = {"name": "supernet", "epochs": 3, "seed": 0, "trainer": {"accelerator": "cpu"}}
    with pytest.raises(Broken):
        train(broken, fit_data(), callbacks=[Last()], **options)
    again = gradient_alphas("partial", epochs=3, edge_normalization=True)
    train(again, fit_data(), resume_from=saved, **options)
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
    supernet = parts.space.supernet((3, 32, 32), 10, **parts.strategy.supernet_options)
    assert sum(parameter.numel() for parameter in supernet.parameters()) == weights
    assert supernet.alpha_shapes == {"normal": (14, 8), "reduce": (14, 8)}


def test_a_collapse_is_named_above_the_threshold():
    space = SPACES["darts"]
    pairs = [("skip_connect", 0), ("skip_connect", 1)] * 3 + [("sep_conv_3x3", 0), ("max_pool_3x3", 1)]
    cells = f"normal={pairs}, normal_concat=range(2, 6), reduce={pairs}, reduce_concat=[2, 3, 4, 5]"
    collapsed = space.read(f"Genotype({cells})")
    assert parameter_free(collapsed, space) == (7, 8)
    (sentence,) = collapse_warning(collapsed, space, 4)
    assert "7 of 8 operations of the normal cell" in sentence
    assert collapse_warning(collapsed, space, 7) == []
    for published in ("DARTS_V1", "DARTS_V2", "PC_DARTS_cifar", "PDARTS"):
        assert collapse_warning(space.read(published), space, 4) == []


@pytest.mark.parametrize("strategy", ["darts", "pc_darts"])
@pytest.mark.parametrize("space", ["darts", "nasbench201"])
def test_a_search_of_a_few_seconds(tmp_path, strategy, space):
    words = [f"strategy={strategy}", f"space={space}", "space.channels=8", "space.cells=1", "data=digits"]
    words += ["strategy.epochs=2", "retrain.seeds=0", "retrain.random=0", "data.batch_size=128"]
    words += ["strategy.warmup_epochs=1", "strategy.max_parameter_free=0"]
    outcome = experiment.search(compose(words).config, tmp_path / "run", words)
    result = outcome.result
    assert result["strategy"] == strategy
    assert outcome.architecture.space == space
    collapsed = any("has collapsed" in note for note in result["notes"])
    assert collapsed == (parameter_free(outcome.architecture, Parts(compose(words).config).space)[0] > 0)
    assert any("every channel was mixed" in note for note in result["notes"]) == (
        strategy == "pc_darts" and space == "nasbench201"
    )
    kept = json.loads((tmp_path / "run/artifacts.json").read_text())
    cells = {"darts": ["normal", "reduce"], "nasbench201": ["cell"]}[space]
    assert [one["file"] for one in kept] == [f"artifacts/mix_{cell}.svg" for cell in cells]
    page = (tmp_path / "run/report.html").read_text()
    assert all(f"mixing weights of the {cell} cell" in page for cell in cells)
    assert np.isfinite(result["control"]["found"])
