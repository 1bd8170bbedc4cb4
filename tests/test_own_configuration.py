"""A run needs nothing of what its configuration was made from: neither the files, nor the package, nor the folder."""

import json
import shutil

import pytest
import yaml

from nasforge import search
from nasforge.experiment.experiment import read_config

MINE = """\
# @package _global_
defaults:
  - override /strategy: random_search
  - override /space: nasbench201
  - override /data: arrays
strategy: {batch: 2}
budget: {evaluations: 2}
estimator: {training: {epochs: 1, channels: 4, cells: 1}}
retrain: {epochs: 1, seeds: 1, random: 0, channels: 4}
"""


@pytest.fixture
def own(tmp_path):
    """A folder with an experiment of one's own."""
    (tmp_path / "own/experiment").mkdir(parents=True)
    (tmp_path / "own/experiment/mine.yaml").write_text(MINE)
    return tmp_path / "own"


def result(folder):
    return json.loads((folder / "result.json").read_text())


def test_a_run_goes_on_when_the_folder_of_its_experiment_is_gone(command, own, few_images, tmp_path, monkeypatch):
    words = ["+experiment=mine", "--config-dir", str(own), f"data.path={few_images}", f"hydra.run.dir={tmp_path}/run"]
    status, said, complaint = command(*words)
    assert status == 0, complaint
    assert f"nasforge -m --config-dir={own} +experiment=mine" in said.replace("\n  ", " ")
    shutil.rmtree(own)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert command("resume", "../run", "budget.evaluations=3")[0] == 0
    assert result(tmp_path / "run")["evaluations"]["requested"] == 3
    status, _, complaint = command("retrain", "../run", "retrain.seeds=2")
    assert status == 0, complaint
    (folder,) = (tmp_path / "run").glob("retrain-*")
    assert len(result(folder)["retrain"]["rows"][0]["test_accuracy"]) == 2
    assert read_config(folder)["retrain"]["channels"] == 4


def test_and_when_the_package_that_brought_it_is_gone(guest, command, few_images, tmp_path):
    site = guest(
        "nasforge-mine",
        {"nasforge.conf": ["mine = mine_conf"]},
        {"mine_conf/__init__.py": "", "mine_conf/experiment/mine.yaml": MINE},
    )
    assert command("+experiment=mine", f"data.path={few_images}", f"hydra.run.dir={tmp_path}/run")[0] == 0
    for left in site.iterdir():
        shutil.rmtree(left)
    assert command("resume", f"{tmp_path}/run", "budget.evaluations=3", "trainer=default")[0] == 0
    assert command("retrain", f"{tmp_path}/run", "retrain.seeds=2")[0] == 0


def test_from_python(own, few_images, tmp_path):
    found = search(config_dir=own, overrides=["+experiment=mine"], data={"path": few_images}, run_dir=tmp_path / "run")
    assert found.result["strategy"] == "random_search"
    assert yaml.safe_load((found.folder / "config.yaml").read_text())["estimator"]["training"]["channels"] == 4
