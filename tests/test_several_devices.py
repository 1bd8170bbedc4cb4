"""Whole searches on two CPU processes: as one would have it, in a sweep, under torchrun, with one of them killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked import Forked

from nasforge.config.configuration import compose
from nasforge.experiment import experiment

SMALL = [
    *("space=nasbench201", "strategy.epochs=2", "strategy.warmup_epochs=1", "strategy.population=2"),
    *(
        "strategy.samples=1",
        "strategy.validation_batch_size=32",
        "space.channels=4",
        "space.cells=1",
        "data.batch_size=256",
    ),
    *("retrain.epochs=1", "retrain.seeds=1", "retrain.random=0", "retrain.channels=2", "retrain.cells=1"),
    *("executor.threads=1", "trainer.accelerator=cpu", "trainer.precision=64-true"),
]
SHARED = ["trainer=ddp", "trainer.devices=2"]


def finished(process):
    said, complaint = process.communicate(timeout=300)
    assert process.returncode == 0, complaint
    assert "Traceback" not in complaint
    return said


def found(run):
    """What a search says, all but the words that made it."""
    result = json.loads((run / "result.json").read_text())
    return {key: value for key, value in result.items() if key != "next"}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process finds."""
    return found(experiment.search(compose(SMALL).config, tmp_path_factory.mktemp("alone") / "run").folder)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The folder of an undisturbed run of two processes."""
    folder = tmp_path_factory.mktemp("shared")
    finished(Forked(folder, *SMALL, *SHARED, "hydra.run.dir=run"))
    return folder / "run"


def test_two_processes_find_what_one_does(alone, shared):
    assert found(shared) == alone
    assert sorted(path.name for path in shared.parent.iterdir()) == ["run"], "only one process writes"


def test_torchrun_starts_them_as_well(alone, tmp_path):
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "nasforge"]
    command = [sys.executable, *torchrun, *SMALL, *SHARED, "hydra.run.dir=run"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    said = finished(subprocess.Popen(command, cwd=tmp_path, **pipes))
    assert said.count("report  ") == 1, "the first process alone speaks"
    assert found(tmp_path / "run") == alone


def test_each_job_of_a_sweep_runs_once(tmp_path):
    quick = ["retrain.seeds=0", "strategy.epochs=1", "strategy.warmup_epochs=0"]
    finished(Forked(tmp_path, "-m", *SMALL, *SHARED, *quick, "seed=1,2", "hydra.sweep.dir=sweep"))
    jobs = sorted((tmp_path / "sweep").glob("*/result.json"))
    assert [json.loads(job.read_text())["seed"] for job in jobs] == [1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sweep"]
    for job in jobs:
        fits = [line for line in (job.parent / "journal.jsonl").read_text().splitlines() if '"kind": "fit"' in line]
        assert len(fits) == 1


def test_a_killed_process_is_named_and_the_run_resumes_to_the_same_result(shared, tmp_path):
    words = [*SMALL, *SHARED, "strategy.epochs=2", "hydra.run.dir=run"]
    process = Forked(tmp_path, *words)
    while not list((tmp_path / "run" / "fits").glob("supernet/*.ckpt")):  # the first epoch is behind it
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.kill(other_of(process.pid), signal.SIGKILL)
    _, complaint = process.communicate(timeout=120)
    assert process.returncode == 2, complaint
    assert "process 2 of the 2 that shared fit" in complaint
    assert "ended with signal 9" in complaint
    assert "Traceback" not in complaint
    finished(Forked(tmp_path, "resume", "run"))
    assert found(tmp_path / "run") == found(shared)


def test_a_stop_signal_ends_all_of_them_in_order(tmp_path):
    process = Forked(tmp_path, *SMALL, *SHARED, "strategy.epochs=1000", "hydra.run.dir=run")
    while not list((tmp_path / "run" / "fits").glob("supernet/*.ckpt")):  # in the midst of it
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    other = other_of(process.pid)
    time.sleep(0.5)
    process.terminate()
    _, complaint = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, complaint
    assert "interrupted; continue with: nasforge resume run" in complaint
    assert "Traceback" not in complaint
    assert not Path(f"/proc/{other}").exists()


def test_a_mistake_lets_those_go_that_were_started_beside_the_first_process(tmp_path):
    """As `srun` does, which ends none because another one has ended."""
    step = {"STEP_NUM_TASKS": 2, "STEP_NUM_NODES": 1, "STEP_NODELIST": "127.0.0.1", "JOB_ID": os.getpid()}
    words = [*SMALL, *SHARED, "data=cifar10", "data.root=nowhere", "data.download=false"]
    both = []
    for rank in range(2):
        step["PROCID"] = rank
        environment = {**os.environ, **{f"SLURM_{name}": str(value) for name, value in step.items()}}
        both.append(Forked(tmp_path, *words, environment=environment))
    (_, complaint), (said, nothing) = (process.communicate(timeout=60) for process in both)
    assert [process.returncode for process in both] == [2, 0]
    assert "nowhere" in complaint
    assert (said, nothing) == ("", "")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trainer.devices=1000000"], "trainer.devices=1000000: this machine has"),
        (["trainer=ddp", "trainer.num_nodes=2"], "trainer.num_nodes=2: processes on several nodes are started by"),
    ],
)
def test_what_is_not_there_is_said_at_once(mistake, words, sentence):
    assert sentence in mistake(*SMALL, *words, "data=cifar10", "data.root=nowhere")


def other_of(pid):
    """The process that shares the fits of process `pid`."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    below = [int(part) for part in children.read_text().split()] if children.exists() else []
    return next((process for process in below if "ranks" in Path(f"/proc/{process}/cmdline").read_text()), None)
