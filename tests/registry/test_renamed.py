"""Options under the names of the release before: they work alike, and a sentence says the new name."""

import inspect
import json
import re
from dataclasses import asdict, is_dataclass

import pytest
import yaml

from nasforge import SGDOptions, SupernetOptions, build, search
from nasforge.config.configuration import compose
from nasforge.registry.entry_points import registry
from nasforge.registry.options import checked, filled
from nasforge.registry.renamed import with_new_names

TELLS = "nasforge: warning: {} is now {}; old names work until the next release"
SMALL = ["space=nasbench201", "space.channels=2", "retrain.seeds=0", "control.samples=2", "strategy.epochs=1"]
SMALL += ["executor.threads=1", "trainer.accelerator=cpu"]

RENAMED = [(name, *names) for name, strategy in registry("strategy").working.items()
           for names in strategy.renamed.items()]  # fmt: skip


class Moved:
    renamed = {"channels": "supernet.channels", "supernet": "like", "rate": "pace"}  # noqa: RUF012

    def __init__(
        self,
        *,
        like: str = "",
        pace: float = 1.0,
        supernet: SupernetOptions = SupernetOptions(),
        optimizer: SGDOptions = SGDOptions(learning_rate=0.5, clip=3.0),
    ):
        self.supernet, self.optimizer = supernet, optimizer


def test_an_old_name_gets_its_place_in_a_group():
    with pytest.warns(UserWarning, match=r"^part.channels is now part.supernet.channels, part.rate is now"):
        renamed = with_new_names(Moved, {"rate": 2.0, "supernet": {"cells": 3}, "channels": 4}, where="part")
    assert renamed == {"pace": 2.0, "supernet": {"cells": 3, "channels": 4}}


def test_an_old_name_that_is_a_group_now_is_told_by_what_it_holds():
    with pytest.warns(UserWarning, match=r"part.supernet is now part.like"):
        assert with_new_names(Moved, {"supernet": "code", "channels": 4}, where="part") == {
            "like": "code",
            "supernet": {"channels": 4},
        }


@pytest.mark.parametrize(("strategy", "old", "new"), RENAMED)
def test_every_new_name_is_an_option_and_no_old_one_is(strategy, old, new):
    parameters = inspect.signature(registry("strategy")[strategy]).parameters
    group, _, option = new.rpartition(".")
    assert option in (asdict(parameters[group].default) if group else parameters)
    assert old not in parameters or is_dataclass(parameters[old].default)


@pytest.mark.filterwarnings("error")
def test_new_names_and_plug_ins_that_renamed_nothing_are_left_alone():
    options = {"channels": 4, "supernet": {"channels": 8}}
    assert with_new_names(SupernetOptions, options, where="part") == options
    assert with_new_names(Moved, {"supernet": {"channels": 8}}, where="part") == {"supernet": {"channels": 8}}


def test_what_is_left_out_of_a_group_is_as_its_constructor_has_it():
    part = checked(Moved, {"optimizer": {"clip": 9}}, where="part")
    assert part.optimizer == SGDOptions(learning_rate=0.5, clip=9)
    assert filled(Moved, {"optimizer": {"clip": 9}})["optimizer"]["learning_rate"] == 0.5


@pytest.mark.parametrize(
    ("word", "old", "new"),
    [
        ("strategy.channels=4", "strategy.channels", "strategy.supernet.channels"),
        ("+strategy.clip=1.0", "strategy.clip", "strategy.optimizer.clip"),
        ("strategy.alpha_learning_rate=0.01", "strategy.alpha_learning_rate", "strategy.alphas.learning_rate"),
    ],
)
def test_an_old_word_searches_as_the_new_one_does(command, few_images, word, old, new):
    results = []
    for given in (word, word.replace(old, new).lstrip("+")):
        words = ["strategy=darts", *SMALL, "data=arrays", f"data.path={few_images}", given]
        status, _, complaint = command(*words, f"hydra.run.dir=run{len(results)}")
        assert status == 0, complaint
        assert (TELLS.format(old, new) in complaint) == (not results)
        with open(f"run{len(results)}/result.json") as file:
            results.append({**json.load(file), "next": ""})
    assert results[0] == results[1]


def test_an_error_names_the_new_key(command):
    status, _, complaint = command("strategy=egnas", "strategy.learning_rate=-1")
    assert status == 2
    assert complaint.splitlines()[-1].startswith("nasforge: strategy.optimizer.learning_rate=-1: it must be a number")


def test_a_mistyped_option_of_a_group_gets_the_nearest_one(mistake):
    assert "Did you mean strategy.supernet.channels?" in mistake("strategy=darts", "strategy.chanels=4")


def test_a_sweep_over_an_old_name_is_one_over_the_new_one(command):
    words = ["-m", "strategy=darts,egnas", "strategy.clip=0,-1", "hydra.sweep.dir=sweep"]
    status, printed, complaint = command(*words)
    assert status == 2
    assert complaint.count("is now") == 1
    assert "job 3: strategy=egnas strategy.optimizer.clip=-1" in printed


def test_a_preset_of_ones_own_may_have_old_names(command, tmp_path):
    (tmp_path / "own" / "strategy").mkdir(parents=True)
    preset = {"defaults": ["egnas", "_self_"], "supernet": "code", "learning_rate": 0.2}
    (tmp_path / "own" / "strategy" / "mine.yaml").write_text(yaml.safe_dump(preset))
    composed = compose(["strategy=mine"], config_dir=tmp_path / "own").config["strategy"]
    with pytest.warns(UserWarning, match=r"strategy.supernet is now strategy.supernet_of"):
        strategy = build("strategy", composed)
    assert strategy.preferred["partial_channels"] == 4
    assert strategy.weight_options["learning_rate"] == 0.2


def test_old_names_work_from_python(few_images, tmp_path):
    options = dict(word.split("=") for word in SMALL[1:])
    numbers = {key: int(value) if value.isdecimal() else value for key, value in options.items()}
    with pytest.warns(UserWarning, match="strategy.channels is now strategy.supernet.channels"):
        outcome = search(
            "darts", "nasbench201", "arrays", run_dir=tmp_path / "run", quiet=True,
            **numbers, **{"data.path": str(few_images), "strategy.channels": 4},
        )  # fmt: skip
    assert "strategy.supernet.channels=4" in json.loads((tmp_path / "run" / "overrides.json").read_text())
    assert outcome.result["strategy"] == "darts"


def test_a_guests_option_of_an_old_name_is_its_own(guest, command):
    source = (
        "from nasforge import Strategy\n\n\n"
        "class Own(Strategy):\n"
        "    def __init__(self, *, channels: int = 1): ...\n"
        "    def search(self, run): ...\n"
    )
    files = {"own.py": source, "own_conf/strategy/own.yaml": "name: own\nchannels: 1\n", "own_conf/__init__.py": ""}
    guest("nasforge-own", {"nasforge.strategy": ["own = own:Own"], "nasforge.conf": ["own = own_conf"]}, files)
    status, printed, complaint = command("strategy=own", "strategy.channels=7", "--cfg", "job")
    assert (status, complaint) == (0, "")
    assert re.search(r"name: own\n  channels: 7\n", printed)
