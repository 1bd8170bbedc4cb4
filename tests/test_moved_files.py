"""A run knows where its files lie, wherever it is called from; moved, they are told by one word and known again."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from nasforge import Column, Table
from nasforge.command import cli
from nasforge.registry.entry_points import registry
from nasforge.registry.places import located
from nasforge.run.beginning import read_config

SEARCH = [
    *("strategy=random_search", "strategy.batch=2", "space=nasbench201", "budget.evaluations=2"),
    *("estimator.training.epochs=1", "estimator.training.channels=4", "estimator.training.cells=1"),
    *("retrain.epochs=1", "retrain.seeds=1", "retrain.random=0", "retrain.channels=4", "hydra.run.dir=run"),
]


@pytest.fixture(scope="module")
def run(few_images, tmp_path_factory):
    """A finished search in a folder `run`, on images that were named from the folder beside it."""
    home = tmp_path_factory.mktemp("home")
    (home / "in").mkdir()
    shutil.copy(few_images, home / "in/mine.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setattr("sys.argv", ["nasforge"])
        assert cli.run([*SEARCH, "data=arrays", "data.path=in/mine.npz"]) == 0
    return home / "run"


@pytest.fixture
def copied(run, tmp_path):
    """A copy of it and of its images, on a machine where the first ones are not."""
    shutil.copytree(run, tmp_path / "there/run")
    shutil.copy(run.parent / "in/mine.npz", tmp_path / "there/mine.npz")
    shutil.move(run.parent / "in/mine.npz", run.parent / "in/away.npz")
    yield tmp_path / "there/run"
    shutil.move(run.parent / "in/away.npz", run.parent / "in/mine.npz")


def result(folder):
    return json.loads((folder / "result.json").read_text())


def test_the_folder_that_a_place_was_named_from_may_go(few_images, tmp_path, monkeypatch):
    shutil.copy(few_images, tmp_path / "mine.npz")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    data = registry("data")["arrays"](path="../mine.npz")
    assert located(data, {"path": "../mine.npz"}) == {"path": str(tmp_path / "mine.npz")}


def test_it_goes_on_from_another_folder(run, command, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    assert read_config(run)["data"]["path"] == str(run.parent / "in/mine.npz")
    assert str(run) not in (run / "result.json").read_text()
    for words in (["resume", "../run", "budget.evaluations=3"], ["retrain", "../run", "retrain.seeds=2"]):
        status, _, complaint = command(*words)
        assert status == 0, complaint


def test_a_copy_says_what_it_looks_for_and_takes_a_new_place(copied, run, command, mistake):
    shutil.copy(copied.parent / "mine.npz", "new.npz")
    for words in (["retrain", str(copied), "retrain.seeds=2"], ["resume", str(copied), "budget.evaluations=3"]):
        said = mistake(*words)
        assert f"there is no file {run.parent / 'in/mine.npz'}" in said
        assert said.endswith("if it is elsewhere now, add data.path=PATH")
        status, _, complaint = command(*words, "data.path=new.npz")
        assert status == 0, complaint
    assert result(copied)["evaluations"]["requested"] == 3
    assert read_config(copied)["data"]["path"] == str(Path("new.npz").absolute())


def test_and_knows_other_images(copied, mistake):
    arrays = dict(np.load(copied.parent / "mine.npz"))
    np.savez("other.npz", **{**arrays, "train_images": 255 - arrays["train_images"]})
    said = mistake("resume", str(copied), "budget.evaluations=3", "data.path=other.npz")
    assert "the data changed since the run" in said


def test_bytes_of_the_result_do_not_depend_on_the_place(run, command, few_images, tmp_path):
    (Path("in")).mkdir()
    shutil.copy(few_images, "in/mine.npz")
    assert command(*SEARCH, "data=arrays", "data.path=in/mine.npz")[0] == 0
    assert Path("run/result.json").read_bytes() == (run / "result.json").read_bytes()


def small_table(path, slope):
    """A table in which accuracy rises with every choice."""
    choices = np.stack(np.unravel_index(np.arange(5**6), (5,) * 6))  # (edges, rows)
    values = {Column("digits", "accuracy", "max"): 0.3 + choices.sum(0) / slope}
    Table.of("nasbench201", (5,) * 6, values, source="made by a test").write(path)


@pytest.mark.parametrize("inside", ["", "cascade.then."])
def test_a_table_may_move_and_no_other_takes_its_place(inside, command):
    small_table(Path("table.safetensors"), 60)
    chosen = ["estimator=tabular"] if not inside else ["estimator=cascade", "estimator@estimator.cascade.first=tabular",
                                                       "estimator@estimator.cascade.then=tabular"]  # fmt: skip
    keys = ["estimator.tabular"] if not inside else ["estimator.cascade.first", "estimator.cascade.then"]
    options = [word for key in keys for word in (f"{key}.path=table.safetensors", f"{key}.dataset=digits")]
    search = ["strategy=random_search", "space=nasbench201", "retrain.seeds=0", "budget.evaluations=20"]
    status, _, complaint = command(*search, *chosen, *options, "hydra.run.dir=run")
    assert status == 0, complaint
    Path("table.safetensors").rename("moved.safetensors")
    small_table(Path("other.safetensors"), 70)
    words = ["resume", "run", "budget.evaluations=30"]
    status, _, complaint = command(*words)
    assert (status, f"add {keys[0]}.path=PATH" in complaint) == (2, True)
    status, _, complaint = command(*words, *(f"{key}.path=other.safetensors" for key in keys))
    assert (status, "the data changed since the run" in complaint) == (2, True)
    before = len(Path("run/journal.jsonl").read_text().splitlines())
    status, _, complaint = command(*words, *(f"{key}.path=moved.safetensors" for key in keys))
    assert status == 0, complaint
    new = [json.loads(line) for line in Path("run/journal.jsonl").read_text().splitlines()[before:]]
    assert 0 < sum(line["kind"] == "estimate" for line in new) <= 10 * len(keys)  # the first 20 are known still
