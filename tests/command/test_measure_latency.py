"""`nasforge measure-latency`, and a search that believes what it wrote."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nasforge import Measurements

SMALL = ("space=nasbench201", "input_shape=[1,8,8]", "samples=6", "rounds=4", "clock=processor", "out=here.json")
SEARCH = (
    *("strategy=random_search", "space=nasbench201", "budget.evaluations=3", "retrain.seeds=0"),
    *("estimator=[zero_cost,latency]", "estimator.zero_cost.proxies=[synflow]", "data=arrays"),
    *("estimator.latency.measured=here.json", "objectives=[synflow,latency_ms]", "hydra.run.dir=run"),
)


@pytest.fixture(autouse=True)
def no_tables(monkeypatch, no_installed_tables):
    monkeypatch.setenv("NASFORGE_DATA", "nowhere")


@pytest.fixture
def measured(command):
    status, printed, complaint = command("measure-latency", *SMALL)
    assert status == 0, complaint
    assert printed.startswith("6 architectures of space 'nasbench201' on ")
    assert "estimator.latency.measured=here.json" in printed
    return Measurements.read(Path("here.json"))


def test_an_interrupted_measurement_continues(command, measured):
    replace(measured, rounds=measured.rounds[:3]).write(measured.path)
    assert command("measure-latency", *SMALL)[0] == 0
    continued = Measurements.read(measured.path)
    assert continued.rounds[:3] == measured.rounds[:3]
    assert continued.complete
    before = measured.path.read_bytes()
    assert command("measure-latency", *SMALL)[0] == 0, "nothing is left to do"
    assert measured.path.read_bytes() == before


def test_a_file_is_not_continued_under_other_conditions(mistake, measured):
    assert "were measured with other options; choose another out=FILE" in mistake("measure-latency", *SMALL, "seed=1")
    machine = {**measured.machine, "device": "a phone"}
    replace(measured, machine=machine, rounds=measured.rounds[:3]).write(measured.path)
    assert "here.json was begun on a phone with torch" in mistake("measure-latency", *SMALL)


def test_a_noisy_device_is_reported(command, measured):
    backwards = [list(times)[:: (-1) ** number] for number, times in enumerate(measured.rounds)]
    replace(measured, rounds=backwards).write(measured.path)
    assert "the device was too noisy" in command("measure-latency", *SMALL)[1]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("samples=4", "measure-latency.samples=4: it must be a whole number, at least 5"),
        ("device=tpu", "device=tpu: it must be cpu, cuda or, for the second GPU, cuda:1"),
        ("runtime=tflite", "it must be one of torch, onnxruntime"),
        ("sample=9", "measure-latency does not take sample=9. Did you mean samples=?"),
        ("strategy=darts", "measure-latency does not take strategy=darts."),
        ("rounds=[", "rounds=[: its value must be a number, a word or a list"),
    ],
)
def test_mistakes_take_one_sentence(mistake, word, sentence):
    assert sentence in mistake("measure-latency", "space=nasbench201", word)


def test_a_runtime_that_is_not_installed_is_refused(mistake, monkeypatch):
    monkeypatch.setattr("nasforge.latency.runtimes.find_spec", lambda package: None)
    complaint = mistake("measure-latency", *SMALL, "runtime=onnxruntime")
    assert "runtime=onnxruntime needs packages that are not installed: pip install 'nasforge[onnx]'" in complaint


def test_a_space_with_too_few_architectures_is_named(mistake):
    fixed = ("space.kernels=[3]", "space.expansions=[3]", "space.gates=false", "space.multipliers=[1.0]")
    complaint = mistake("measure-latency", "space=mobilenet", *fixed, "space.depths=[1,2]", "samples=33")
    assert "samples=33: space 'mobilenet' seems to have only 32 different architectures" in complaint


def test_a_search_predicts_and_then_measures(command, measured, few_images):
    status, printed, complaint = command(*SEARCH, f"data.path={few_images}")
    assert status == 0, complaint
    (promise,) = json.loads(Path("run/result.json").read_text())["promises"]
    evaluations = json.loads(Path("run/evaluations.json").read_text())
    assert promise["predicted"] in [evaluation["metrics"]["latency_ms"] for evaluation in evaluations]
    assert promise["measured"] > 0
    sentence = f"ms was predicted, {promise['measured']:.4g} measured (middle half "
    assert sentence in " ".join(printed.split())
    assert sentence in Path("run/report.html").read_text()
    Path("run/result.json").unlink()
    assert command("resume", "run")[0] == 0
    assert json.loads(Path("run/result.json").read_text())["promises"] == [promise], "a resumed run measures nothing"


def test_a_broken_promise_is_named(command, measured, few_images):
    hopeful = replace(measured, rounds=[[latency / 1000 for latency in times] for times in measured.rounds])
    hopeful.write(measured.path)
    status, printed, _ = command(*SEARCH, f"data.path={few_images}", "constraints=['latency_ms<=0.1']")
    assert status == 0
    assert "this breaks latency_ms<=0.1" in " ".join(printed.split())


def test_images_of_another_shape_are_refused(command, mistake, few_images):
    assert command("measure-latency", *SMALL, "input_shape=[1,6,6]")[0] == 0
    complaint = mistake(*SEARCH, f"data.path={few_images}")
    assert (
        "was measured with images of shape [1, 6, 6], and the run's have [1, 8, 8]: measure with input_sh" in complaint
    )
