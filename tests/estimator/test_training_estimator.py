"""Candidates trained for a few epochs: what they are scored on, what stops them, and what they begin with."""

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer

from nasforge import Context, OptionError, SearchData
from nasforge.execution.executor import LocalExecutor
from nasforge.registry.entry_points import build
from nasforge.wording import quantity
from nasforge_plugins.estimator.training.estimator import Training, trainer_on
from nasforge_plugins.estimator.training.learning_curve import POINTS, StopBelow, extrapolated, power_law


@pytest.fixture(scope="module")
def data():
    digits = build("data", {"name": "digits", "batch_size": 60}).for_search(0)
    assert isinstance(digits, SearchData)
    return digits.subset(300)


def estimate(data, space=None, weights=None, until=None, checkpoint=None, **options):
    space = space or build("space", {"name": "nasbench201"})
    estimator = build("estimator", {"name": "training", "channels": 4, "cells": 1, **options})
    one = space.sample(np.random.default_rng(0))
    context = Context(space, data, "cpu", 1, 0, weights, epochs=until, checkpoint=checkpoint)
    return dict(LocalExecutor(1).run(estimator, [(one, context)]))[0]


def test_a_power_law_is_extrapolated_to_where_it_leads():
    curve = power_law(np.arange(1.0, 9.0), 0.9, 0.6, 0.7)
    assert extrapolated(curve.tolist(), 40) == pytest.approx(0.9 - 0.6 * 40**-0.7, abs=1e-3)


def test_a_flat_or_falling_curve_stays_at_its_best():
    assert extrapolated([0.1, 0.1, 0.1, 0.1], 50) == pytest.approx(0.1, abs=0.01)
    assert extrapolated([0.5, 0.3, 0.2, 0.1], 50) == pytest.approx(0.5, abs=0.02)


class FakeTrainer:
    max_epochs = 12
    should_stop = False


def stopped_after(curve, accuracy):
    """The epoch with which the rule ends a training that has this curve."""
    values = iter(curve)
    rule, trainer = StopBelow(accuracy, lambda: next(values)), FakeTrainer()
    for epoch in range(1, len(curve) + 1):
        rule.on_train_epoch_end(trainer, None)
        if trainer.should_stop:
            return epoch
    return None


def test_the_rule_waits_until_a_curve_can_be_laid_and_lets_the_promising_go_on():
    curve = power_law(np.arange(1.0, 13.0), 0.8, 0.5, 1.0).tolist()
    assert stopped_after(curve, 0.9) == POINTS
    assert stopped_after(curve, 0.7) is None


def test_a_candidate_without_promise_is_given_up_and_its_epochs_are_counted(data):
    kept = estimate(data, epochs=6)
    given_up = estimate(data, epochs=6, stop_below=1.0)
    assert kept.metrics["train_epochs"] == 6
    assert given_up.metrics["train_epochs"] == POINTS
    assert estimate(data, epochs=6, stop_below=0.0).metrics == kept.metrics


def test_a_candidate_trained_further_equals_one_trained_without_a_pause(data, tmp_path):
    def state(answer):
        (tmp_path / "state").write_bytes(answer.checkpoint)
        held = torch.load(tmp_path / "state", weights_only=True)
        return held["state_dict"], held["optimizer_states"], held["lr_schedulers"]

    whole, two = estimate(data, epochs=4), estimate(data, epochs=4, until=2)
    checkpoint = None
    for until in (1, 2, 4):
        answer = estimate(data, epochs=4, until=until, checkpoint=checkpoint)
        if until == 2:
            torch.testing.assert_close(state(answer), state(two), rtol=0, atol=0)
        checkpoint = tmp_path / f"{until}.ckpt"
        checkpoint.write_bytes(answer.checkpoint or b"")
    assert answer.metrics == whole.metrics
    assert answer.checkpoint is None, "there is nothing to continue to"
    assert two.metrics["train_epochs"] == 2


