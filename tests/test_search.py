"""A whole small search, and what a person does with its folder afterwards."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import kill_and_resume as small
from nasforge import DataModule, NasforgeError, RunError
from nasforge.config.configuration import compose
from nasforge.experiment import experiment
from nasforge.experiment.resumption import resumed
from nasforge.journal.journal import write_json
from nasforge.journal.records import read_as
from nasforge.result import SearchResult
from nasforge.run import fits


def config(images, *changes):
    return compose([*small.words(images), *changes]).config


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "images.npz"
    small.images(path)
    return path


@pytest.fixture(scope="module")
def found(tmp_path_factory, images):
    return experiment.search(config(images), tmp_path_factory.mktemp("search") / "run", small.words(images))


@pytest.fixture
def run(found, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(found.folder, tmp_path / "run"))


def test_the_folder_holds_all_there_is(found):
    names = {path.name for path in found.folder.iterdir()}
    assert names >= {
        "config.yaml",
        "environment.json",
        "data.json",
        "journal.jsonl",
        "fits",
        "result.json",
        "timing.json",
        "architecture.json",
        "report.html",
        "normal_cell.svg",
        "normal_cell.png",
        "reduction_cell.svg",
        "reduction_cell.png",
    }
    assert not [path for path in found.folder.rglob("*") if path.suffix in (".ckpt", ".pkl", ".pt", ".partial")]
    assert json.loads((found.folder / "result.json").read_text()) == json.loads(json.dumps(found.result.to_json()))


def test_the_result_is_read_back_to_the_byte(found, tmp_path):
    path = found.folder / "result.json"
    result = read_as(path, SearchResult)
    assert result == found.result
    assert result.control.sentence == found.result["control"]["sentence"]
    write_json(tmp_path / "again.json", result.to_json())
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_the_result_says_no_time_and_no_place(found):
    text = (found.folder / "result.json").read_text()
    assert str(found.folder.parent) not in text
    assert "seconds" not in text.replace('"simulated_seconds": null', "")
    assert found.result["status"] == "finished"
    assert found.result["evaluations"]["requested"] == 0


def test_splits_are_recorded_and_halves_are_balanced(found, images):
    facts = json.loads((found.folder / "data.json").read_text())
    with np.load(images) as file:
        labels = file["train_labels"]
    validation = np.array(facts["validation images"])
    assert len(validation) == facts["training images"] // 2
    assert len(set(validation)) == len(validation)
    assert set(labels[validation]) == set(range(10))
    assert facts["class names"] == list("0123456789")
    assert any("held out" in note for note in facts["notes"])


def test_no_test_image_is_read_before_the_search_has_ended(tmp_path, images, monkeypatch):
    from nasforge_plugins.data.arrays import Arrays

    reads = []
    original = Arrays.test
    monkeypatch.setattr(Arrays, "test", property(lambda self: (reads.append("test"), original.fget(self))[1]))
    fits = experiment.Run.fit
    monkeypatch.setattr(experiment.Run, "fit", lambda self, *a, **k: (reads.append(a[1]), fits(self, *a, **k))[1])
    experiment.search(config(images), tmp_path / "run")
    assert "test" in reads
    assert reads[: reads.index("test")] == ["supernet", "retrain/found/seed-0"]
    assert issubclass(Arrays, DataModule)


def test_a_folder_with_a_run_is_not_overwritten(found, images):
    before = (found.folder / "result.json").read_bytes()
    with pytest.raises(RunError, match=r"already holds a run; `nasforge resume .*` continues it"):
        experiment.search(config(images), found.folder)
    assert (found.folder / "result.json").read_bytes() == before


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_resuming_a_finished_run_says_so_and_changes_nothing(run, found, capsys):
    before = files_of(run)
    for changes in ([], ["budget.seconds=100000"], ["executor.workers=2"]):
        assert experiment.resume(run, changes).result == found.result
        assert f"{run} already ended (finished) and is left unchanged\n" in capsys.readouterr().out
    assert files_of(run) == before


def test_a_search_stopped_by_time_says_so_and_an_extended_one_equals_the_undisturbed(found, images, tmp_path):
    stopped = experiment.search(config(images, "budget.seconds=0.001"), tmp_path / "run", small.words(images))
    assert stopped.result["status"] == "stopped: budget.seconds=0.001 is used up"
    extended = experiment.resume(tmp_path / "run", ["budget.seconds=100000"])
    assert extended.result == found.result


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            "strategy.epochs=9",
            "'strategy.epochs=9' cannot change after a run has begun; resume takes budget.KEY=VALUE",
        ),
        ("seed=1", "cannot change"),
        ("budget.seconds", "cannot change"),
        ("executor.threads=2", "except executor.threads and trainer.precision"),
        ("trainer.precision=bf16-mixed", "except executor.threads and trainer.precision"),
        ("budget.evaluation=3", "no option budget.evaluation. Did you mean budget.evaluations?"),
        ("executor=rya", "no executor named 'rya'. Did you mean 'ray'?"),
    ],
)
def test_what_a_run_computes_never_changes(run, change, sentence):
    with pytest.raises(NasforgeError, match=re.escape(sentence)):
        experiment.resume(run, [change])


def test_how_a_run_computes_may_change(run, images, found):
    """One that was begun on several GPUs, or on a Ray cluster, goes on where there are none."""
    recorded = experiment.read_config(run)
    changes = ["trainer=ddp", "trainer.devices=1", "executor.workers=2", "logger=csv"]
    changed = resumed(recorded, changes)
    assert changed["trainer"] == {**recorded["trainer"], "strategy": "ddp", "devices": 1, "num_nodes": 1}
    assert changed["executor"] == {**recorded["executor"], "workers": 2}
    assert changed["logger"] == config(images, "logger=csv")["logger"] != {}
    assert {**changed, **{key: recorded[key] for key in ("trainer", "executor", "logger")}} == recorded
    back = resumed(changed, ["executor=local", "executor.workers=1", "logger=none"])
    assert (back["executor"], back["logger"]) == (recorded["executor"], recorded["logger"])
    (run / "result.json").unlink()
    assert experiment.resume(run, changes).result == found.result
    assert experiment.read_config(run)["executor"]["workers"] == 2


def test_other_data_are_refused(run, images):
    with np.load(images) as file:
        arrays = dict(file)
    arrays["train_images"] = 255 - arrays["train_images"]
    (run / "result.json").unlink()
    try:
        np.savez(images, **arrays)
        with pytest.raises(RunError, match="the data changed since the run"):
            experiment.resume(run)
    finally:
        small.images(images)


def test_retraining_a_run_goes_into_a_folder_of_its_own(run, images):
    outcome = experiment.retrain(config(images, "retrain.epochs=1", "retrain.random=0"), run, run=True)
    assert outcome.folder.parent == run
    assert outcome.folder.name.startswith("retrain-")
    assert outcome.architecture == experiment.Architecture.from_json(
        json.loads((run / "architecture.json").read_text())
    )
    assert [row["name"] for row in outcome.result["retrain"]["rows"]] == ["found"]
    again = experiment.retrain(config(images, "retrain.epochs=1", "retrain.random=0"), run, run=True)
    assert again.result == outcome.result


def test_the_confusion_matrix_of_the_retrained_network_adds_up_to_its_accuracy(found):
    confusions = json.loads((found.folder / "confusion.json").read_text())
    accuracies = found.result["retrain"]["rows"][0]["test_accuracy"]
    counts = np.array(confusions["counts"])
    assert counts.shape == (10, 10)
    assert confusions["trainings"] == len(accuracies)
    assert counts.sum() == len(accuracies) * found.result["retrain"]["images"]
    assert np.trace(counts) / counts.sum() == pytest.approx(np.mean(accuracies))


def test_the_report_shows_what_the_median_network_gets_wrong(found):
    mistakes = json.loads((found.folder / "mistakes.json").read_text())
    row = found.result.retrain.rows[0]
    accuracy = row.test_accuracy[row.seeds.index(mistakes["seed"])]
    assert mistakes["total"] == round((1 - accuracy) * found.result.retrain.images) > 0
    assert all(mistake["true_class"] != mistake["predicted_class"] for mistake in mistakes["kept"])
    page = (found.folder / "report.html").read_text()
    assert all(f"data:image/png;base64,{mistake['png']}" in page for mistake in mistakes["kept"])


def test_a_published_cell_is_retrained_by_its_name(tmp_path, images):
    words = (
        "architecture=DARTS_V2",
        "retrain.epochs=1",
        "retrain.random=0",
        "retrain.cutout=2",
        "retrain.drop_path=0.2",
    )
    outcome = experiment.retrain(config(images, *words), tmp_path / "run", run=False)
    assert outcome.result["size"]["params_m"] == pytest.approx(3.349342, abs=0.01)  # grey images: a smaller stem
    assert [row["name"] for row in outcome.result["retrain"]["rows"]] == ["DARTS_V2"]  # nobody found it
    assert (tmp_path / "run" / "report.html").exists()


def test_the_report_is_written_again_from_the_folder(run):
    (run / "report.html").unlink()
    assert experiment.report(run) == run / "report.html"
    assert (run / "report.html").exists()


@pytest.mark.parametrize(("call", "lacks"), [(experiment.resume, "journal.jsonl"), (experiment.report, "config.yaml")])
def test_a_folder_that_is_no_run_is_named(tmp_path, call, lacks):
    with pytest.raises(RunError, match=f"is not a run's folder: it has no {lacks}"):
        call(tmp_path)
    with pytest.raises(RunError, match="there is no folder"):
        call(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("retrain.cutout=8", "can blank whole images of 8 x 8"),
        ("space.channels=6", r"space\.channels=6|is not divisible"),
        ("control.samples=0", r"control\.samples=0: it must be a whole number, at least 1"),
    ],
)
def test_mistakes_are_found_before_anything_is_written(tmp_path, images, word, sentence):
    words = [*word.split(), "space.partial_channels=4"] if "space" in word else word.split()
    with pytest.raises(NasforgeError, match=sentence):
        experiment.search(config(images, *words), tmp_path / "run")
    assert not (tmp_path / "run" / "result.json").exists()


def test_few_random_architectures_make_a_control_with_a_note(tmp_path, images):
    result = experiment.search(config(images, "control.samples=5", "retrain.seeds=0"), tmp_path / "run").result
    assert len(result["control"]["random"]) == 5
    assert "control.samples=5: a percentile among fewer than 20 random architectures means little" in result["notes"]


def test_a_fit_that_was_killed_between_checkpoint_and_weights_keeps_them_even_out_of_time(tmp_path, monkeypatch):
    words = ["strategy=darts", "space=nasbench201", "space.channels=2", "data=digits", "data.batch_size=256"]
    words += ["strategy.epochs=2", "retrain.seeds=0"]
    with monkeypatch.context() as killed:

        def dies(*_, **__):
            raise KeyboardInterrupt

        killed.setattr(fits.Fits, "_commit", dies)
        with pytest.raises(KeyboardInterrupt):
            experiment.search(compose(words).config, tmp_path / "run", words)
    fit = tmp_path / "run" / "fits" / "supernet"
    assert not (fit / "weights.safetensors").exists()
    experiment.resume(tmp_path / "run", ["budget.seconds=0.001"])
    assert (fit / "weights.safetensors").exists()
    assert json.loads((fit / "history.json").read_text())["epochs"] == 2
    assert not list(fit.glob("*.ckpt"))
    assert json.loads((tmp_path / "run" / "result.json").read_text())["retrain"] is None  # seeds=0 leaves all of it out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["strategy=darts", "strategy.supernet.partial_channels=4"],
            "partial_channels=4 does not work with space 'nasbench201'",
        ),
        (["strategy=random_search", "estimator=training"], "'random_search' runs until its budget is used up"),
        (
            ["strategy=nevergrad", "estimator=training", "strategy.optimizer=CMandAS3", "strategy.batch=9"],
            "nevergrad's CMandAS3 cannot be set up (AssertionError at 'assert budget is not None'); what it calls "
            "budget is strategy.horizon=null",
        ),
    ],
)
def test_what_a_strategy_refuses_when_it_begins_leaves_no_folder(command, few_images, words, said):
    data = ["data=arrays", f"data.path={few_images}", "space=nasbench201", "retrain.seeds=0"]
    status, _, complaint = command(*data, *words)
    assert status == 2
    assert said in complaint.splitlines()[-1]
    assert not any(Path("runs").iterdir())


def test_a_budget_that_ends_before_the_first_candidate_is_named(command):
    words = ["strategy=random_search", "estimator=zero_cost", "space=nasbench201", "retrain.seeds=0"]
    status, _, complaint = command(*words, "budget.seconds=1e-6")
    assert (status, complaint.splitlines()[-1]) == (
        2,
        "nasforge: no candidate was estimated: budget.seconds=1e-06 is used up",
    )


def test_a_folder_that_held_something_else_keeps_it(command, few_images):
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("my own")
    words = ["strategy=random_search", "estimator=training", "retrain.seeds=0", "hydra.run.dir=mine"]
    assert command("data=arrays", f"data.path={few_images}", *words)[0] == 2
    assert Path("mine/notes.txt").read_text() == "my own"
