"""A run's folder may come from anyone. Whatever its configuration says, no command runs code that it names."""

import importlib
import json
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml

import nasforge
from nasforge.run.beginning import Beginning

PLANTED = """
from pathlib import Path
from pytorch_lightning.callbacks import Callback
Path({sentinel!r}).touch()

class Innocent(Callback): ...
"""


class Bomb:
    """A pickle that leaves a file behind when it is read."""

    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return (open, (str(self.sentinel), "w"))


@pytest.fixture(scope="module")
def found(tmp_path_factory, few_images):
    """A finished search, small."""
    folder = tmp_path_factory.mktemp("foreign") / "run"
    nasforge.search(
        "random_search",
        "nasbench201",
        run_dir=folder,
        estimator="zero_cost",
        data="arrays",
        budget={"evaluations": 2},
        retrain={"epochs": 1, "seeds": 1, "random": 0, "channels": 4, "cells": 1},
        overrides=["estimator.zero_cost.proxies=[params]", "executor.threads=1", "trainer.accelerator=cpu"],
        **{"data.path": str(few_images)},
    )
    return folder


@pytest.fixture
def folder(found, tmp_path):
    """A copy to alter, beside what its words may call: a pickle, a module on the path."""
    shutil.copytree(found, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def sentinel(tmp_path, monkeypatch):
    """The file that must not appear."""
    path = tmp_path / "code_was_run"
    (tmp_path / "bomb.pkl").write_bytes(pickle.dumps(Bomb(path)))
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / "__init__.py").write_text(PLANTED.format(sentinel=str(path)))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield path
    sys.modules.pop("planted", None)


def called(tmp_path):
    """Objects as Hydra would make them, each of which would leave the sentinel behind."""
    bomb, sentinel = str(tmp_path / "bomb.pkl"), str(tmp_path / "code_was_run")
    return {
        "a pickle": {"_target_": "torch.load", "f": bomb, "weights_only": False},
        "positional": {"_target_": "os.system", "_args_": [f"touch {sentinel}"]},
        "nested": {"_target_": "pytorch_lightning.callbacks.LambdaCallback", "setup": {"_target_": "planted.Innocent"}},
        "partial": {"_target_": "os.system", "_partial_": True, "command": f"touch {sentinel}"},
        "a module on the path": {"_target_": "planted.Innocent"},
    }


def places(tmp_path):
    """Configurations' sections that hold such an object, or name one."""
    for name, one in called(tmp_path).items():
        yield f"callbacks: {name}", {"callbacks": {"x": one}}
        yield f"logger: {name}", {"logger": {"x": one}}
        yield f"logger's option: {name}", {"logger": {"csv": {"save_dir": one}}}
        yield f"trainer.profiler: {name}", {"trainer": {"profiler": one}}
        yield f"trainer.plugins: {name}", {"trainer": {"plugins": [one]}}
        yield f"executor: {name}", {"executor": {"name": one}}
        yield f"strategy: {name}", {"strategy": {"name": one}}
        yield f"estimator: {name}", {"estimator": {"zero_cost": one}}
    yield "a module for a name", {"callbacks": {"planted": {}}}
    yield "a path for a name", {"logger": {"planted:Innocent": {}}}
    yield "a chain of file systems", {"logger": {"csv": {"save_dir": "reference::file:///nowhere.json"}}}
    yield "another's cluster", {"executor": {"name": "ray", "address": "ray://192.0.2.1:10001", "threads": 1}}


def with_sections(config, sections):
    """A configuration with other keys in some of its sections."""
    return {key: value | sections[key] if key in sections else value for key, value in config.items()}


def altered(folder, sections):
    """Write a run's configuration with other keys in some of its sections."""
    plain = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(with_sections(plain, sections)))


def test_what_is_planted_would_be_run(tmp_path, sentinel):
    """Else the tests below would show nothing."""
    importlib.import_module("planted")
    assert sentinel.exists()
    sentinel.unlink()
    pickle.loads((tmp_path / "bomb.pkl").read_bytes()).close()
    assert sentinel.exists()