def test_fewer_and_smaller_images_are_trained_on_and_the_held_out_ones_stay_the_same(data):
    whole = Training().images_of(data)
    few, fewer = (Training(images=images).images_of(data) for images in (100, 40))
    assert (len(fewer.train), len(few.train)) == (40, 100)
    positions = [set(each.train.positions.tolist()) for each in (fewer, few, whole)]
    assert positions[0] < positions[1] < positions[2]
    small = Training(images=40, scale=0.5).images_of(data)
    assert (small.train.shape, small.validation.shape) == ((1, 4, 4), (1, 4, 4))
    assert torch.equal(small.train[torch.arange(40)][1], fewer.train[torch.arange(40)][1])
    assert torch.equal(fewer.validation.positions, whole.validation.positions)
    assert (whole.preprocessing.pad, small.preprocessing.pad) == (1, 0)


def test_a_candidate_at_half_the_resolution_computes_a_quarter(data):
    full, half = (estimate(data, epochs=1, scale=scale).metrics for scale in (1.0, 0.5))
    assert half["params_m"] == full["params_m"]
    assert half["macs_m"] == pytest.approx(full["macs_m"] / 4, rel=0.01)


def test_keys_are_as_before_without_fewer_or_smaller_images():
    assert not {"images", "scale"} & set(build("estimator", {"name": "training"}).options)


def test_more_images_than_there_are_to_train_on_are_refused(data):
    with pytest.raises(OptionError, match=r"images=241 is more than the 240 images that .*held_out=0\.2 leaves"):
        Training(images=241).check_data(data)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"epochs": 1}, "estimator.training.epochs=1 leaves no candidate to stop earlier"),
        ({"epochs": 9, "stop_below": 0.5}, "stop_below=0.5 and this strategy both stop candidates early"),
    ],
)
def test_a_training_that_a_strategy_cannot_stop_is_refused(options, sentence):
    with pytest.raises(OptionError, match=sentence):
        build("estimator", {"name": "training", **options}).fidelities()


def test_few_steps_leave_running_statistics_behind_and_gathering_them_anew_tells_what_was_learned(data):
    """Five steps an epoch keep more than half of what BatchNorms began with (momentum 0.1: 0.9^5).

    Accuracies on sixty images depend on the processor's kernels, so this compares the means of four networks.
    """
    space = build("space", {"name": "nasbench201"})
    one = space.read("|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|")
    answers = {}
    for recalibrate in (True, False):
        options = {"epochs": 2, "channels": 8, "cells": 1, "recalibrate": recalibrate}
        estimator = build("estimator", {"name": "training", **options})
        learned = [estimator.estimate(one, Context(space, data, "cpu", 1, seed)) for seed in range(4)]
        answers[recalibrate] = np.mean([each.metrics["accuracy"] for each in learned])
    assert answers[True] > answers[False] + 0.1


def test_from_scratch_nothing_is_inherited_or_left_behind(data):
    answer = estimate(data, epochs=1)
    assert answer.metrics["inherited"] == 0
    assert answer.tensors is None


def test_sizes_are_those_of_the_network(data):
    answer = estimate(data, epochs=1)
    space = build("space", {"name": "nasbench201"})
    torch.manual_seed(0)
    network = space.build(space.sample(np.random.default_rng(0)), data.input_shape, 10, channels=4, cells=1)
    assert answer.metrics["params_m"] == sum(parameter.numel() for parameter in network.parameters()) / 1e6


@pytest.mark.parametrize("device", ["cpu", "cuda:0", "cuda:1"])
def test_a_candidate_trains_where_it_is_scored(device, monkeypatch):
    """Lightning's own answer to a number of GPUs that is made up."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    trainer = Trainer(**trainer_on(device), logger=False, enable_checkpointing=False)
    assert trainer.strategy.root_device == torch.device(device)


@pytest.mark.parametrize(
    "options",
    [{"stop_below": 1.5}, {"stop_below": 0.5, "epochs": 4}, {"epochs": 0}, {"held_out": 1.0}, {"learning_rate": 0}],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        build("estimator", {"name": "training", **options})


def test_shares_are_shown_in_percent():
    objectives = build("estimator", {"name": "training"}).objectives
    (inherited,) = [objective for objective in objectives if objective.metric == "inherited"]
    assert quantity(inherited, 0.975) == "tensors inherited 97.50 %"
