"""The forecast of a retraining counts all that an epoch does."""

import re
import time

import pytest
import torch
from torch.overrides import TorchFunctionMode

from nasforge.config.configuration import compose
from nasforge.experiment import forecast
from nasforge.experiment.retraining_options import Retraining
from nasforge.registry.entry_points import build
from nasforge.testing import tiny_data


@pytest.fixture
def epoch(monkeypatch):
    """The forecast of an epoch of 40 images, if everything that is measured once takes a second."""

    def seconds(work, images):
        work()
        return 1.0

    monkeypatch.setattr(forecast, "_seconds", seconds)

    def forecast_of(**options):
        data, space = tiny_data(images=40), build("space", {"name": "darts"})
        how = Retraining(**{**compose([]).config["retrain"], "batch_size": 8, "auxiliary": False, **options})
        network = space.build(space.presets["DARTS_V2"], data.input_shape, data.classes, channels=2, cells=1)
        fit_data = how.fit_data(data.train, data.preprocessing, seed=0)
        return forecast._epoch_seconds(network, fit_data, how, "cpu")

    return forecast_of


AUGMENTATION, STEP = 1, 1


def test_each_batch_is_augmented_and_learned(epoch):
    assert epoch() == 5 * (AUGMENTATION + STEP)
    assert epoch(augment="randaugment") == 5 * (AUGMENTATION + STEP)


def test_each_step_moves_the_average(epoch):
    assert epoch(ema=0.9) == 5 * (AUGMENTATION + STEP) + 5
    assert epoch(ema=0.9, accumulate=2) == 5 * (AUGMENTATION + STEP) + 2.5


def test_held_out_images_are_scored_instead_of_learned(epoch):
    assert epoch(held_out=0.2) == 4 * (AUGMENTATION + STEP) + 1


def test_only_the_second_call_is_timed(monkeypatch):
    durations, now = [9.0, 0.5], 0.0

    def work():
        nonlocal now
        now += durations.pop(0)

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    assert forecast._seconds(work, torch.zeros(1)) == 0.5
    assert not durations


def test_the_operations_of_a_policy_count(epoch, monkeypatch):
    """Counts calls of torch instead of seconds."""

    class Calls(TorchFunctionMode):
        count = 0

        def __torch_function__(self, function, types, args=(), kwargs=None):
            self.count += 1
            return function(*args, **(kwargs or {}))

    def calls_of(work, images):
        with Calls() as calls:
            work()
        return calls.count

    monkeypatch.setattr(forecast, "_seconds", calls_of)
    assert epoch(augment="autoaugment") > epoch(augment="none")


def test_a_training_that_may_stop_early_takes_at_most_that(command, few_images):
    small = ["retrain.seeds=1", "retrain.random=0", "retrain.channels=2", "retrain.cells=1", "retrain.epochs=2"]
    early = ["retrain.held_out=0.25", "retrain.patience=1", "retrain.batch_size=8"]
    words = ["architecture=DARTS_V2", "data=arrays", f"data.path={few_images}", *small]
    status, _, plan = command("retrain", *words, *early, "hydra.run.dir=early")
    assert status == 0
    assert re.search(r"1 network for 2 epochs on \d+ images, at most about", plan)
