"""Scores with batch statistics, alphas outside the weights' optimizer, the retraining recipe."""

import copy
from functools import partial

import numpy as np
import pytest
import torch

from nasforge import (
    FitData,
    ImageSet,
    NetworkModule,
    OptionError,
    Preprocessing,
    SupernetModule,
    batch_statistics,
    score,
    train,
)
from nasforge.devices.host_requests import HostRequests
from nasforge.registry.entry_points import build
from nasforge.training.modules import DivergedError
from nasforge.training.scoring import totals
from nasforge_plugins.space.darts import DARTS
from nasforge_plugins.space.nasbench201 import NASBench201

SPACE = DARTS(channels=8, cells=3, partial_channels=2)
SHAPE = (1, 8, 8)


@pytest.fixture
def supernet():
    torch.manual_seed(0)
    return SPACE.supernet(SHAPE, 3)


def images(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, *SHAPE, generator=generator)


def uniform(supernet):
    return SPACE.mix({cell: torch.zeros(shape) for cell, shape in supernet.alpha_shapes.items()})


def fit_data(n=24):
    pixels = torch.randint(0, 256, (n, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    whole = ImageSet.of(pixels, torch.arange(n) % 3)
    train_part, validation = whole.split(0.5, 0)
    return FitData(train_part, validation, Preprocessing((0.5,), (0.3,), 1, False), 6)


def mixes(supernet):
    rng = np.random.default_rng(0)
    alphas = {cell: torch.from_numpy(rng.standard_normal(s)).float() for cell, s in supernet.alpha_shapes.items()}
    return {"continuous": SPACE.mix(alphas), "discrete": SPACE.mix_of(SPACE.sample(rng))}


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_batch_statistics_are_those_of_train_mode_and_update_nothing(supernet, kind):
    mix = mixes(supernet)[kind]
    trained = copy.deepcopy(supernet).train()
    with torch.no_grad():
        expected = trained(images(16), mix)
    supernet.eval()
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    with torch.no_grad(), batch_statistics(supernet):
        found = supernet(images(16), mix)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert all(torch.equal(before[name], tensor) for name, tensor in supernet.state_dict().items())
    with torch.no_grad():  # and running statistics are back in force
        assert not torch.allclose(supernet(images(16), mix), expected, atol=1e-3)


def test_scores_are_means_over_images_not_over_batches(supernet):
    supernet.eval()
    forward = partial(supernet, mix=uniform(supernet))
    labels = torch.arange(10) % 3
    whole = score(forward, [(images(10), labels)])
    parts = score(forward, [(images(10)[:7], labels[:7]), (images(10)[7:], labels[7:])])
    assert whole["accuracy"] == parts["accuracy"]
    assert whole["cross_entropy"] == pytest.approx(parts["cross_entropy"], rel=1e-6)
    logits = forward(images(10)).detach()
    assert whole["cross_entropy"] == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item(), rel=1e-6)


def test_the_scores_of_many_mixes_are_those_of_each_to_the_bit(supernet):
    module, several = module_of(supernet.eval()), list(mixes(supernet).values())
    batches = [(images(n, seed=n), torch.arange(n) % 3) for n in (7, 3)]
    with batch_statistics(supernet):
        one_by_one = [module.score(partial(supernet, mix=mix), batches) for mix in several]
        assert module.score_mixes(supernet, several, batches) == one_by_one
    assert one_by_one[0] != one_by_one[1]


@pytest.mark.parametrize("space", [SPACE, NASBench201(channels=4, cells=1)], ids=lambda space: space.name)
def test_a_generation_is_scored_without_asking_the_device_for_values(space):
    with torch.device("meta"):  # where tensors have a shape but no values
        supernet = space.supernet(SHAPE, 3).eval()
        batch = torch.empty(6, *SHAPE), torch.empty(6, dtype=torch.int64)
        mix = {
            cell: torch.empty(rows.shape) for cell, rows in space.mix_of(space.sample(np.random.default_rng(0))).items()
        }
    with batch_statistics(supernet), HostRequests("meta") as requests:
        counted = totals(partial(supernet, mix=mix), [batch, batch])
    assert requests.found == []
    assert (counted.shape, counted.dtype, counted.device.type) == ((3,), torch.float64, "meta")


def module_of(supernet, **options):
    weights = {"learning_rate": 0.1, "final_learning_rate": 0.0, "momentum": 0.9, "weight_decay": 3e-4, "clip": 5.0}
    return SupernetModule(supernet, SPACE, **weights | options)


def cpu(module, epochs, data=None):
    return train(
        module,
        data or fit_data(),
        name="fit",
        epochs=epochs,
        seed=0,
        trainer={"accelerator": "cpu", "devices": 1},
    )


def test_alphas_are_no_weights_but_belong_to_the_state(supernet):
    module = module_of(supernet, edge_normalization=True)
    weights = sum(parameter.numel() for parameter in supernet.parameters())
    assert sum(parameter.numel() for parameter in module.weights_to_learn) == weights
    assert {"alpha_normal", "alpha_reduce", "beta_normal", "beta_reduce"} <= set(module.state_dict())
    before = module.alphas["normal"].clone()
    cpu(module, 1)
    assert torch.equal(module.alphas["normal"], before)


def test_a_supernet_learns_and_its_learning_rate_falls_to_the_last_one(supernet):
    module = module_of(supernet)
    rates = []
    module.on_before_optimizer_step = lambda optimizer: rates.append(optimizer.param_groups[0]["lr"])
    cpu(module, 4)
    expected = [0.1 * (1 + np.cos(np.pi * epoch / 4)) / 2 for epoch in range(4) for _ in range(2)]
    assert rates == pytest.approx(expected)


def test_its_learning_rate_may_rise_first_and_fall_linearly(supernet):
    module = module_of(supernet, final_learning_rate=0.02, schedule="linear", learning_rate_warmup=1)
    rates = []
    module.on_before_optimizer_step = lambda optimizer: rates.append(optimizer.param_groups[0]["lr"])
    cpu(module, 3)
    assert rates[::2] == pytest.approx([0.05, 0.1, 0.06])


@pytest.mark.parametrize("name", ["egnas", "darts", "single_path", "medarts", "tsenas"])
def test_a_warm_up_leaves_an_epoch_for_the_schedule(name):
    refusal = (
        r"strategy\.optimizer\.learning_rate_warmup=40 leaves no epoch of \d+ for the schedule; it must be smaller"
    )
    with pytest.raises(OptionError, match=refusal):
        build("strategy", {"name": name, "optimizer": {"learning_rate_warmup": 40}})
    with pytest.raises(OptionError, match=r"is more than strategy\.optimizer\.learning_rate=\S+, from which"):
        build("strategy", {"name": name, "optimizer": {"schedule": "linear", "final_learning_rate": 50.0}})


def test_validation_batches_are_one_epochs_own_and_no_training_image(supernet):
    module, data = module_of(supernet), fit_data()
    seen = []
    module.on_train_epoch_end = lambda: seen.append(
        [torch.cat([part[0] for part in module.validation_batches(2, 5)]) for _ in range(2)]
    )
    cpu(module, 2, data)
    (first, again), (second, _) = seen
    assert torch.equal(first, again)
    assert first.shape == (10, *SHAPE)
    assert not torch.equal(first, second)
    validation = data.preprocessing.normalize(data.validation[torch.arange(len(data.validation))][0])
    assert all(any(torch.equal(image, known) for known in validation) for image in first)


def network_module(**options):
    torch.manual_seed(0)
    architecture = SPACE.presets["DARTS_V2"]
    network = SPACE.build(architecture, (3, 32, 32), 3, channels=4, cells=3, auxiliary=True)
    recipe = {"learning_rate": 0.025, "momentum": 0.9, "weight_decay": 3e-4, "clip": 5.0, "drop_path": 0.2}
    return NetworkModule(network, **recipe | {"auxiliary_weight": 0.4} | options)


def coloured(n=12):
    pixels = torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return FitData(ImageSet.of(pixels, torch.arange(n) % 3), None, Preprocessing((0.5,) * 3, (0.3,) * 3), 6)


def test_drop_path_rises_from_zero_by_the_share_of_epochs_done():
    module, seen = network_module(), []
    step = module.training_step
    module.training_step = lambda *batch: (seen.append(module.network.drop_path), step(*batch))[1]
    cpu(module, 4, coloured())
    assert seen[::2] == pytest.approx([0.0, 0.05, 0.1, 0.15])


def test_the_auxiliary_loss_is_added_with_its_weight():
    batch = torch.randn(6, 3, 32, 32), torch.arange(6) % 3
    losses = []
    for weight in (0.0, 0.4, 0.8):
        module = network_module(auxiliary_weight=weight, drop_path=0.0)
        module._seen = torch.zeros(3)
        losses.append(module.training_step(batch, 0).item())
    assert losses[2] - losses[0] == pytest.approx(2 * (losses[1] - losses[0]), rel=1e-4)
    assert losses[1] > losses[0] + 0.1


def test_a_loss_that_is_no_number_stops_with_a_sentence():
    module = network_module(learning_rate=1e30, clip=1e30)
    with pytest.raises(DivergedError, match="the loss of fit 'fit' is nan in epoch"):
        cpu(module, 3, coloured())
