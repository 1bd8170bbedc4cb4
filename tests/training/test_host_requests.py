"""Nothing in a step waits for the host: every fit of every strategy, on a device that has shapes and no values."""

import copy

import numpy as np
import pytest
import torch
from test_capabilities import LEAST, SIZES, SPACE_SIZES

from nasforge import NetworkModule, SupernetModule
from nasforge.config.configuration import compose
from nasforge.experiment import experiment
from nasforge.registry.entry_points import build
from nasforge.run.run import Run
from nasforge.testing.host_requests import host_requests
from nasforge.testing.samples import tiny_data
from nasforge.training.recipe import Recipe
from nasforge_plugins.estimator.training import estimator
from nasforge_plugins.space.darts import DARTS

EVOLVED = ["strategy.warmup_epochs=0"]
FITS = {
    "egnas": ["strategy=egnas", *EVOLVED],
    "egnas as in its code": ["strategy=egnas", *EVOLVED, "strategy.clip_counts_alphas=true"],
    "darts": ["strategy=darts", "strategy.warmup_epochs=0"],
    "darts of second order": ["strategy=darts", "strategy.warmup_epochs=0", "strategy.order=2"],
    "pc_darts": ["strategy=pc_darts", "strategy.warmup_epochs=0"],
    "medarts": ["strategy=medarts"],
    "ntk_ga": ["strategy=ntk_ga", "estimator=zero_cost", "estimator.zero_cost.proxies=[params]"],
    "single_path": ["strategy=single_path"],
    "single_path, fair": ["strategy=single_path", "strategy.sampling=fair"],
}
"""Fits that train a supernet of the space, by a name for people."""
SINGLE = {
    "ntk_ga on reolon": ["space=reolon", *FITS["ntk_ga"]],
    "tsenas": ["space=tsenas", "strategy=tsenas", "estimator=training"],
    "single_path on nasbench201": ["space=nasbench201", *FITS["single_path"]],
    "single_path in parts": ["space=nasbench201", *FITS["single_path"], "strategy.split=0-1"],
    "single_path, sandwich": ["space=mobilenet", "strategy=single_path", "strategy.sampling=sandwich"],
}


class Seen(Exception):
    """Ends a search at its first fit."""


@pytest.fixture
def requests(few_images, tmp_path, monkeypatch):
    """What the first fit of a search asks of the host."""
    found = []

    def spy(module, data):
        found.extend(host_requests(copy.deepcopy(module), data, epochs=2))
        raise Seen

    def of(words):
        strategy, space = (next(w.partition("=")[2] for w in words if w.startswith(f"{kind}=")) for kind in KINDS)
        small = [*LEAST, *SIZES.get("darts" if strategy == "pc_darts" else strategy, ()), *SPACE_SIZES.get(space, ())]
        few = ["data=arrays", f"data.path={few_images}", "data.batch_size=8"]
        with pytest.raises(Seen):
            experiment.search(compose([*few, *small, *words]).config, tmp_path / "run")
        return found

    monkeypatch.setattr(Run, "fit", lambda run, module, name, epochs, data, **_: spy(module, data))
    monkeypatch.setattr(estimator, "train", lambda module, data, **_: spy(module, data))
    return of


KINDS = ("strategy", "space")


@pytest.mark.parametrize(
    ("fit", "space"),
    [*((fit, "darts") for fit in FITS), ("egnas", "nasbench201"), ("darts of second order", "nasbench201")],
)
def test_no_step_of_a_supernet_waits_for_the_host(fit, space, requests):
    assert requests([f"space={space}", *FITS[fit]]) == []


@pytest.mark.parametrize("fit", SINGLE)
def test_no_other_step_does_either(fit, requests):
    assert requests(SINGLE[fit]) == []


# Training networks


class Dropping(NetworkModule):
    """Drops paths from the first epoch on."""

    def on_train_epoch_start(self):
        super().on_train_epoch_start()
        self.learner.drop_path = 0.3


RECIPES = {
    "plain": Recipe(),
    "smoothed and averaged": Recipe(label_smoothing=0.1, nesterov=True, ema=0.9, warmup_epochs=1),
    "mixed": Recipe(mixup=0.2, cutmix=1.0),
    "accumulated": Recipe(accumulate=2),
}


