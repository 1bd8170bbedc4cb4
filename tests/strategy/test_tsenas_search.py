"""TS-ENAS, the whole: what is handed on, what is never trained twice, and kill -9 in both stages."""

import json
import signal
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nasforge import NasforgeError, Run, WeightStore
from nasforge.config.configuration import compose
from nasforge.experiment import experiment
from nasforge.experiment.parts import Parts
from nasforge_plugins.estimator.training import Training
from nasforge_plugins.strategy.tsenas import TSENAS, report

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))  # its processes import it by name

import kill_and_resume as study

SMALL = ["population=4", "generations=2", "fine_population=2", "fine_generations=2", "supernet.epochs=1"]
SMALL += ["supernet.chains=2", "refresh=1"]
TRAINED = ["estimator.training.epochs=1", "estimator.training.channels=2"]
REST = ["space.max_cells=5", "space.reductions=1", "retrain.seeds=0", "executor.threads=1"]


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    images = tmp_path_factory.mktemp("data") / "digits.npz"
    study.images(images)
    data = ["data=arrays", f"data.path={images}", "data.batch_size=60"]
    return ["strategy=tsenas", *(f"strategy.{word}" for word in SMALL), *TRAINED, *REST, *data]


@pytest.fixture(scope="module")
def outcome(command, tmp_path_factory):
    return experiment.search(compose(command).config, tmp_path_factory.mktemp("tsenas") / "run")


def lines(folder, kind):
    read = (json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines())
    return [line for line in read if line["kind"] == kind]


def generations(folder):
    return json.loads((folder / "artifacts/generations.json").read_text())


def test_both_stages_run_and_the_fittest_is_found(outcome):
    rows = generations(outcome.folder)
    assert [row["stage"] for row in rows] == ["rough"] * 3 + ["fine"] * 2
    assert [len(row["population"]) for row in rows] == [4, 4, 4, 2, 2]
    best = [row["best"] for row in rows]
    # Selection never loses the best level's leader, and lineages keep the best of three.
    assert best == sorted(best)
    assert outcome.result["metrics"]["accuracy"] == max(row["metrics"]["accuracy"] for row in evaluations(outcome))
    assert outcome.result["metrics"]["accuracy"] == best[-1]


def evaluations(outcome):
    return json.loads((outcome.folder / "evaluations.json").read_text())


def test_nobody_is_trained_twice(outcome):
    space = Parts(experiment.read_config(outcome.folder)).space
    keys = [space.function_key(space.read(row["notation"])) for row in evaluations(outcome)]
    assert len(keys) == len(set(keys)) == sum(row["new"] for row in generations(outcome.folder))
    made = 4 + 2 * 4 + 2 * 4
    assert len(keys) + sum(row["repeated"] for row in generations(outcome.folder)) == made


def test_networks_begin_with_trained_cells_and_the_report_says_how_many(outcome):
    assert all(row["metrics"]["inherited"] > 0.5 for row in evaluations(outcome))
    page = (outcome.folder / "report.html").read_text()
    assert "began with inherited weights, on average" in page
    assert "by which they were chosen, and" in page
    assert "over the generations of both stages" in page
    assert "by slices of generations" in page


def test_every_refresh_is_a_version_and_holds_what_the_best_has_learned(outcome):
    versions = sorted((outcome.folder / "weights").glob("version-*.safetensors"))
    assert [line["key"] for line in lines(outcome.folder, "weights")] == [path.stem for path in versions]
    assert len(versions) == 1 + 2 + 2
    space = Parts(experiment.read_config(outcome.folder)).space
    heirs = [line for line in lines(outcome.folder, "estimate") if "weights" in line]
    best = max(heirs, key=lambda line: line["metrics"]["accuracy"])
    learned = load_file(outcome.folder / best["weights"])
    heir = space.build(space.validate(outcome.architecture), (1, 8, 8), 10, channels=2)
    WeightStore.read(versions[-1]).hand_on(space, outcome.architecture, heir)
    seen, same = set(), 0
    for name, tensor in learned.items():
        if (key := space.weight_key(outcome.architecture, name)) not in seen:  # of twin cells the first
            seen.add(key)
            same += torch.equal(heir.state_dict()[name], tensor)
    assert same == len(seen)


