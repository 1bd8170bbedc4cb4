"""`nasforge.load`: the network of a finished run is the one that was tested, and what is wrong is one sentence."""

import json
import shutil

import numpy as np
import pytest
import torch

import nasforge
from nasforge import NasforgeError, OptionError, RunError, UnknownNameError
from nasforge.registry.entry_points import registry

SEARCH = (
    "strategy=random_search", "space=darts", "estimator=zero_cost", "estimator.zero_cost.proxies=[synflow]",
    "budget.evaluations=3", "data=arrays",
)  # fmt: skip
TRAINED = ("retrain.epochs=1", "retrain.channels=4", "retrain.cells=3", "retrain.random=1")


@pytest.fixture(scope="module")
def searched(tmp_path_factory, few_images):
    """The folders of two finished searches: one trained two networks of what it found, one trained none."""
    folder = tmp_path_factory.mktemp("searched")
    options = {"overrides": [*SEARCH, *TRAINED, f"data.path={few_images}"], "quiet": True}
    nasforge.search(run_dir=folder / "trained", **options, **{"retrain.seeds": 3})
    nasforge.search(run_dir=folder / "untrained", **options, **{"retrain.seeds": 0})
    return folder


@pytest.fixture
def trained(searched, tmp_path):
    """A copy of the search with trained networks."""
    return shutil.copytree(searched / "trained", tmp_path / "trained")


@pytest.fixture
def untrained(searched, tmp_path):
    """A copy of the search without trained networks."""
    return shutil.copytree(searched / "untrained", tmp_path / "untrained")


def test_each_network_has_the_test_accuracy_that_the_run_recorded(searched, few_images):
    run = nasforge.load(searched / "trained")
    test = nasforge.build("data", {"name": "arrays", "path": few_images}).test
    images, labels = test[torch.arange(len(test))]
    assert list(run.test_accuracy.by_seed) == [0, 1, 2]
    for seed, recorded in run.test_accuracy.by_seed.items():
        classifier = run.trained(seed)
        with torch.no_grad():
            recognized = classifier.network(classifier.transform(images)).argmax(1) == labels
        assert recognized.double().mean().item() == recorded


def test_the_network_is_the_median_one_unless_a_seed_is_given(searched):
    run = nasforge.load(searched / "trained")
    accuracies = run.test_accuracy.by_seed
    median = run.test_accuracy.median_seed
    assert accuracies[median] == np.median(list(accuracies.values()))
    for seed, loaded in ((median, run), (2, nasforge.load(searched / "trained", seed=2))):
        for name, tensor in run.trained(seed).network.state_dict().items():
            assert torch.equal(loaded.network.state_dict()[name], tensor), name


def test_a_run_knows_what_it_found_and_what_its_network_reads(searched):
    run = nasforge.load(searched / "trained")
    assert run.architecture == run.result.architecture
    assert run.space.name == "darts"
    assert run.class_names == ("0", "1", "2")
    assert run.input_shape == (1, 8, 8)
    assert not run.network.training
    assert run.test_accuracy.mean == pytest.approx(np.mean(list(run.test_accuracy.by_seed.values())))
    assert str(run.test_accuracy) in repr(run)


def test_loading_draws_from_no_global_generator(searched):
    state = torch.get_rng_state()
    _ = nasforge.load(searched / "trained").network
    assert torch.equal(torch.get_rng_state(), state)


def test_predictions_are_probabilities_by_class_the_most_probable_first(searched):
    run = nasforge.load(searched / "trained")
    image = np.full((8, 8), 200, np.uint8)
    probabilities = run.predict(image)
    assert set(probabilities) == set(run.class_names)
    assert list(probabilities.values()) == sorted(probabilities.values(), reverse=True)
    assert sum(probabilities.values()) == pytest.approx(1)
    best = run.network(run.transform(image)).argmax().item()
    assert next(iter(probabilities)) == run.class_names[best]
    with pytest.raises(NasforgeError, match=r"predict takes one image, not 2; network\(transform\(images\)\)"):
        run.predict(np.stack([image[..., None]] * 2))


def test_evaluations_are_a_table(searched):
    run = nasforge.load(searched / "trained")
    table = run.evaluations()
    recorded = json.loads((searched / "trained" / "evaluations.json").read_text())
    assert list(table.columns[:4]) == ["number", "notation", "status", "reason"]
    assert list(table.number) == [1, 2, 3]
    assert list(table.notation) == [row["notation"] for row in recorded]
    assert list(table.synflow) == [row["metrics"]["synflow"] for row in recorded]


def test_curves_are_a_table_of_every_epoch_of_every_fit(searched):
    table = nasforge.load(searched / "trained").curves()
    history = json.loads((searched / "trained/fits/retrain/found/seed-1/history.json").read_text())
    rows = table[(table.fit == "retrain/found/seed-1") & (table.metric == "train_loss")]
    assert list(rows.epoch) == [1]
    assert list(rows.value) == history["metrics"]["train_loss"]
    assert len(set(table.fit)) == 4


def test_what_a_run_lacks_is_an_empty_table(searched):
    assert list(nasforge.load(searched / "untrained").curves().columns) == ["fit", "epoch", "metric", "value"]


def test_a_notebook_shows_cells_and_accuracy(searched):
    run = nasforge.load(searched / "trained")
    page = run._repr_html_()
    assert page.count("<svg") == 2
    assert f"test accuracy {run.test_accuracy}" in page
    assert run.result.retrain.sentence in page


