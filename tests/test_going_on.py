"""What `resume` goes on with: the command that made the folder, as it was begun; nothing that has ended is changed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from nasforge import Column, RunError, Table
from nasforge.config.configuration import compose
from nasforge.experiment import experiment, retraining
from nasforge.journal.journal import Journal
from nasforge.stopping import Interrupted

SEARCH = ["strategy=random_search", "space=nasbench201", "estimator=tabular", "retrain.seeds=0"]
RETRAIN = ["retrain.epochs=1", "retrain.seeds=1", "retrain.random=0", "retrain.channels=1", "retrain.cells=2"]


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """Those of a search of a tenth of a second."""
    path = tmp_path_factory.mktemp("table") / "small.safetensors"
    choices = np.stack(np.unravel_index(np.arange(5**6), (5,) * 6))
    values = {Column("digits", "accuracy", "max"): 0.3 + choices.sum(0) / 60}
    Table.of("nasbench201", (5,) * 6, values, source="made by a test").write(path)
    table = [f"estimator.tabular.path={path}", "estimator.tabular.dataset=digits"]
    return [*SEARCH, *table, "budget.evaluations=20", "executor.threads=1"]


@pytest.fixture(scope="module")
def found(tmp_path_factory, words):
    return experiment.search(compose(words).config, tmp_path_factory.mktemp("search") / "run", words).folder


@pytest.fixture
def run(found, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(found, tmp_path / "run"))


def retrained(folder):
    result = json.loads((folder / "result.json").read_text())
    assert result["strategy"] == "retrain"
    return result


@pytest.mark.parametrize("inside", [False, True])
def test_an_interrupted_retraining_goes_on_as_the_sentence_says(command, run, few_images, monkeypatch, inside):
    data = ["data=arrays", f"data.path={few_images}", "data.batch_size=16", *RETRAIN, "executor.threads=1"]
    place = ["retrain", str(run)] if inside else ["retrain", "space=nasbench201", "architecture=resnet"]
    words = [*place, *data, *([] if inside else ["hydra.run.dir=there"])]
    with monkeypatch.context() as patch:

        def stop(*_):
            raise Interrupted(2)

        patch.setattr(retraining, "ordered_batches", stop)
        status, _, complaint = command(*words)
    assert status == 130
    folder = next(run.glob("retrain-*")) if inside else Path("there")
    searched = (run / "result.json").read_bytes()
    said = complaint.strip().splitlines()[-1]
    advice = said.removeprefix("nasforge: interrupted; continue with: nasforge ").split()
    assert Path(advice[1]).samefile(folder)
    status, _, complaint = command(*advice)
    assert status == 0, complaint
    result = retrained(folder)
    assert [row["name"] for row in result["retrain"]["rows"]] == ["found" if inside else "resnet"]
    assert searched == (run / "result.json").read_bytes(), "the search's own result stays"

    before = files_of(folder)
    status, said, _ = command(*advice)
    assert (status, files_of(folder)) == (0, before)
    assert "already ended (finished) and is left unchanged" in said
    status, said, complaint = command(*words)
    assert files_of(folder) == before
    assert "already ended" in said if inside else "already holds a run" in complaint


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("seed", 7, "seed is 7 and was 0 when the run began"),
        ("strategy", {"name": "regularized_evolution"}, 'strategy.name is "regularized_evolution" and was "random_'),
        ("data", {"name": "cifar10"}, 'data.name is "cifar10" and was "digits" when'),
        ("executor", {"name": "local", "threads": 2, "workers": 1}, "executor.threads is 2 and was 1 when"),
        ("seed", None, "seed is missing and was 0 when the run began"),
        ("budget", None, "budget must hold keys and values"),
    ],
)
@pytest.mark.parametrize("command_word", ["resume", "report"])
def test_an_edited_configuration_is_refused_by_name(mistake, run, key, value, sentence, command_word):
    config = yaml.safe_load((run / "config.yaml").read_text()) | {key: value}
    if value is None:
        del config[key]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    said = mistake(command_word, str(run))
    assert sentence in said
    assert f"restore it, or delete {run / 'config.yaml'}: `nasforge resume` writes it again" in said


def test_files_that_show_the_beginning_are_written_again(command, run):
    before = files_of(run)
    for name in ("config.yaml", "overrides.json", "result.json"):
        (run / name).unlink()
    assert command("resume", str(run))[0] == 0
    for name in ("config.yaml", "overrides.json", "result.json"):
        assert (run / name).read_bytes() == before[Path(name)]


def test_a_folder_of_an_earlier_nasforge_is_not_guessed_at(mistake, command, run):
    (run / "journal.jsonl").unlink()
    journal = Journal(run)
    journal.write("clock", "", seconds=1.5)
    journal.close()
    assert "was begun by an earlier nasforge, whose journals do not say by which command" in mistake("resume", str(run))
    assert command("report", str(run))[0] == 0


def test_a_search_in_the_folder_of_a_run_is_refused(mistake, run, words):
    before = files_of(run)
    assert f"already holds a run; `nasforge resume {run}` continues it" in mistake(*words, f"hydra.run.dir={run}")
    assert files_of(run) == before


@pytest.mark.parametrize("renamed", [True, False])
def test_a_folder_that_is_taken_away_from_a_run_is_missed(tmp_path, words, monkeypatch, renamed):
    finish, folder = experiment.finish, tmp_path / "run"

    def taken(*arguments, **sections):
        folder.rename(tmp_path / "elsewhere") if renamed else shutil.rmtree(folder)
        return finish(*arguments, **sections)

    with monkeypatch.context() as patch:
        patch.setattr(experiment, "finish", taken)
        with pytest.raises(RunError, match="run was removed or renamed during the run"):
            experiment.search(compose(words).config, folder, words)
    assert not folder.exists()
    if renamed:
        assert experiment.resume(tmp_path / "elsewhere").result["status"] == "finished"
