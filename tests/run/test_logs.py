"""Loggers record a run once, change nothing of it, and cannot end it."""

import json
import random

import numpy as np
import pytest
import torch
from pytorch_lightning.loggers import CSVLogger

from nasforge import Evaluation, Objective
from nasforge.journal.journal import Journal
from nasforge.run.logs import BestSoFar, Logs
from nasforge.stopping import Interrupted

NOTEBOOK = """
import json, random
from pathlib import Path

import numpy as np
import torch

from nasforge import RunLogger


class Notebook(RunLogger):
    name = "notebook"

    def __init__(self, *, path: Path = Path("RUN/notebook.jsonl"), fails_at: int = -1, server: str = ""):
        super().__init__()
        self.path, self.fails_at, self.server, self.count = path, fails_at, server, 0

    @property
    def destination(self):
        return self.server

    def note(self, kind, *content):
        self.count += 1
        random.random(), np.random.rand(), torch.rand(1)
        if self.count > self.fails_at >= 0:
            raise ConnectionError("the network is gone")
        with self.path.open("a") as file:
            file.write(json.dumps([kind, *content]) + "\\n")

    def begin(self, facts):
        self.note("begin", facts.identifier, facts.sweep, facts.config["seed"])
        return "the notebook is open"

    def log_metrics(self, metrics, step=None):
        self.note("metrics", step, sorted(metrics))

    def log_picture(self, title, svg):
        self.note("picture", title, svg[:200].find("<svg") >= 0)

    def log_file(self, path):
        self.note("file", path.name)

    def finalize(self, status):
        self.note("end", status)
"""

SEARCH = ["strategy=regularized_evolution", "strategy.population=2", "strategy.sample=2", "space=nasbench201"]
SEARCH += ["estimator=zero_cost", "estimator.zero_cost.proxies=[synflow]", "data=arrays", "executor.threads=1"]
SEARCH += ["retrain.seeds=1", "retrain.random=0", "retrain.epochs=2", "retrain.channels=4", "retrain.cells=1"]


@pytest.fixture
def notebook(guest):
    """A package with a logger that writes down what it is told, draws random numbers, and fails when it is asked to."""
    guest("notebook", {"nasforge.logger": ["notebook = notebook:Notebook"]}, {"notebook.py": NOTEBOOK})


@pytest.fixture
def search(notebook, command, few_images):
    """Search with the notebook; (what the command complained of, what the notebook holds)."""

    def run(folder, *words):
        here = [f"data.path={few_images}", f"hydra.run.dir={folder}"]
        status, _, complaint = command(*SEARCH, *here, "budget.evaluations=4", *words)
        assert status == 0, complaint
        return complaint

    return run


def lines(folder, kind):
    entries = map(json.loads, (folder / "notebook.jsonl").read_text().splitlines())
    return [content for each, *content in entries if each == kind]


def test_a_logger_is_told_the_whole_run_and_changes_nothing(search, tmp_path):
    complaint = search(tmp_path / "watched", "+logger.notebook.fails_at=-1")
    assert "the notebook is open" in complaint
    search(tmp_path / "plain")
    results = [json.loads((tmp_path / folder / "result.json").read_text()) for folder in ("watched", "plain")]
    assert {**results[0], "next": results[1]["next"]} == results[1]  # the next commands repeat the words of this one
    for file in ("evaluations.json", "fits/retrain/found/seed-0/weights.safetensors"):
        assert (tmp_path / "watched" / file).read_bytes() == (tmp_path / "plain" / file).read_bytes()
    ((identifier, sweep, seed),) = lines(tmp_path / "watched", "begin")
    assert (len(identifier), sweep, seed) == (16, "", 0)
    metrics = lines(tmp_path / "watched", "metrics")
    counted = [step for step, names in metrics if "search/evaluations" in names]
    assert counted == [0, 1, 2]  # the first is the population
    assert [0, ["found/macs_m", "found/params_m", "found/synflow", "found/test_accuracy"]] in metrics
    assert sum("retrain/found/seed-0/train_loss" in names for _, names in metrics) == 2
    assert ["Best so far", True] in lines(tmp_path / "watched", "picture")
    assert lines(tmp_path / "watched", "file") == [["report.html"]]
    assert lines(tmp_path / "watched", "end") == [["success"]]