def test_only_the_last_population_leaves_its_weights_behind(outcome):
    kept = {f"candidates/{path.name}" for path in (outcome.folder / "candidates").iterdir()}
    assert 0 < len(kept) <= 2 < len(lines(outcome.folder, "estimate"))


@pytest.mark.parametrize(("place", "call"), [("control", 6), ("store", 4)])
def test_killed_in_either_stage_no_candidate_is_trained_again(outcome, command, tmp_path, place, call):
    folder = tmp_path / "run"
    process = study.start(folder, tmp_path, place, call, command=command)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    before = [line["key"] for line in lines(folder, "estimate")]
    assert 0 < len(before) < len(lines(outcome.folder, "estimate"))
    left = study.finish(folder, tmp_path)
    keys = [line["key"] for line in lines(folder, "estimate")]
    assert keys[: len(before)] == before
    assert sorted(keys) == sorted(line["key"] for line in lines(outcome.folder, "estimate"))
    assert all(left[name] == (outcome.folder / name).read_bytes() for name in left)
    for name in ("artifacts/generations.json", "artifacts/fitness.svg", "artifacts/inherited.svg"):
        assert (folder / name).read_bytes() == (outcome.folder / name).read_bytes(), name


def test_the_supernet_sees_none_of_the_images_that_candidates_are_scored_on(command, tmp_path, monkeypatch):
    seen = {}

    def spy(run, module, name, epochs, data):
        seen["train"], seen["data"] = set(data.train.positions.tolist()), run.data
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "fit", spy)
    with pytest.raises(KeyboardInterrupt):
        experiment.search(compose([*command, "estimator.training.held_out=0.4"]).config, tmp_path / "run")
    scored = seen["data"].split(0.4).validation.positions.tolist()
    assert len(scored) == 0.4 * len(seen["data"].train)
    assert not seen["train"] & set(scored)


def test_another_searchs_store_is_taken_up_instead_of_a_supernet(outcome, command, tmp_path):
    store = outcome.folder / "weights" / "version-4.safetensors"
    done = experiment.search(compose([*command, f"strategy.store={store}"]).config, tmp_path / "run")
    assert not (done.folder / "fits").exists()
    taken = WeightStore.read(done.folder / "weights/version-0.safetensors")
    assert taken.tensors.keys() == WeightStore.read(store).tensors.keys()
    assert not any("other images" in note for note in done.result["notes"])


def test_a_store_that_has_seen_other_images_is_noted_and_is_not_needed_again(outcome, command, tmp_path):
    store = tmp_path / "store.safetensors"
    store.write_bytes((outcome.folder / "weights" / "version-0.safetensors").read_bytes())
    words = [*command, f"strategy.store={store}", "seed=1", "budget.evaluations=2"]
    done = experiment.search(compose(words).config, tmp_path / "run")
    assert any("trained on other images than this search trains on" in note for note in done.result["notes"])
    store.unlink()
    assert experiment.resume(done.folder).result["notes"] == done.result["notes"]


def test_a_supernet_that_ran_out_of_time_stays_as_it_was_and_is_noted(command, tmp_path):
    words = [*command, "strategy.supernet.epochs=2", "budget.seconds=0.01"]
    done = experiment.search(compose(words).config, tmp_path / "run")
    note = "out of time: the supernet had 1 of its 2 epochs"
    assert note in done.result["notes"]
    assert not any("from scratch" in note for note in done.result["notes"])
    weights = (done.folder / "fits/supernet/weights.safetensors").read_bytes()
    again = experiment.resume(done.folder, ["budget.seconds=1000", "budget.evaluations=5"])
    assert note in again.result["notes"]
    assert (done.folder / "fits/supernet/weights.safetensors").read_bytes() == weights


