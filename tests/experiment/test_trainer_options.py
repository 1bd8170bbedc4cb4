"""What Lightning's trainer may be told: where, how precisely, what to write. All else is refused by name."""

import inspect

import pytest
import pytorch_lightning as pl

from nasforge import OptionError
from nasforge.config.configuration import compose
from nasforge.experiment.trainer_options import TrainerOptions, trainer_options
from nasforge.training.fit import OWN_OPTIONS

ALLOWED = set(inspect.signature(TrainerOptions).parameters)
OF_LIGHTNING = set(inspect.signature(pl.Trainer).parameters)


def refused(section):
    with pytest.raises(OptionError) as error:
        trainer_options(section)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_option_but_nasforges_own_is_lightnings_and_has_the_default_of_the_configuration():
    assert set(OWN_OPTIONS) == ALLOWED - OF_LIGHTNING
    shipped = compose([]).config["trainer"]
    assert trainer_options(shipped) == trainer_options({})
    assert set(shipped) == ALLOWED - {"num_nodes"}
    for name in ("ddp", "pinned"):
        trainer_options(compose([f"trainer={name}"]).config["trainer"])


@pytest.mark.parametrize("argument", sorted(OF_LIGHTNING - ALLOWED))
def test_every_other_argument_of_lightning_is_refused(argument):
    said = refused({argument: None})
    assert f"trainer.{argument} would change a run's results, or is set by nasforge" in said
    assert "trainer has: accelerator, devices" in said


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"foo": 1}, "there is no option trainer.foo. trainer has: accelerator, devices"),
        ({"device": 1}, "there is no option trainer.device. Did you mean trainer.devices?"),
        ({"max_time": "00:00:01:00"}, "or is set by nasforge; set budget.seconds instead. trainer has: "),
        ({"accelerator": [1, 2]}, "trainer.accelerator=[1, 2]: it must be one of auto, cpu, gpu, cuda, mps"),
        ({"accelerator": {"a": 1}}, "it must be one of auto, cpu"),
        ({"accelerator": []}, "it must be one of auto, cpu"),
        ({"accelerator": "tpu"}, 'trainer.accelerator="tpu": it must be one of auto, cpu, gpu, cuda, mps'),
        ({"strategy": "nope"}, 'trainer.strategy="nope": it must be one of auto, ddp'),
        ({"strategy": "fsdp", "devices": 2}, 'trainer.strategy="fsdp": it must be one of auto, ddp'),
        ({"precision": "abc"}, 'trainer.precision="abc": it must be one of 32-true, 64-true, bf16-mixed'),
        ({"precision": 8}, "trainer.precision=8: it must be one of 32-true"),
        ({"precision": "bf16-true"}, "it must be one of 32-true"),
        ({"precision": "16-mixed"}, "it must be one of 32-true"),
        ({"devices": True}, "trainer.devices=true: it must be a whole number, or one of auto, or a list"),
        ({"devices": None}, "trainer.devices=null: it must be a whole number"),
        ({"devices": ["a"]}, 'trainer.devices=["a"]: it must be'),
        ({"num_nodes": 0}, "trainer.num_nodes=0: it must be a whole number, at least 1"),
        ({"data_on_device": "yes"}, 'trainer.data_on_device="yes": it must be true or false, or one of auto'),
        ({"graph": "yes"}, 'trainer.graph="yes": it must be true or false, or one of auto'),
        ({"graph": True, "accelerator": "cpu"}, "trainer.graph=true: only an NVIDIA GPU replays steps as CUDA graphs"),
        ({"profiler": "abc"}, 'trainer.profiler="abc": it must be one of simple, advanced, pytorch, or null'),
        ({"profiler": {"_target_": "os.system"}}, "it must be one of simple, advanced, pytorch, or null"),
        ({"log_every_n_steps": 0}, "trainer.log_every_n_steps=0: it must be a whole number, at least 1"),
    ],
)
def test_every_other_value_is_one_sentence(section, sentence):
    assert sentence in refused(section)


def test_the_environment_cannot_tell_lightning_either(monkeypatch):
    monkeypatch.setenv("PL_TRAINER_LIMIT_TRAIN_BATCHES", "1")
    assert "environment variable PL_TRAINER_LIMIT_TRAIN_BATCHES would change a run's results: unset it" in refused({})


def test_an_apple_gpu_computes_in_single_precision(monkeypatch):
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert "set trainer.accelerator=cpu" in refused({"accelerator": "mps", "precision": "64-true"})
    assert trainer_options({"accelerator": "cpu", "precision": "64-true"})["precision"] == "64-true"
