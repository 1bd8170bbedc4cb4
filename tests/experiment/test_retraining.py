"""`nasforge retrain` with a recipe: what is refused, what it costs a key, and what a killed training becomes."""

import html
import json
import multiprocessing
import re
import shlex
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

import nasforge
from nasforge.config.configuration import compose
from nasforge.experiment import experiment
from nasforge.experiment.resumption import retrained, words_of_retraining
from nasforge.experiment.retraining_options import Retraining
from nasforge.journal.journal import Journal
from nasforge.run.beginning import Beginning, read_config
from nasforge.run.fits import Fits
from nasforge.testing import tiny_data
from nasforge.training.network_module import NetworkModule
from nasforge.training.recipe import DEFAULTS

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))  # its processes import it by name

import kill_and_resume as study

SMALL = [
    *("architecture=DARTS_V2", "retrain.epochs=4", "retrain.seeds=2", "retrain.random=1", "retrain.channels=2"),
    *("retrain.cells=1", "retrain.batch_size=8", "executor.threads=1", "trainer.accelerator=cpu"),
]
ALL = {
    "label_smoothing": 0.1,
    "nesterov": True,
    "schedule": "linear",
    "warmup_epochs": 1,
    "base_batch_size": 64,
    "accumulate": 2,
    "ema": 0.9,
    "augment": "trivialaugment",
    "mixup": 0.2,
    "cutmix": 1.0,
    "held_out": 0.25,
    "patience": 2,
}
"""A recipe with all its options."""
WORDS = [f"retrain.{key}={str(value).lower()}" for key, value in ALL.items()]


def words_for(few_images, *words):
    return [*SMALL, "data=arrays", f"data.path={few_images}", *words]


def training(few_images, folder, *words):
    """The folder of a finished retraining."""
    experiment.retrain(compose(words_for(few_images, *words)).config, folder, run=False)
    return folder


def left(folder):
    """What a retraining leaves that must be equal after a kill."""
    weights = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("weights.safetensors")}
    return (folder / "result.json").read_bytes(), (folder / "confusion.json").read_bytes(), weights


