"""Sweeps: each job is done once, however often the sweep is started, and one that fails does not end the others."""

import json
import shutil
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nasforge import Column, Table
from nasforge.command import cli
from nasforge.devices.machine import device_of
from nasforge.experiment import experiment
from nasforge.run.beginning import Beginning
from nasforge.run.run import Run
from nasforge.stopping import Interrupted

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
KILLED = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import kill_and_resume
from nasforge.command import cli
kill_and_resume._arm("journal line", int(sys.argv.pop(1)))
sys.exit(cli.run(sys.argv[1:]))
"""
EVALUATIONS = 60


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table in which accuracy rises with every choice."""
    path = tmp_path_factory.mktemp("table") / "small.safetensors"
    choices = np.stack(np.unravel_index(np.arange(5**6), (5,) * 6))  # (edges, rows)
    values = {Column("digits", "accuracy", "max"): 0.3 + choices.sum(0) / 60}
    Table.of("nasbench201", (5,) * 6, values, source="made by a test").write(path)
    return path


def words_of(table, sweep, *changed):
    """A sweep of four searches of a second in all."""
    return [
        *("-m", "strategy=random_search,regularized_evolution", "seed=1,2", "space=nasbench201", "estimator=tabular"),
        *(f"estimator.tabular.path={table}", "estimator.tabular.dataset=digits", f"budget.evaluations={EVALUATIONS}"),
        *(f"hydra.sweep.dir={sweep}", *(word for word in changed if "=" in word)),
    ]


