"""What is said while a run goes on: lines in a pipe, one of a sweep's job, nothing of a quiet search."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

import nasforge
from nasforge.run import progress
from nasforge.run.progress import Detail, Progress

SMALL = ["strategy.epochs=3", "strategy.warmup_epochs=1", "strategy.population=4", "strategy.validation_batches=1",
         "space.channels=8", "space.cells=3", "retrain.epochs=2", "retrain.channels=4", "retrain.cells=3",
         "retrain.seeds=1", "retrain.random=1"]  # fmt: skip


def pipe(**options):
    said = io.StringIO()
    return Progress(Console(file=said, width=80), **options), said


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.0)


def test_a_pipe_gets_a_line_with_phase_facts_and_time_left(at_once):
    run, said = pipe()
    run.begin(["search", "retraining"])
    with run.bar("fit supernet", 4) as bar:
        bar()
        bar()
        bar.tell("epoch 1 of 2", "", "training accuracy 50.0%")
    run.phase("retraining")
    with run.bar("fit found", 2) as bar:
        bar.tell("epoch 1 of 2")
    first, second = said.getvalue().splitlines()
    assert re.fullmatch(
        r"search \(1 of 2\): fit supernet, epoch 1 of 2, training accuracy 50\.0%, \d+ seconds? left", first
    )
    assert second == "retraining (2 of 2): fit found, epoch 1 of 2"


def test_lines_come_no_faster_than_one_a_while(monkeypatch):
    now = 100.0
    monkeypatch.setattr("nasforge.run.progress.time.monotonic", lambda: now)
    run, said = pipe()
    with run.bar("search", 3) as bar:
        assert not bar.due, "a search on a table is over by then"
        now = 101.0
        assert bar.due
        bar.tell("generation 1 of 3")
        assert not bar.due
    assert said.getvalue() == "search, generation 1 of 3\n"


@pytest.mark.parametrize("detail", [Detail.LINE, Detail.NOTHING])
def test_little_detail_is_no_line_at_all(detail, at_once):
    run, said = pipe(detail=detail)
    run.say("a sentence")
    with run.bar("search", 3) as bar:
        assert not bar.due
    assert said.getvalue() == ""


def test_a_terminal_has_it_beside_the_bar(at_once):
    run = Progress(Console(file=io.StringIO(), width=80, force_terminal=True))
    with run.bar("fit supernet", 4) as bar:
        assert bar.due
        bar.tell("epoch 1 of 2")
        (task,) = run._bars.tasks
        assert task.description == "fit supernet, epoch 1 of 2"


def test_a_search_says_where_it_is_what_follows_and_each_epoch(command, few_images, at_once):
    words = ["data=arrays", f"data.path={few_images}", "budget.seconds=1000", "hydra.run.dir=run", *SMALL]
    status, _, said = command(*words)
    assert status == 0, said
    lines = said.splitlines()
    assert re.fullmatch(r"run +/.*/run", lines[0])
    assert lines.pop(1) == "data     38 training images of 8 x 8, 3 classes: 0 13, 1 12, 2 13"
    assert lines[1] == "1 of 3   search: egnas on darts with arrays, at most 17 minutes; later phases are not counted"
    assert lines[2] == "2 of 3   control: the found and 20 random architectures with the shared weights"
    assert re.match(r"3 of 3   retraining: 2 networks for 2 epochs on \d+ images, about \d+ seconds?, est", lines[3])
    epochs = [re.sub(r"accuracy [\d.]+%(, .* left)?", "accuracy", line) for line in lines if "fit supernet" in line]
    assert epochs == [f"search (1 of 3): fit supernet, epoch {n} of 3, training accuracy" for n in (1, 2, 3)]
    assert sum("control (2 of 3): estimate (supernet), " in line for line in lines) == 21
    assert sum("retraining (3 of 3): fit retrain/" in line for line in lines) == 4


def test_a_search_on_a_table_says_how_far_it_is(command, shared_data, monkeypatch, at_once):
    monkeypatch.setenv("NASFORGE_DATA", str(shared_data("nasbench201.npz").parent))
    words = ["strategy=random_search", "space=nasbench201", "estimator=tabular", "budget.evaluations=3"]
    _, _, said = command(*words, "strategy.batch=1", "hydra.run.dir=run")
    assert "1 of 1   search: random_search on nasbench201 with cifar10, at most 3 estimates\n" in said
    lines = [line for line in said.splitlines() if line.startswith("search (1 of 1): random_search, ")]
    assert re.match(r"search \(1 of 1\): random_search, 3 of 3 estimates, best accuracy \d\d\.\d\d %", lines[-1])


def test_a_sweep_says_a_line_a_job_and_what_to_type_next_once(command, shared_data, monkeypatch):
    monkeypatch.setenv("NASFORGE_DATA", str(shared_data("nasbench201.npz").parent))
    words = ["-m", "strategy=random_search", "space=nasbench201", "estimator=tabular", "budget.evaluations=3"]
    status, said, complaint = command(*words, "seed=1,2", "hydra.sweep.dir=sweep")
    assert status == 0
    assert len(re.findall(r"^finished: accuracy \d\d\.\d\d %, .*report\.html$", said, re.MULTILINE)) == 2
    assert said.count("nasforge compare") == 1
    assert "nasforge retrain" not in said
    assert "search (1 of 1)" not in complaint


def test_a_front_is_shown_with_all_that_was_followed(command, shared_data, monkeypatch):
    monkeypatch.setenv("NASFORGE_DATA", str(shared_data("nasbench201.npz").parent))
    words = ["strategy=nsga2", "space=nasbench201", "estimator=tabular", "objectives=[accuracy,params_m]"]
    _, said, _ = command(*words, "strategy.population=8", "budget.evaluations=24", "hydra.run.dir=run")
    front = json.loads(Path("run/result.json").read_text())["front"]
    assert f"Pareto front: {len(front)} architectures that no other one dominates" in said
    shown = "".join(said.split())
    assert all(member["notation"] in shown for member in front[:12])


def test_a_quiet_search_prints_nothing(command, shared_data, monkeypatch, capfd):
    monkeypatch.setenv("NASFORGE_DATA", str(shared_data("nasbench201.npz").parent))
    options = {"estimator": ["tabular"], "budget": {"evaluations": 3}}
    outcome = nasforge.search("random_search", "nasbench201", run_dir="run", quiet=True, **options)
    assert outcome.result["status"] == "finished"
    assert capfd.readouterr() == ("", "")