def test_a_notebook_shows_names_from_elsewhere_as_text(searched):
    run = nasforge.load(searched / "trained")
    run.result.__dict__["data"] = "<script>alert(1)</script>"
    page = run._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_outcome_of_a_search_shows_and_loads_its_run(searched):
    run = nasforge.load(searched / "trained")
    outcome = nasforge.Outcome(run.folder, run.architecture, run.result)
    assert outcome._repr_html_() == run._repr_html_()
    assert outcome.load(seed=2).seed == 2
    assert f"SynFlow {run.result.metrics['synflow']:.4g}" in outcome._repr_html_()


# Networks that were trained later


def retrained(folder, *words):
    """Train what a run found, in this process; the folder of the retraining."""
    from nasforge.experiment import experiment
    from nasforge.experiment.resumption import retrained
    from nasforge.run.beginning import read_config

    config = retrained(read_config(folder), [*TRAINED, "retrain.seeds=1", "retrain.random=0", *words])
    return experiment.retrain(config, folder, run=True).folder


def test_a_run_without_a_trained_network_names_the_command_that_trains_one(untrained):
    run = nasforge.load(untrained)
    for ask in (lambda: run.network, lambda: run.test_accuracy, lambda: run.predict("cat.jpg"), run.trained):
        with pytest.raises(RunError, match=f"{untrained} holds no trained network; `nasforge retrain {untrained} "):
            ask()
    assert run.class_names == ("0", "1", "2")


def test_a_retraining_in_its_folder_is_the_runs(untrained):
    retrained(untrained, "architecture=DARTS_V1")
    folder = retrained(untrained)
    run, own = nasforge.load(untrained), nasforge.load(folder)
    assert run.test_accuracy == own.test_accuracy
    assert f"trained in {folder.name}" in repr(run)
    assert f"trained in {folder.name}" in run._repr_html_()
    image = np.full((8, 8), 100, np.uint8)
    assert run.predict(image) == own.predict(image)


def test_of_several_retrainings_one_has_to_be_named(untrained):
    folders = [retrained(untrained), retrained(untrained, "retrain.channels=8")]
    run = nasforge.load(untrained)
    with pytest.raises(RunError, match="was retrained several times; load") as error:
        _ = run.network
    assert all(str(folder) in str(error.value) for folder in folders)
    assert run.class_names == ("0", "1", "2")


def test_a_retraining_that_has_not_ended_is_named(untrained):
    folder = retrained(untrained)
    (folder / "result.json").unlink()
    with pytest.raises(RunError, match=f"{folder} has not ended yet; `nasforge resume {folder}` continues it"):
        _ = nasforge.load(untrained).network


def test_a_published_architecture_that_was_trained_is_loaded(tmp_path, few_images, command):
    folder = tmp_path / "published"
    words = [*TRAINED, "architecture=DARTS_V2", "data=arrays", f"data.path={few_images}", "retrain.seeds=1"]
    status, _, complaint = command("retrain", *words, f"hydra.run.dir={folder}")
    assert status == 0, complaint
    run = nasforge.load(folder)
    assert run.architecture == run.space.presets["DARTS_V2"]
    assert sum(run.predict(np.zeros((8, 8), np.uint8)).values()) == pytest.approx(1)


# What is wrong is said


def test_weights_must_be_those_that_the_journal_names(trained):
    path = trained / "fits/retrain/found/seed-1/weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    run = nasforge.load(trained)
    _ = run.trained(seed=0)
    with pytest.raises(RunError, match=rf"{path} was altered: line \d+ of .*journal.jsonl refers to it"):
        run.trained(seed=1)
    path.unlink()
    with pytest.raises(RunError, match=f"{path} is missing"):
        run.trained(seed=1)


def test_an_unknown_seed_is_refused_with_the_known_ones(trained):
    with pytest.raises(OptionError, match=f"seed=7: the networks in {trained} were trained with the seeds 0, 1, 2"):
        nasforge.load(trained, seed=7)


def test_folders_that_hold_no_finished_run_are_refused(tmp_path, trained):
    with pytest.raises(RunError, match="there is no folder"):
        nasforge.load(tmp_path / "nowhere")
    with pytest.raises(RunError, match="is not a run's folder"):
        nasforge.load(tmp_path)
    (trained / "result.json").unlink()
    with pytest.raises(RunError, match=f"the run has not ended yet; `nasforge resume {trained}` continues it"):
        nasforge.load(trained)


@pytest.mark.parametrize("name", ["result.json", "evaluations.json", "data.json"])
def test_altered_files_are_named(trained, name):
    (trained / name).write_text("{}")
    with pytest.raises(RunError, match=f"{name} was altered since the run ended; `nasforge resume {trained}` writes"):
        nasforge.load(trained)


@pytest.fixture
def without_darts():
    """The space `darts` is no longer installed."""
    registry.cache_clear()
    del registry("space").plugins["darts"]
    yield
    registry.cache_clear()


def test_a_space_whose_package_is_gone_hides_nothing_else(searched, without_darts):
    run = nasforge.load(searched / "trained")
    with pytest.raises(UnknownNameError, match="the space 'darts', which no installed package has; install"):
        _ = run.network
    assert len(run.evaluations()) == 3
    assert "the space &#39;darts&#39;, which no installed package has" in run._repr_html_()
