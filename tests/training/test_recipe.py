"""What a recipe changes in the training of a network, against torch's own pieces and hand loops."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from nasforge import FitData, ImageSet, NetworkModule, Preprocessing, train
from nasforge.training.averaging import update_average
from nasforge.training.recipe import Recipe
from nasforge.training.schedules import scheduler

SGD = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-3, "clip": 1e9}
CLASSES = 3


class Plain(nn.Module):
    """A network without BatchNorm, so that a batch may be split."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, CLASSES))
        self.drop_path = 0.0

    def forward(self, images):
        return self.layers(images)

    def with_auxiliary(self, images):
        return self(images), None


def data(n=64, batch_size=64, validation=None):
    pixels = torch.randint(0, 256, (n, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    images = ImageSet.of(pixels, torch.arange(n) % CLASSES)
    held_out = images if validation else None
    return FitData(images, held_out, Preprocessing((0.5,), (0.3,)), batch_size)


def module_of(**recipe):
    torch.manual_seed(0)
    return NetworkModule(Plain(), **SGD, recipe=Recipe(**recipe), classes=CLASSES)


def fitted(module, fit_data, epochs=1, precision="64-true"):
    trainer = {"accelerator": "cpu", "devices": 1, "precision": precision}
    train(module, fit_data, name="fit", epochs=epochs, seed=0, trainer=trainer)
    return module


def step_by_hand(network, fit_data, label_smoothing=0.0, **options):
    """One step of torch's SGD on all images."""
    network = copy.deepcopy(network).double()
    optimizer = torch.optim.SGD(network.parameters(), 0.1, 0.9, weight_decay=1e-3, **options)
    pixels, labels = fit_data.train[torch.arange(len(fit_data.train))]
    images = fit_data.preprocessing.normalize(pixels).double()
    cross_entropy(network(images), labels, label_smoothing=label_smoothing).backward()
    optimizer.step()
    return network


def assert_close(network, expected, **tolerance):
    for own, other in zip(network.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(own, other, **tolerance or {"rtol": 1e-10, "atol": 1e-10})


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ({}, {}),
        ({"label_smoothing": 0.2}, {"label_smoothing": 0.2}),
        ({"nesterov": True}, {"nesterov": True}),
    ],
)
def test_a_step_is_that_of_torch(recipe, options):
    module = module_of(**recipe)
    expected = step_by_hand(module.network, data(), **options)
    assert_close(fitted(module, data()).network, expected)
    if options:
        with pytest.raises(AssertionError):
            assert_close(module.network, step_by_hand(module_of().network, data()))


def rates(epochs, **options):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.4)
    schedule = scheduler(optimizer, epochs=epochs, **options)
    found = []
    for _ in range(epochs):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize("warmup", [0, 1, 3])
@pytest.mark.parametrize(
    ("schedule", "share"),
    [
        ("cosine", lambda done: (1 + math.cos(math.pi * done)) / 2),
        ("linear", lambda done: 1 - done),
        ("constant", lambda done: 1.0),
    ],
)
def test_the_learning_rate_rises_linearly_and_then_follows_the_schedule(schedule, share, warmup):
    rising = [0.4 * (epoch + 1) / (warmup + 1) for epoch in range(warmup)]
    falling = [0.4 * share(epoch / (10 - warmup)) for epoch in range(10 - warmup)]
    assert rates(10, schedule=schedule, warmup=warmup) == pytest.approx(rising + falling)


def test_a_fit_uses_the_schedule_and_scales_the_rate_to_the_images_of_a_step():
    module, seen = module_of(warmup_epochs=1, schedule="linear", base_batch_size=16, accumulate=2), []
    module.on_before_optimizer_step = lambda optimizer: seen.append(optimizer.param_groups[0]["lr"])
    fitted(module, data(batch_size=32), epochs=3)
    whole = 0.1 * 64 / 16
    assert seen == pytest.approx([whole / 2, whole, whole / 2])


@pytest.mark.parametrize("n", [64, 61])
def test_two_batches_make_the_step_of_one(n):
    """The last batch of 61 images has 29."""
    accumulated = fitted(module_of(accumulate=2), data(n, 32), epochs=3)
    whole = fitted(module_of(), data(n, 64), epochs=3)
    assert_close(accumulated.network, whole.network, rtol=1e-9, atol=1e-9)
    assert accumulated.history["train_loss"] == pytest.approx(whole.history["train_loss"])


def test_an_incomplete_last_step_is_the_mean_over_its_own_images():
    accumulated = fitted(module_of(accumulate=2), data(48, 16))
    steps = []
    module = module_of(accumulate=2)
    module.on_before_optimizer_step = lambda optimizer: steps.append(
        sum(float(group.grad.square().sum()) for group in module.parameters()) ** 0.5
    )
    fitted(module, data(48, 16))
    assert_close(module.network, accumulated.network)
    assert len(steps) == 2
    assert 0.4 < steps[1] / steps[0] < 2.5, "half a step would have half the gradient"


def test_the_average_is_that_of_a_hand_loop():
    torch.manual_seed(0)
    average, network = (nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)) for _ in range(2))
    expected = {name: tensor.clone() for name, tensor in average.state_dict().items()}
    for step in range(30):
        network(torch.randn(5, 2))
        with torch.no_grad():
            network[0].weight.add_(0.1)
        update_average(average, network, 0.7, step)
        decay = min(0.7, (1 + step) / (10 + step))
        for name, tensor in network.state_dict().items():
            floating = tensor.is_floating_point()
            expected[name] = decay * expected[name] + (1 - decay) * tensor if floating else tensor.clone()
    for name, tensor in average.state_dict().items():
        torch.testing.assert_close(tensor, expected[name])


def test_the_network_of_a_fit_is_the_average_and_the_raw_weights_are_those_of_a_fit_without():
    averaged, plain = fitted(module_of(ema=0.9), data(batch_size=16), 2), fitted(module_of(), data(batch_size=16), 2)
    assert_close(averaged.raw, plain.network)
    with pytest.raises(AssertionError):
        assert_close(averaged.network, plain.network, rtol=1e-3, atol=1e-3)
    assert plain.raw is None
    names = {name.partition(".")[0] for name in averaged.state_dict()}
    assert names == {"network", "raw"}


def test_a_fit_stops_when_the_held_out_images_no_longer_improve():
    module = module_of(held_out=0.5, patience=2)
    module.score = lambda forward, batches: {"accuracy": [0.3, 0.6, 0.5, 0.6, 0.9][module.current_epoch],
                                             "cross_entropy": 1.0}  # fmt: skip
    fitted(module, data(validation=True), epochs=5)
    assert module.history["held_out_accuracy"] == [0.3, 0.6, 0.5, 0.6]
    assert module.stopped_early


def test_held_out_accuracy_is_that_of_the_evaluated_network():
    module = fitted(module_of(held_out=0.5, ema=0.5), data(validation=True), epochs=2)
    images = data().preprocessing.normalize(data().train[torch.arange(64)][0]).double()
    correct = (module.network(images).argmax(1) == torch.arange(64) % CLASSES).double().mean().item()
    assert module.history["held_out_accuracy"][-1] == pytest.approx(correct)
    assert not module.stopped_early


def test_only_options_that_differ_from_their_defaults_are_in_a_key():
    assert module_of().about is None
    assert module_of(ema=0.9, schedule="linear").about == {"ema": 0.9, "schedule": "linear"}
