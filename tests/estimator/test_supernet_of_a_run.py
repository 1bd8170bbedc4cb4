"""`estimator.supernet.run=RUN`: candidates of any strategy are scored with the supernet of a finished run."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch

from nasforge import Context, FinishedSupernet, RunError, SharedWeights, search
from nasforge.config.configuration import compose
from nasforge.experiment.experiment import resume
from nasforge.experiment.next_steps import next_steps
from nasforge.experiment.parts import Parts
from nasforge.registry.entry_points import build
from nasforge.testing import EstimatorContract
from nasforge.testing.samples import samples, tiny_data

SMALL = ["retrain.seeds=0", "executor.threads=1", "trainer.accelerator=cpu", "control.samples=1"]
NB201 = ["space=nasbench201", "space.channels=4"]
STRATEGIES = {
    "single_path": [*NB201, "strategy.epochs=1", "strategy.evolution.population=2", "strategy.evolution.generations=1"],
    "egnas": [*NB201, "strategy.epochs=1", "strategy.warmup_epochs=0", "strategy.population=2", "strategy.samples=1"],
    "darts": ["space=darts", "space.cells=3", "space.channels=4", "space.operations=[skip_connect,sep_conv_3x3]",
              "strategy.epochs=1"],
}  # fmt: skip


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """The words for two classes of colored 8 x 8 images."""
    data = tiny_data(images=40).train
    path = tmp_path_factory.mktemp("images") / "images.npz"
    pixels, labels = data[torch.arange(40)]
    np.savez(path, train_images=pixels.permute(0, 2, 3, 1).numpy(), train_labels=labels.numpy(), classes=["a", "b"])
    return ["data=arrays", f"data.path={path}"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory, images):
    """The folder of a finished run of a strategy."""
    folders = {}

    def run(strategy):
        if strategy not in folders:
            folder = tmp_path_factory.mktemp("finished") / strategy
            words = [f"strategy={strategy}", *STRATEGIES[strategy], *images, *SMALL]
            folders[strategy] = search(run_dir=folder, quiet=True, overrides=words).folder
        return folders[strategy]

    return run


def command_with(run, *words):
    return ["strategy=random_search", "budget.evaluations=4", "estimator=supernet", f"estimator.supernet.run={run}",
            *NB201, *SMALL, *words]  # fmt: skip


def scores(folder):
    answers = json.loads((folder / "evaluations.json").read_text())
    assert all(answer["status"] == "ok" for answer in answers), answers
    return {answer["notation"]: answer["metrics"] for answer in answers}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_scores_are_those_of_the_runs_weights_on_images_that_it_was_not_trained_on(
    strategy, finished, images, tmp_path
):
    run = finished(strategy)
    words = [word for word in STRATEGIES[strategy] if word.startswith("space")]
    found = search(run_dir=tmp_path / "run", quiet=True, overrides=command_with(run, *words, *images, "seed=3"))
    supernet, space = FinishedSupernet.read(run), found.load().space
    data = build("data", {"name": "arrays", "path": images[1].partition("=")[2]}).for_search(0)  # the seed of `run`
    estimator = SharedWeights(calibration_batches=16)
    for notation, metrics in scores(found.folder).items():
        context = Context(space, data, "cpu", 1, 0, supernet.weights)
        assert estimator.estimate(space.read(notation), context).metrics == pytest.approx(metrics)
    trained = set(data.halves().train.positions.tolist())
    assert trained.isdisjoint(json.loads((run / "data.json").read_text())["validation images"])


@pytest.mark.parametrize("strategy", ["nsga2", "regularized_evolution", "local_search", "nevergrad"])
def test_every_strategy_that_proposes_candidates_can_use_it(strategy, finished, images, tmp_path):
    more = [f"strategy={strategy}", "estimator=[supernet,zero_cost]", "estimator.zero_cost.proxies=[params]"]
    population = ["strategy.population=2"] if strategy in ("nsga2", "regularized_evolution") else []
    sample = ["strategy.sample=2"] if strategy == "regularized_evolution" else []
    bound = ["constraints=['params<=1e7']", "objectives=[accuracy,params]"]
    words = command_with(finished("single_path"), *images, *more, *population, *sample, *bound)
    assert set(next(iter(scores(search(run_dir=tmp_path / "run", quiet=True, overrides=words).folder).values()))) == {
        "accuracy",
        "cross_entropy",
        "params",
    }


def test_a_part_of_the_images_is_a_balanced_part_of_those_that_score(finished, images):
    run, data = finished("egnas"), build("data", {"name": "arrays", "path": images[1].partition("=")[2]}).for_search(0)
    context = Context(build("space", {"name": "nasbench201", "channels": 4}), data, "cpu", 1, 0)
    whole, part, more = (
        build("estimator", {"name": "supernet", "run": str(run), "images": count}) for count in (None, 6, 1000)
    )
    scoring, few = whole.halves(context).validation, part.halves(context).validation
    assert set(few.positions.tolist()) < set(scoring.positions.tolist())
    assert few.labels[few.positions].bincount().tolist() == [3, 3]
    assert part.estimate(context.space.presets["resnet"], context).metrics["accuracy"] * 6 % 1 == pytest.approx(0)
    assert torch.equal(more.halves(context).validation.positions, scoring.positions)


def test_two_processes_score_alike(finished, images, tmp_path):
    words = command_with(finished("egnas"), *images)
    here = search(run_dir=tmp_path / "here", quiet=True, overrides=words).folder
    there = search(run_dir=tmp_path / "there", quiet=True, overrides=[*words, "executor.workers=2"]).folder
    assert scores(here) == scores(there)


def test_a_process_builds_the_supernet_once_and_needs_no_file(finished, tmp_path):
    run = shutil.copytree(finished("egnas"), tmp_path / "run")
    estimator = build("estimator", {"name": "supernet", "run": str(run)})
    shutil.rmtree(run)
    sent = pickle.loads(pickle.dumps(estimator))
    context = Context(build("space", {"name": "nasbench201", "channels": 4}), tiny_data(), "cpu", 1, 0)
    assert sent.supernet(context) is sent.supernet(context)
    assert len(pickle.dumps(sent)) < len(pickle.dumps(estimator)) + 100, "the supernet that it built must not travel"


def test_the_weights_are_part_of_the_key_and_their_place_is_not(finished, tmp_path):
    moved = shutil.copytree(finished("egnas"), tmp_path / "moved")
    one, other, copy = (
        build("estimator", {"name": "supernet", "run": str(run)})
        for run in (finished("egnas"), finished("single_path"), moved)
    )
    assert one.fingerprint != other.fingerprint
    assert (one.fingerprint, one.options) == (copy.fingerprint, copy.options)


def test_a_search_goes_on_where_the_run_has_moved(finished, images, tmp_path):
    place, moved = tmp_path / "place", tmp_path / "moved"
    shutil.copytree(finished("egnas"), place)
    words = command_with(place, *images)
    started = search(run_dir=tmp_path / "run", quiet=True, overrides=words).folder
    whole = search(run_dir=tmp_path / "whole", quiet=True, overrides=[*words, "budget.evaluations=6"]).folder
    place.rename(moved)
    resume(started, ["budget.evaluations=6", f"estimator.supernet.run={moved}"])
    assert scores(started) == scores(whole)


class TestSupernetOfARun(EstimatorContract):
    @pytest.fixture
    def estimator(self, finished):
        return build("estimator", {"name": "supernet", "run": str(finished("egnas")), "batch_size": 8})

    @pytest.fixture
    def space(self):
        return build("space", {"name": "nasbench201", "channels": 4})


def test_other_images_are_not_advised(finished):
    for estimator, advised in (
        ([f"estimator.supernet.run={finished('egnas')}", "estimator=supernet"], False),
        (["estimator=training"], True),
    ):
        words = ["strategy=random_search", *estimator, *NB201]
        steps = next_steps(Parts(compose(words).config), "random_search", words)
        assert any("data=cifar10" in step.command for step in steps) is advised


# Mistakes


def refusal(finished, mistake, words, *more, run=None):
    return mistake(*command_with(run or finished("egnas"), *words, *more))


def test_a_strategy_without_a_supernet_is_told_how_to_get_one(mistake):
    complaint = mistake("strategy=random_search", "estimator=supernet", *NB201)
    assert "add estimator.supernet.run=RUN" in complaint
    assert "strategy=single_path" in complaint


def test_a_strategy_with_a_supernet_takes_no_other(finished, mistake, images):
    complaint = refusal(finished, mistake, images, "strategy=egnas")
    assert "strategy 'egnas' trains a supernet of its own" in complaint
    assert "omit estimator.supernet.run" in complaint


def test_another_space_is_refused(finished, mistake, images):
    assert "its supernet is of space 'nasbench201'" in refusal(finished, mistake, images, "space=darts")


def test_other_operations_are_refused(finished, mistake, images):
    complaint = refusal(finished, mistake, images, "space=darts", run=finished("darts"))
    assert "choose space.operations=[skip_connect,sep_conv_3x3] as in that run" in complaint


def test_other_classes_shapes_and_images_are_refused(finished, mistake, images, few_images, tmp_path):
    gray = refusal(finished, mistake, [], "data=arrays", f"data.path={few_images}")
    assert "is for images of 3 x 8 x 8, and this search's are 1 x 8 x 8" in gray
    with np.load(images[1].partition("=")[2]) as file:
        arrays = dict(file)
    for name, change, expected in (
        ("names", {"classes": ["c", "d"]}, "tells 2 classes apart (a, b), and this search's data have 2 (c, d)"),
        ("pixels", {"train_images": arrays["train_images"] + np.uint8(1)}, "was trained on other images"),
    ):
        np.savez(tmp_path / f"{name}.npz", **{**arrays, **change})
        assert expected in refusal(finished, mistake, [], "data=arrays", f"data.path={tmp_path / name}.npz")


@pytest.mark.parametrize(
    ("break_it", "complaint"),
    [
        (shutil.rmtree, "there is no folder"),
        (lambda run: [(run / name).unlink() for name in ("journal.jsonl", "config.yaml")], "is not a run's folder"),
        (lambda run: (run / "report.html").unlink(), "has not ended"),
        (lambda run: (run / "fits/supernet/weights.safetensors").unlink(), "weights.safetensors is missing"),
        (lambda run: (run / "fits/supernet/weights.safetensors").write_bytes(b"x"), "weights.safetensors was altered"),
        (lambda run: (run / "result.json").write_text("{}"), "result.json was altered"),
    ],
)
def test_a_run_that_is_not_whole_is_refused(break_it, complaint, finished, tmp_path):
    run = shutil.copytree(finished("egnas"), tmp_path / "run")
    break_it(run)
    with pytest.raises(RunError, match=complaint) as refusal:
        build("estimator", {"name": "supernet", "run": str(run)})
    assert str(refusal.value).startswith(f"estimator.supernet.run={run}: ")


def test_a_run_without_a_supernet_is_refused(finished, images, tmp_path):
    words = command_with(finished("egnas"), *images)
    run = search(run_dir=tmp_path / "run", quiet=True, overrides=words).folder
    with pytest.raises(RunError, match="trained no supernet; strategies that train one: darts, egnas"):
        build("estimator", {"name": "supernet", "run": str(run)})


def test_samples_of_the_space_have_scores(finished):
    """A copy without the run's file scores as the original does."""
    space = build("space", {"name": "nasbench201", "channels": 4})
    estimator = build("estimator", {"name": "supernet", "run": str(finished("egnas"))})
    context = Context(space, tiny_data(images=40), "cpu", 1, 0)
    architectures = samples(space, 0, 2)
    copy = pickle.loads(pickle.dumps(estimator))
    assert estimator.estimate_many(architectures, context) == copy.estimate_many(architectures, context)
