"""Killed at any moment and resumed, the result is the undisturbed run's, to the last bit."""

import json
import random
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))  # its processes import it by name

import kill_and_resume as study


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "images.npz"
    study.images(path)
    return path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, images):
    return study.finish(tmp_path_factory.mktemp("undisturbed") / "run", images)


def killed(folder, images, place, call, number=signal.SIGKILL, command=()):
    process = study.start(folder, images, place, call, command, number)
    process.join()
    assert process.exitcode == -number, f"the run ended before call {call} of {place}"


def deaths(folder):
    """Where the run has died, as its journal has it."""
    lines = map(json.loads, (folder / "journal.jsonl").read_text().splitlines())
    return [(line["key"], line["how"]) for line in lines if line["kind"] == "death"]


def test_the_same_run_twice_gives_the_same_bytes(tmp_path, images, undisturbed):
    assert study.finish(tmp_path / "run", images) == undisturbed
    result = json.loads(undisturbed["result.json"])
    assert result["control"]["percentile"] >= 0
    assert len(result["control"]["random"]) == 20
    assert [row["name"] for row in result["retrain"]["rows"]] == ["found", "random 1"]


@pytest.mark.parametrize("seed", range(len(study.PLACES)))
def test_killed_at_a_place_and_resumed(tmp_path, images, undisturbed, seed):
    place = list(study.PLACES)[seed]
    most = {"result": 1, "report": 1, "retraining": 2, "weights": 3, "checkpoint": 3, "journal line": 6}.get(place, 8)
    killed(tmp_path / "run", images, place, random.Random(seed).randint(1, most))
    assert study.finish(tmp_path / "run", images) == undisturbed


def test_killed_again_and_again_and_resumed(tmp_path, images, undisturbed):
    for place, call in (("ES step", 2), ("supernet fit", 2), ("journal line", 1), ("control", 5), ("report", 1)):
        number = signal.SIGABRT if place in ("supernet fit", "report") else signal.SIGKILL
        killed(tmp_path / "run", images, place, call, number)
    assert study.finish(tmp_path / "run", images) == undisturbed
    first, second, third, fourth = deaths(tmp_path / "run")  # the start that was to write the second died of that
    assert first == ("fit supernet, epoch 1", "")
    assert second == ("fit supernet, epoch 1", "Aborted")
    assert (third[0][:11], fourth) == ("candidates ", ("", "Aborted"))


def test_a_candidate_that_has_killed_the_run_twice_has_the_same_result_in_another_process(tmp_path, images):
    command = [*study.SEARCHES["random_search"][0](images), "budget.evaluations=2", "retrain.seeds=0"]
    expected = study.finish(tmp_path / "undisturbed", images, command)
    for number in (signal.SIGABRT, signal.SIGKILL):
        killed(tmp_path / "run", images, "candidate", 1, number, command)
    assert study.finish(tmp_path / "run", images, command) == expected
    (first, how), (second, _) = deaths(tmp_path / "run")
    assert (first[:10], how) == ("candidate ", "Aborted")
    assert second == first


def test_killed_at_random_times_and_resumed(tmp_path, images, undisturbed):
    rng = random.Random(7)
    for _ in range(3):
        process = study.start(tmp_path / "run", images)
        process.join(rng.uniform(0.2, 2.0))
        process.kill()
        process.join()
    assert study.finish(tmp_path / "run", images) == undisturbed