def test_a_later_start_goes_on_in_the_same_record(search, command, tmp_path):
    search(tmp_path / "run", "+logger.notebook.fails_at=-1")
    status, _, complaint = command("resume", str(tmp_path / "run"), "budget.evaluations=6")
    assert status == 0, complaint
    begun = lines(tmp_path / "run", "begin")
    assert len(begun) == 2
    assert begun[0] == begun[1]
    steps = [step for step, names in lines(tmp_path / "run", "metrics") if "search/evaluations" in names]
    assert steps == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("after", [0, 1, 3, 6])
def test_one_that_fails_is_left_out_with_one_warning(after, search, tmp_path):
    words = ["callbacks=learning_rate_monitor", "logger=csv", "logger.csv.save_dir=RUN"]
    complaint = search(tmp_path / "run", f"+logger.notebook.fails_at={after}", *words)
    sentence = "Notebook failed, so this run continues without it: ConnectionError: the network is gone"
    assert complaint.count(sentence) == 1
    assert "found/test_accuracy" in (tmp_path / "run" / "csv" / "version_0" / "metrics.csv").read_text()


def test_the_global_generators_stay_as_they_are(notebook, tmp_path):
    from nasforge.registry.entry_points import registry

    journal = Journal(tmp_path / "run", {"kind": "begin", "key": "", "config": {"seed": 0}})
    logger = registry("logger")["notebook"](path=tmp_path / "notebook.jsonl")
    logs = Logs([logger], journal, print)

    def state():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    before = state()
    logs.metrics("search", 0, {"a": 1.0})
    logs.of_fit("supernet")[0].log_metrics({"loss": 1.0}, 3)
    assert state() == before
    assert lines(tmp_path, "metrics") == [[0, ["search/a"]], [3, ["supernet/loss"]]]
    logs.close()
    assert lines(tmp_path, "end") == [["failed"]]
    journal.close()


def test_a_stop_signal_passes(tmp_path):
    class Slow(CSVLogger):
        def log_metrics(self, metrics, step=None):
            raise Interrupted(2)

    journal = Journal(tmp_path / "run", {"kind": "begin", "key": ""})
    with pytest.raises(Interrupted):
        Logs([Slow(tmp_path)], journal, print).metrics("search", 0, {"a": 1.0})
    journal.close()


def test_a_server_that_only_the_folder_names_is_asked_for(search, mistake, command, tmp_path):
    search(tmp_path / "run", "+logger.notebook.server=https://elsewhere.org")
    sentence = mistake("resume", str(tmp_path / "run"), "budget.evaluations=5")
    assert "sends the run to https://elsewhere.org: add logger=notebook" in sentence
    assert "or logger=none to send nothing" in sentence
    assert "sends the run to" in mistake("retrain", str(tmp_path / "run"), "retrain.epochs=1")
    status, _, complaint = command("resume", str(tmp_path / "run"), "budget.evaluations=5", "logger=none")
    assert status == 0, complaint


def test_the_jobs_of_a_sweep_are_grouped(notebook, command, few_images, tmp_path):
    sweep = ["-m", "seed=1,2", f"hydra.sweep.dir={tmp_path / 'seeds'}", "+logger.notebook.fails_at=-1"]
    status, _, complaint = command(*SEARCH, f"data.path={few_images}", "budget.evaluations=2", *sweep)
    assert status == 0, complaint
    (first,), (second,) = (lines(tmp_path / "seeds" / str(job), "begin") for job in (0, 1))
    assert first[0] != second[0]
    assert first[1:] == ["seeds", 1]
    assert second[1:] == ["seeds", 2]


def test_the_best_so_far_ignores_what_is_not_ok():
    high, low = Objective("accuracy", "max"), Objective("latency", "min")

    def evaluation(status, **metrics):
        return Evaluation("architecture", metrics, status)

    best = BestSoFar([high, low])
    evaluations = [evaluation("ok", accuracy=0.5, latency=3.0), evaluation("infeasible", accuracy=0.9, latency=1.0)]
    assert best.after(evaluations) == {"accuracy": 0.5, "latency": 3.0}
    evaluations.append(evaluation("ok", accuracy=0.4, latency=2.0))
    assert best.after(evaluations) == {"accuracy": 0.5, "latency": 2.0}