def test_it_follows_what_is_not_the_trainings_metric_and_says_what_it_costs_without_a_store(
    command, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(report, "step_seconds", lambda network, images: 6.0)
    both = ["estimator=[training,zero_cost]", "estimator.zero_cost.proxies=[params]", "objectives=[params,accuracy]"]
    done = experiment.search(compose([*command, *both, "budget.evaluations=4"]).config, tmp_path / "run")
    assert any("accuracy" in note and "from scratch" in note for note in done.result["notes"])
    stderr = " ".join(capsys.readouterr().err.split())
    assert (
        "TS-ENAS trains the supernet of all known cells for 1 epoch, 4 chains at a time, then up to 22 networks"
        in stderr
    )
    words = [*command, "strategy.inherit=false", "budget.evaluations=2"]
    experiment.search(compose(words).config, tmp_path / "alone")
    stderr = " ".join(capsys.readouterr().err.split())
    assert (
        "TS-ENAS trains up to 20 networks for 1 epoch each: 20 epochs in all, about 6 minutes on this device" in stderr
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["strategy.store=STORE", "estimator.training.channels=4"], "channels 2.*; this search needs channels 4"),
        (["strategy.store=STORE", "space.darts=V1"], "darts V2.*; this search needs darts V1"),
        (["strategy.store=."], "is a folder; a weight store is a file"),
        (["strategy.store=nowhere.safetensors"], "nowhere.safetensors cannot be read as a weight store"),
        (["strategy.store=STORE", "strategy.inherit=false"], "nothing is inherited in this search"),
        (["space.min_cells=9", "space.max_cells=5"], r"space\.min_cells=9 is more than space\.max_cells=5"),
        (["space.reductions=9", "space.max_cells=18"], "cell .* images of 8x8 pixels allow 3"),
    ],
)
def test_mistakes_are_said_before_any_training(outcome, command, tmp_path, words, sentence):
    store = outcome.folder / "weights" / "version-0.safetensors"
    with pytest.raises(NasforgeError, match=sentence):
        experiment.search(
            compose([*command, *(w.replace("STORE", str(store)) for w in words)]).config, tmp_path / "run"
        )
    assert not list((tmp_path / "run").rglob("*.safetensors"))


def test_a_space_without_chains_is_refused(tmp_path):
    sentence = "needs a space with CellChain, which space 'darts' lacks. Spaces that fit: tsenas"
    with pytest.raises(NasforgeError, match=sentence):
        experiment.search(compose(["strategy=tsenas", "space=darts"]).config, tmp_path / "run")


def test_without_training_nothing_is_inherited_and_the_run_says_so(tmp_path):
    words = ["strategy=tsenas", "estimator=zero_cost", "estimator.zero_cost.proxies=[params]", "objectives=[params]"]
    small = [f"strategy.{word}" for word in SMALL[:4]]
    done = experiment.search(compose([*words, *small, *REST]).config, tmp_path / "run")
    assert "nothing was inherited: no estimator of this search trains candidates" in done.result["notes"]
    assert not (done.folder / "weights").exists()


def test_experiments_have_the_papers_sizes():
    for name in ("tsenas_fashion_mnist", "tsenas_cifar10"):
        parts = Parts(compose([f"+experiment={name}"]).config)
        strategy, trained = parts.strategy, parts.estimators[0]
        assert isinstance(strategy, TSENAS)
        assert isinstance(trained, Training)
        assert (strategy.population, strategy.generations) == (100, 100)
        assert (strategy.fine_population, strategy.fine_generations) == (30, 50)
        assert (strategy.supernet.epochs, trained.epochs, trained.held_out) == (100, 10, 0.1)
        assert parts.retraining.epochs == 100