def test_a_run_that_goes_on_runs_nothing_that_its_configuration_names(folder, tmp_path, sentinel, command):
    """Its journal agrees with the configuration, as a stranger would see to."""
    begun = Beginning.of(folder)
    for number, (what, sections) in enumerate(places(tmp_path)):
        hostile = tmp_path / f"run-{number}"
        replace(begun, config=with_sections(begun.config, sections)).journal(hostile).close()
        status, _, said = command("resume", str(hostile))
        assert not sentinel.exists(), what
        assert status == 2, (what, said)
        assert len(said.splitlines()) == 1, said


@pytest.mark.parametrize("name", ["a pickle", "a module on the path"])
def test_no_command_runs_what_a_configuration_names(name, folder, tmp_path, sentinel, command):
    one = called(tmp_path)[name]
    altered(folder, {"callbacks": {"x": one}, "logger": {"csv": {"save_dir": one}}, "trainer": {"profiler": one}})
    for words in (
        ["resume", str(folder), "budget.evaluations=3"],
        ["retrain", str(folder), "retrain.channels=5"],
        ["report", str(folder)],
        ["compare", str(folder)],
    ):
        status, _, said = command(*words)
        assert not sentinel.exists(), words
        assert status in (0, 2), said
        assert "Traceback" not in said


@pytest.mark.parametrize(
    "word",
    [
        "+callbacks.x={_target_: planted.Innocent}",
        "+logger.x={_target_: planted.Innocent}",
        "hydra.searchpath=[pkg://planted]",
        "+hydra.callbacks.x._target_=planted.Innocent",
        "hydra/launcher=joblib",
        "hydra.job_logging={version: 1, handlers: {x: {class: planted.Innocent}}}",
        "+trainer.plugins=[{_target_: planted.Innocent}]",
    ],
)
def test_no_command_runs_what_recorded_words_name(word, folder, sentinel, command):
    recorded = json.loads((folder / "overrides.json").read_text())
    (folder / "overrides.json").write_text(json.dumps([*recorded, word]))
    for words in (["resume", str(folder), "budget.evaluations=3"], ["retrain", str(folder), "retrain.channels=5"]):
        status, _, said = command(*words)
        assert not sentinel.exists(), said
        assert status in (0, 2), said


def test_a_cluster_that_only_the_folder_names_is_asked_for(folder, mistake):
    altered(folder, {"executor": {"name": "ray", "address": "10.0.0.7:6379", "cpus": 1, "gpus": 0, "in_flight": 9}})
    said = mistake("resume", str(folder), "budget.evaluations=3")
    assert "names a Ray cluster" in said
    assert "add executor.address=10.0.0.7:6379 to continue there if you trust it" in said
    assert "executor=local" in said


def test_a_pickled_job_of_hydra_is_not_read(mistake, tmp_path, sentinel):
    said = mistake("--experimental-rerun", str(tmp_path / "bomb.pkl"))
    assert "no option --experimental-rerun" in said
    assert not sentinel.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["resume", ".", "budget.evaluations=3", "executor.workers=2"],
        ["retrain", ".", "retrain.channels=5", "trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu"],
    ],
    ids=["workers", "ranks"],
)
def test_no_process_of_a_run_imports_from_the_folder_that_it_lies_in(words, folder, tmp_path):
    """Python puts the working directory before all that is installed, in processes that start by `-c` or `-m`."""
    for module in ("torch", "nasforge", "multiprocessing", "cloudpickle"):
        (folder / f"{module}.py").write_text(f"open({str(tmp_path / 'code_was_run')!r}, 'w').close()")
    # As the console script has it.
    script = "import sys; sys.path.remove(''); from nasforge.command.cli import main; main()"
    ended = subprocess.run([sys.executable, "-c", script, *words], cwd=folder, capture_output=True, text=True)
    assert not (tmp_path / "code_was_run").exists()
    assert ended.returncode == 0, ended.stderr