def test_the_configuration_has_the_recipes_options_with_their_defaults():
    assert set(ALL) == set(DEFAULTS)
    config = compose([]).config["retrain"]
    assert {key: config[key] for key in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["retrain.warmup_epochs=4"], "retrain.warmup_epochs=4 leaves none of retrain.epochs=4 for the schedule"),
        (["retrain.ema=1"], "retrain.ema=1: it must be a number, at least 0 and below 1"),
        (["retrain.mixup=-0.2"], "retrain.mixup=-0.2: it must be a number, at least 0"),
        (["retrain.accumulate=7"], "retrain.accumulate=7 is more than the number of batches of an epoch, 5"),
        (["retrain.patience=2"], "retrain.patience=2 needs images to measure progress on; set retrain.held_out"),
        (["retrain.held_out=0.001"], "retrain.held_out=0.001 holds out 0 of 38 images"),
        (["retrain.nesterov=true", "retrain.momentum=0"], "retrain.nesterov=true needs momentum"),
        (["retrain.augment=cutout"], "it must be one of none, autoaugment, randaugment, trivialaugment"),
        (["retrain.schedule=step"], "retrain.schedule=\"step\": it must be one of cosine, linear, constant"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_a_sentence_and_nothing_is_written(mistake, few_images, words, sentence):
    assert sentence in mistake("retrain", *words_for(few_images, *words), "hydra.run.dir=run")
    assert not Path("run").exists()


def test_a_policy_needs_gray_or_color_images():
    data = tiny_data(images=40)
    how = Retraining(**{**compose([]).config["retrain"], "augment": "randaugment", "batch_size": 8})
    how.check(data)
    two = nasforge.ImageSet.of(data.train.images[:, :2], data.train.labels)
    seen = nasforge.Preprocessing(data.preprocessing.mean[:2], data.preprocessing.std[:2])
    with pytest.raises(nasforge.OptionError, match=r"retrain.augment=randaugment works on images with 1 or 3 channels"):
        how.check(nasforge.SearchData(two, data.class_names, seen, 8, 0))


def key(tmp_path, **options):
    """The key of the first fit of a retraining."""
    data = tiny_data(images=40)
    how = Retraining(**{**compose([]).config["retrain"], **options})
    module = NetworkModule(
        torch.nn.Linear(1, 1), learning_rate=0.1, momentum=0.9, weight_decay=0.0, clip=5.0, recipe=how, classes=2
    )
    fits = Fits(tmp_path, Journal(tmp_path), seed=0, threads=1, trainer={})
    return fits._key(module, "fit", 2, how.fit_data(data.train, data.preprocessing, seed=0))


def test_every_option_gives_the_fit_a_key_of_its_own(tmp_path):
    options = [{key: value} for key, value in ALL.items() if key != "patience"]
    recipes = [{}, *options, {"held_out": 0.25, "patience": 2}]
    keys = []
    for recipe in recipes:
        torch.manual_seed(0)
        keys.append(key(tmp_path, **recipe))
    assert len(set(keys)) == len(ALL) + 1


@pytest.fixture(scope="module")
def undisturbed(few_images, tmp_path_factory):
    return training(few_images, tmp_path_factory.mktemp("undisturbed") / "run", *WORDS)


def kill(words, folder, place, call):
    """Begin a retraining in a process that dies at the `call`-th call of `place`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(study.PRELOAD)
    process = context.Process(target=killed_training, args=(words, folder, place, call))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL, f"the run ended before call {call} of {place}"


def killed_training(words, folder, place, call):
    study._arm(place, call)
    experiment.retrain(compose(words).config, folder, run=False)


@pytest.mark.parametrize(
    ("place", "call"), [("checkpoint", 2), ("supernet fit", 9), ("weights", 1), ("journal line", 7), ("retraining", 2)]
)
def test_killed_and_resumed_a_training_with_everything_ends_alike(undisturbed, few_images, tmp_path, place, call):
    kill(words_for(few_images, *WORDS), tmp_path / "run", place, call)
    experiment.resume(tmp_path / "run")
    assert left(tmp_path / "run") == left(undisturbed)


def test_mixed_precision_resumes_to_the_same_bits(undisturbed, few_images, tmp_path):
    words = [*WORDS, "trainer.precision=bf16-mixed", "retrain.seeds=1", "retrain.random=0"]
    mixed = training(few_images, tmp_path / "mixed", *words)
    kill(words_for(few_images, *words), tmp_path / "killed", "checkpoint", 2)
    experiment.resume(tmp_path / "killed")
    assert left(tmp_path / "killed") == left(mixed)
    name = Path("fits", "retrain", "found", "seed-0", "weights.safetensors")
    assert (mixed / name).read_bytes() != (undisturbed / name).read_bytes()


def test_the_reported_network_is_the_average_of_the_last_epoch(undisturbed):
    tensors = load_file(undisturbed / "fits" / "retrain" / "found" / "seed-0" / "weights.safetensors")
    assert {name.partition(".")[0] for name in tensors} == {"network", "raw"}
    state = nasforge.load(undisturbed).trained(seed=0).network.state_dict()
    assert all(bool((tensors[f"network.{name}"] == tensor).all()) for name, tensor in state.items())


STOPPING = [
    *("retrain.epochs=30", "retrain.seeds=1", "retrain.random=0", "retrain.learning_rate=1e-6"),
    *("retrain.held_out=0.25", "retrain.patience=1"),
]


def test_a_training_that_stops_early_says_after_which_epoch_and_stays_there(few_images, tmp_path):
    folder = training(few_images, tmp_path / "run", *STOPPING)
    result = json.loads((folder / "result.json").read_text())
    (epochs,) = result["retrain"]["rows"][0]["stopped_after"]
    assert epochs < 30
    assert any(note.endswith(f"DARTS_V2 with seed 0 after epoch {epochs}") for note in result["notes"])
    history = json.loads((folder / "fits" / "retrain" / "found" / "seed-0" / "history.json").read_text())
    assert history["epochs"] == epochs
    kill(words_for(few_images, *STOPPING), tmp_path / "killed", "weights", 1)  # its last epoch is in a checkpoint
    experiment.resume(tmp_path / "killed")
    assert left(tmp_path / "killed") == left(folder)


def test_a_run_of_a_version_without_recipes_can_be_retrained_with_one(few_images, tmp_path):
    """Its configuration lacks the options."""
    config = compose(words_for(few_images)).config
    config["retrain"] = {key: value for key, value in config["retrain"].items() if key not in DEFAULTS}
    Beginning("search", config, [], "").journal(tmp_path / "old").close()
    assert "ema" not in yaml.safe_load((tmp_path / "old" / "config.yaml").read_text())["retrain"]
    again = retrained(read_config(tmp_path / "old"), ["retrain.ema=0.99"])
    assert again["retrain"] == {**config["retrain"], **DEFAULTS, "ema": 0.99}


def test_the_report_has_a_command_that_repeats_the_retraining_without_its_search(command, trained_run, tmp_path):
    run = Path(shutil.copytree(trained_run, tmp_path / "run"))
    words = ["retrain.seeds=1", "retrain.epochs=2", "retrain.ema=0.5", "trainer.accelerator=cpu"]
    assert command("retrain", str(run), *words)[0] == 0
    (folder,) = run.glob("retrain-*")
    page = (folder / "report.html").read_text()
    typed = html.unescape(re.search(r'The same retraining again.*?<pre class="copy">(.*?)</pre>', page, re.S)[1])
    folder = Path(shutil.move(folder, tmp_path / "first"))
    shutil.rmtree(run)

    program, *again = shlex.split(typed)
    assert program == "nasforge"
    assert command(*again, "trainer.accelerator=cpu", "hydra.run.dir=again")[0] == 0
    first, second = (json.loads((path / "result.json").read_text()) for path in (folder, Path("again")))
    assert second["retrain"]["rows"][0].pop("name") == "given"
    assert first["retrain"]["rows"][0].pop("name") == "found"
    assert second == first


def test_a_preset_keeps_its_name_in_the_command_that_repeats_its_retraining(few_images):
    config = compose(words_for(few_images)).config
    words = words_of_retraining(config, "DARTS_V2")
    assert compose(words).config["retrain"] == config["retrain"]
    assert compose(words).config["data"] == config["data"]
    assert words[:2] == ["architecture=DARTS_V2", "data=arrays"]
    assert "space=darts" not in words
    assert not [word for word in words if word.startswith(("trainer.accelerator", "retrain.learning_rate"))]
