"""Searches whose candidates are estimated in several processes: the result of one, and no process left behind."""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from forked import Forked

from nasforge.config.configuration import compose
from nasforge.experiment import experiment

SMALL = [
    *(
        "strategy=random_search",
        "space=nasbench201",
        "estimator=training",
        "budget.evaluations=6",
        "executor.threads=1",
    ),
    *(
        "estimator.training.epochs=1",
        "estimator.training.channels=2",
        "estimator.training.cells=1",
        "estimator.training.held_out=0.8",
    ),
    *("trainer.accelerator=cpu", "data.batch_size=64", "retrain.seeds=0"),
]
EXECUTORS = {"local": ["executor.workers=2"], "ray": ["executor=ray", "executor.cpus=1"]}


def finished(process):
    said, complaint = process.communicate(timeout=300)
    assert process.returncode == 0, complaint
    assert "Traceback" not in complaint
    return said


def found(run):
    """What a search says, all but the words that made it; and what its journal holds of each candidate but seconds."""
    result = json.loads((run / "result.json").read_text())
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    estimates = {line["key"]: (line["metrics"], line["status"]) for line in lines if line["kind"] == "estimate"}
    assert len(estimates) == sum(line["kind"] == "estimate" for line in lines), "each candidate once"
    return {key: value for key, value in result.items() if key != "next"}, estimates


def children(pid):
    """All processes below `pid`, whichever thread began them, its children's children included."""
    below = []
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it may end meanwhile
            for child in (thread / "children").read_text().split():
                below += [int(child), *children(int(child))]
    return below


def alive(pid):
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def command_of(pid):
    command = Path(f"/proc/{pid}/cmdline")
    return command.read_text().replace("\0", " ") if command.exists() else ""


def two_at_work(pids):
    """Whether two have a candidate: a local worker is started when there is one for it, Ray's say what they do."""
    return sum("ray::_estimate" in (command := command_of(pid)) or "spawn_main" in command for pid in pids) > 1


def all_end(pids):
    """Ray's agents, which have no candidate, take a minute to see that their raylet is gone: not waited for."""
    deadline = time.monotonic() + 30
    while left := [command for pid in pids if alive(pid) and "Agent" not in (command := command_of(pid))]:
        assert time.monotonic() < deadline, f"outlived their driver: {left}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process finds."""
    return found(experiment.search(compose(SMALL).config, tmp_path_factory.mktemp("alone") / "run").folder)


@pytest.mark.parametrize("kind", EXECUTORS)
def test_the_driver_killed_amid_its_workers_and_resumed_finds_what_one_process_does(alone, kind, tmp_path):
    if kind == "ray":
        pytest.importorskip("ray", reason="RAY NOT CHECKED: pip install 'nasforge[ray]'")
    process = Forked(tmp_path, *SMALL, "hydra.run.dir=run", *EXECUTORS[kind])
    journal = tmp_path / "run" / "journal.jsonl"
    workers = []
    while not two_at_work(workers) or not journal.exists() or '"estimate"' not in journal.read_text():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
        workers = children(process.pid)
    process.kill()
    process.communicate()
    finished(Forked(tmp_path, "resume", "run"))
    assert found(tmp_path / "run") == alone
    all_end(workers)


@pytest.mark.parametrize(
    ("kind", "number"), [("local", signal.SIGTERM), ("local", signal.SIGINT), ("ray", signal.SIGTERM)]
)
def test_a_stop_signal_ends_the_workers(tmp_path, kind, number):
    """SLURM's goes to the run's process; a terminal's Ctrl-C goes to its workers as well, even those that begin."""
    if kind == "ray":
        pytest.importorskip("ray", reason="RAY NOT CHECKED: pip install 'nasforge[ray]'")
    process = Forked(
        tmp_path,
        *SMALL,
        "hydra.run.dir=run",
        *EXECUTORS[kind],
        "estimator.training.epochs=1000",
        new_session=True,
    )
    while not two_at_work(workers := children(process.pid)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 128 + number, complaint
    assert "interrupted; continue with: nasforge resume run" in complaint
    assert "Traceback" not in complaint
    all_end(workers)