def in_its_own_process(*words, code=None):
    command = [sys.executable, *(("-c", code) if code else ("-m", "nasforge")), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def files_of(run):
    """Everything in a run's folder, and when it was written."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.rglob("*") if path.is_file()}


def found(sweep):
    """What each job says, but for the words that name its folder."""
    results = {run.parent.name: json.loads(run.read_text()) for run in sorted(sweep.glob("*/result.json"))}
    return {name: {key: value for key, value in one.items() if key != "next"} for name, one in results.items()}


@pytest.fixture(scope="module")
def undisturbed(table, tmp_path_factory):
    sweep = tmp_path_factory.mktemp("undisturbed") / "sweep"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["nasforge"])
        patch.setattr(warnings, "showwarning", warnings.showwarning)
        patch.setenv("HYDRA_FULL_ERROR", "0")
        assert cli.run(words_of(table, sweep)) == 0
    return sweep


def test_a_killed_sweep_is_started_again_to_the_same_result(command, table, undisturbed, tmp_path):
    sweep = tmp_path / "sweep"
    lines = [len((undisturbed / f"{number}/journal.jsonl").read_text().splitlines()) for number in range(2)]
    call = lines[0] + lines[1] // 2
    killed = in_its_own_process(str(BENCHMARKS), str(call), *words_of(table, sweep), code=KILLED)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (sweep / "0/result.json").exists()
    assert not (sweep / "1/result.json").exists()
    before = files_of(sweep / "0")
    status, said, complaint = command(*words_of(table, sweep))
    assert status == 0, complaint
    assert files_of(sweep / "0") == before, "what had finished is not touched"
    assert "job 0 finished before and is skipped" in said
    assert "job 1 is unfinished and continues" in said
    assert f"{sweep}: 3 finished, 1 finished before" in said
    assert found(sweep) == found(undisturbed)


@pytest.fixture
def sweep(undisturbed, tmp_path):
    """A copy of a finished sweep that a test may spoil."""
    shutil.copytree(undisturbed, tmp_path / "sweep")
    return tmp_path / "sweep"


@pytest.fixture
def searched(monkeypatch):
    """The folders of all searches that do more than ask what they did before."""
    begun = []
    made = Run.__init__

    def init(run, folder, *arguments, **options):
        begun.append(folder.name)
        made(run, folder, *arguments, **options)

    monkeypatch.setattr(Run, "__init__", init)
    return begun


def test_a_finished_sweep_computes_nothing(command, table, sweep, searched):
    before = {run: files_of(run) for run in sweep.glob("[0-9]")}
    status, said, _ = command(*words_of(table, sweep))
    assert (status, searched) == (0, [])
    assert f"{sweep}: 4 finished before" in said
    assert {run: files_of(run) for run in sweep.glob("[0-9]")} == before


def test_a_run_of_other_words_is_never_taken_for_the_jobs_own(command, table, sweep, searched):
    words = [word.replace("seed=1,2", "seed=0,1,2") for word in words_of(table, sweep)]
    status, said, complaint = command(*words)
    assert status == 2
    assert "job 0: its folder" in complaint
    assert "holds a run with other arguments (strategy=random_search seed=1 " in complaint
    assert "hydra.sweep.dir=" in complaint
    assert searched == ["4", "5"], "only those whose numbers were free"
    assert "4 failed" in said


def test_the_order_of_the_words_does_not_matter(command, table, sweep, searched):
    first, strategy, seed, *others = words_of(table, sweep)
    assert command(first, *others, strategy, seed)[0] == 0
    assert searched == []


def test_how_a_broken_job_computes_may_change(command, table, sweep, searched):
    (sweep / "2/result.json").unlink()
    status, _, complaint = command(*words_of(table, sweep), "executor.workers=2", "budget.seconds=1000")
    assert (status, complaint, searched) == (0, "", ["2"])
    config = experiment.read_config(sweep / "2")
    assert (config["executor"]["workers"], config["budget"]["seconds"]) == (2, 1000)


def test_words_that_stand_for_something_else_now_are_named(command, table, sweep, searched):
    began = Beginning.of(sweep / "3")
    (sweep / "3/journal.jsonl").unlink()
    other = {**began.config, "retrain": {**began.config["retrain"], "seeds": 2}}
    replace(began, config=other).journal(sweep / "3").close()
    status, _, complaint = command(*words_of(table, sweep))
    assert (status, searched) == (2, [])
    assert "job 3: its folder" in complaint
    assert "(retrain.seeds is 0 and was 2 when the run began)" in complaint


def test_a_job_killed_before_it_had_begun_begins_anew(command, table, sweep, searched):
    for path in (sweep / "2").iterdir():
        path.unlink() if path.is_file() else shutil.rmtree(path)
    (sweep / "2/.journal.jsonl.partial").write_text('{"checksum": ')
    assert command(*words_of(table, sweep))[0] == 0
    assert searched == ["2"]


def test_a_job_without_its_report_draws_it(command, table, sweep):
    (sweep / "1/report.html").unlink()
    assert command(*words_of(table, sweep))[0] == 0
    assert (sweep / "1/report.html").exists()


def check_two_of_four(status, said, complaint, sweep, undisturbed):
    assert status == 2, complaint
    assert "Traceback" not in complaint
    assert "nasforge: job 1: seed=-2: it must be a whole number, 0 or more" in complaint
    assert complaint.strip().endswith("nasforge: jobs of this sweep failed; see their messages above")
    summary = said[said.index(f"sweep       {sweep}: 2 finished, 2 failed") :].splitlines()
    assert [line.split(":")[0] for line in summary if line.startswith("failed")] == [
        f"failed      job {number}" for number in (1, 3)
    ]
    assert summary[-1] == f"compare     nasforge compare {sweep}"
    assert any(line.startswith("again       nasforge -m ") and f"hydra.sweep.dir={sweep}" in line for line in summary)
    assert found(sweep) == {name: one for name, one in found(undisturbed).items() if name in ("0", "2")}


def test_a_failed_job_ends_no_sweep(command, table, undisturbed, tmp_path):
    words = [word.replace("seed=1,2", "seed=1,-2") for word in words_of(table, tmp_path / "sweep")]
    check_two_of_four(*command(*words), tmp_path / "sweep", undisturbed)


def test_nor_does_it_where_several_jobs_run_at_once(table, undisturbed, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    several = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    words = [word.replace("seed=1,2", "seed=1,-2") for word in words_of(table, tmp_path / "sweep", *several)]
    ended = in_its_own_process(*words)
    check_two_of_four(ended.returncode, ended.stdout, ended.stderr, tmp_path / "sweep", undisturbed)


def test_a_job_that_failed_is_tried_again(command, table, sweep, searched):
    shutil.rmtree(sweep / "3")
    assert command(*words_of(table, sweep))[0] == 0
    assert searched == ["3"]


def test_ctrl_c_says_how_to_go_on_with_the_sweep(command, monkeypatch, table, tmp_path):
    def search(config, folder, overrides, progress):
        raise Interrupted(2)

    monkeypatch.setattr(experiment, "search", search)
    status, said, complaint = command(*words_of(table, tmp_path / "sweep"))
    assert status == 130
    assert "1 unfinished" in said
    assert "interrupted; continue with: nasforge -m strategy=random_search,regularized_evolution" in complaint
    assert f"hydra.sweep.dir={tmp_path / 'sweep'}" in complaint


def test_jobs_can_go_to_slurm(command):
    """Composed, not run: there is no SLURM here."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    words = ["hydra/launcher=submitit_slurm", "hydra.launcher.partition=gpu", "hydra.launcher.timeout_min=600"]
    status, said, complaint = command(*words, "--cfg", "hydra")
    assert status == 0, complaint
    assert "_target_: hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher" in said
    assert "partition: gpu" in said
    assert "timeout_min: 600" in said


def test_jobs_can_go_to_ray(command):
    """Composed, not run: its launcher holds cloudpickle back, so few have it."""
    pytest.importorskip("hydra_plugins.hydra_ray_launcher")
    words = ["hydra/launcher=ray", "+hydra.launcher.ray.remote.num_gpus=1", "hydra.launcher.ray.init.address=auto"]
    status, said, complaint = command(*words, "--cfg", "hydra")
    assert status == 0, complaint
    assert "_target_: hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher" in said
    assert "init:\n        address: auto\n      remote:\n        num_gpus: 1\n" in said


@pytest.mark.parametrize(("gpus", "devices"), [(2, [[0], [1], [0]]), (0, [1, 1, 1])])
def test_jobs_take_the_gpus_of_a_machine_in_turn(command, monkeypatch, gpus, devices):
    """Composed with a number of GPUs that is made up: not measured on several."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    given = []
    monkeypatch.setattr(experiment, "search", lambda config, *_, **__: given.append(config["trainer"]))
    assert command("-m", "trainer=pinned", "seed=1,2,3")[0] == 0
    assert [trainer["devices"] for trainer in given] == devices
    computing = [device_of(trainer) for trainer in given]
    assert computing == ([f"cuda:{devices[number][0]}" for number in range(3)] if gpus else ["cpu"] * 3)
    given.clear()
    assert command("trainer=pinned")[0] == 0
    assert [trainer["devices"] for trainer in given] == devices[:1]