@pytest.mark.parametrize(
    ("recipe", "space"),
    [*((recipe, "nasbench201") for recipe in RECIPES), *(("plain", space) for space in ("darts", "tsenas", "reolon"))],
)
def test_no_step_of_a_retraining_waits_for_the_host(space, recipe):
    data, space = tiny_data((3, 28, 28)), build("space", {"name": space})
    architecture = space.sample(np.random.default_rng(0))
    network = space.build(architecture, data.input_shape, data.classes, channels=4, cells=3, auxiliary=True)
    options = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 3e-4, "clip": 5.0, "auxiliary_weight": 0.4}
    module = Dropping(network, recipe=RECIPES[recipe], classes=data.classes, **options)
    assert host_requests(module, data.split(0.5), epochs=2) == []


def test_half_precision_asks_no_more():
    assert host_requests(Asking(), tiny_data().halves(), precision="bf16-mixed") == []


# What a step may not do


class Asking(SupernetModule):
    """A supernet whose steps ask something as well."""

    space = DARTS(channels=4, cells=3, operations=["skip_connect", "sep_conv_3x3"])

    def __init__(self, ask=lambda images: None):
        sgd = {"learning_rate": 0.1, "final_learning_rate": 0.0, "momentum": 0.9, "weight_decay": 3e-4, "clip": 5.0}
        super().__init__(self.space.supernet(tiny_data().input_shape, 2), self.space, **sgd)
        self.ask = ask

    def training_step(self, batch, batch_index):
        self.ask(batch[0])
        return super().training_step(batch, batch_index)


@pytest.mark.parametrize(
    ("ask", "operator"),
    [
        (lambda images: images.sum().item(), "aten._local_scalar_dense"),
        (lambda images: bool(images.sum() > 0), "aten._local_scalar_dense"),
        (lambda images: images.tolist(), "aten._to_copy"),
        (lambda images: images.cpu(), "aten._to_copy"),
        (lambda images: images[[0, 1]], "an index"),
        (lambda images: images[:, np.array([0, 1])], "aten._to_copy"),
        (lambda images: torch.tensor([0.1, 0.2], device=images.device), "torch.tensor"),
        (lambda images: torch.zeros(3).to(images.device), "aten._to_copy"),
        (lambda images: images.index_select(0, torch.tensor([0, 1])), "aten.index_select"),
        (lambda images: images * torch.tensor(2.0), "aten.mul"),
        (lambda images: images.nonzero(), "aten.nonzero"),
        (lambda images: images[images > 0], "aten.index"),
        (lambda images: images.masked_select(images > 0), "aten.masked_select"),
    ],
)
def test_a_request_is_found_with_its_operator_and_its_line(ask, operator):
    line = ask.__code__.co_firstlineno
    assert host_requests(Asking(ask), tiny_data().halves()) == [f"{operator} in {__file__}:{line} (<lambda>)"]


class Slow(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * gradient.sum().item()


def test_the_backward_pass_is_watched_too():
    class Backward(Asking):
        def training_step(self, batch, batch_index):
            return Slow.apply(super().training_step(batch, batch_index))

    (request,) = host_requests(Backward(), tiny_data().halves())
    assert request.startswith(f"aten._local_scalar_dense in {__file__}:")
    assert request.endswith("(backward)")


def test_an_index_that_asks_nothing_is_no_request():
    def ask(images):
        places = torch.arange(2, device=images.device)
        return images[0], images[:, ::2], images[places], images[None, ..., 1], torch.zeros(3, device=images.device)

    assert host_requests(Asking(ask), tiny_data().halves()) == []


def test_a_mistake_is_no_request():
    with pytest.raises(RuntimeError, match="dimension"):
        host_requests(Asking(lambda images: images + images[:, :2]), tiny_data().halves())


def test_a_fit_that_is_too_short_says_nothing():
    with pytest.raises(ValueError, match="fewer than 9 batches"):
        host_requests(Asking(), tiny_data().halves(), batches=9)
