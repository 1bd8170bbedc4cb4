"""Candidates in several processes, local ones and Ray's: the same answers as in one, whoever dies."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, Future
from contextlib import closing, contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from scripted import IMAGES, Scripted, Together, Unreadable, work

from nasforge import Context, OptionError, RunError
from nasforge.execution import ray_address
from nasforge.execution.dispatch import WorkerLost, dispatched
from nasforge.execution.executor import Answer, LocalExecutor
from nasforge.execution.local_workers import LocalWorkers, _device, _Worker
from nasforge.execution.options import available_threads, executor_options
from nasforge.execution.remote_work import HELD, Bundles, Task
from nasforge.journal.journal import Journal
from nasforge.run.estimates import Estimates
from nasforge.run.progress import Progress

ray_tasks = pytest.importorskip("nasforge.execution.ray_tasks")
ray = pytest.importorskip("ray", reason="RAY NOT CHECKED: pip install 'nasforge[ray]'")


@pytest.fixture(scope="module")
def local():
    executor = LocalWorkers(1, 2)
    yield executor
    executor.close()


@pytest.fixture(scope="module")
def on_ray():
    executor = ray_tasks.RayTasks(1, address=None, cpus=0.5, gpus=0, in_flight=2)
    executor.connect()
    yield executor
    executor.close()


@pytest.fixture(params=["local", "on_ray"])
def executor(request):
    return request.getfixturevalue(request.param)


def told(executor, folder, *behaviours, estimator=Scripted):
    """Status, reason and metrics of each, in order."""
    answers = dict(executor.run(estimator(folder), work(*behaviours)))
    return [(answers[i].status, answers[i].reason, dict(answers[i].metrics)) for i in range(len(behaviours))]


def processes(folder, behaviour):
    return [int(line) for line in (folder / f"{behaviour}.visits").read_text().split()]


@pytest.mark.parametrize("estimator", [Scripted, Together])
def test_answers_are_those_of_one_process(executor, tmp_path, estimator):
    behaviours = [f"plain {number}" for number in range(5)] + ["raises"]
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    if estimator is Together:
        behaviours.pop()
    assert told(executor, there, *behaviours, estimator=estimator) == told(
        LocalExecutor(1), here, *behaviours, estimator=estimator
    )
    assert os.getpid() not in processes(there, "plain 0")


def test_trained_tensors_come_back(executor, tmp_path):
    answers = dict(executor.run(Scripted(tmp_path), work("a", "b", "c")))
    assert [answers[place].tensors["seed"].item() for place in range(3)] == [0, 1, 2]


def test_a_candidate_whose_worker_died_is_tried_again(executor, tmp_path):
    found = told(executor, tmp_path, "a", "kills once", "b", "c")
    assert [status for status, *_ in found] == ["ok"] * 4
    assert len(set(processes(tmp_path, "kills once"))) == 2


def test_a_candidate_that_kills_its_worker_twice_has_failed(executor, tmp_path):
    (_, _, first), (status, reason, _), (_, _, last) = told(executor, tmp_path, "a", "always kills", "b")
    assert (status, first == {}, last == {}) == ("failed", False, False)
    assert reason.startswith("it killed its worker 2 times")
    assert len(processes(tmp_path, "always kills")) == 2


def test_a_candidate_that_has_failed_so_is_tried_again_on_resume(local, tmp_path):
    """The system may have killed its workers for the memory that others took."""
    (architecture, context), *_ = work("kills twice")
    statuses = []
    for _ in range(3):
        with closing(Journal(tmp_path)) as journal:
            estimates = Estimates(tmp_path, journal, [Scripted(tmp_path)], local, Progress())
            statuses += [evaluation.status for evaluation in estimates.of([architecture], context)]
    assert statuses == ["failed", "ok", "ok"]
    assert len(processes(tmp_path, "kills twice")) == 3


def test_of_candidates_together_only_the_one_that_kills_fails(local, tmp_path):
    found = told(local, tmp_path, "a", "always kills", "b", "c", estimator=Together)
    assert [status for status, *_ in found] == ["ok", "failed", "ok", "ok"]


def test_a_worker_killed_from_outside_is_replaced(executor, tmp_path):
    def kill():
        while not (tmp_path / "slow.visits").exists() or not processes(tmp_path, "slow"):
            time.sleep(0.02)
        os.kill(processes(tmp_path, "slow")[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    assert [status for status, *_ in told(executor, tmp_path, "a", "slow", "b")] == ["ok"] * 3
    killer.join()


@contextmanager
def starts_killed(executor, most):
    """Inside, up to so many of its worker's processes are killed, each before it can have imported anything."""
    seen, ended = set(), threading.Event()

    def kill():
        while len(seen) < most and not ended.wait(0.005):
            for pid in {pid for worker in executor._pool for pid in worker._pool._processes or {}} - seen:
                os.kill(pid, signal.SIGKILL)
                seen.add(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    yield seen
    ended.set()
    killer.join()


def test_a_worker_killed_while_it_starts_is_started_again_and_so_is_its_successor(tmp_path):
    with closing(LocalWorkers(1, 1)) as executor, starts_killed(executor, 2) as killed:
        assert told(executor, tmp_path, "a", "b")[0][0] == "ok"
    assert len(killed) == 2
    assert len(processes(tmp_path, "a")) == 1


def test_workers_that_are_always_killed_while_they_start_end_the_search(tmp_path):
    with (
        closing(LocalWorkers(1, 1)) as executor,
        starts_killed(executor, 1000),
        pytest.raises(RunError, match="killed 5 times in a row while they started, as the system does when memory"),
    ):
        told(executor, tmp_path, "a")


def test_a_worker_that_ends_by_itself_while_it_starts_says_what_scripts_must_do(tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text("raise SystemExit(7)")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(script), raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    with (
        closing(LocalWorkers(1, 1)) as executor,
        pytest.raises(RunError, match=r"ended with status 7 while it started; .* inside `if __name__ == '__main__':`"),
    ):
        told(executor, tmp_path, "a")


def test_workers_are_kept_between_calls(local, tmp_path):
    for name in "abc":
        told(local, tmp_path, name)
    assert len({processes(tmp_path, name)[0] for name in "abc"}) <= 2


def test_closing_ends_a_worker_amid_a_candidate(tmp_path):
    executor = LocalWorkers(1, 1)
    answers = executor.run(Scripted(tmp_path), work("slow"))
    threading.Thread(target=lambda: next(answers, None), daemon=True).start()
    while not (tmp_path / "slow.visits").exists() or not processes(tmp_path, "slow"):
        time.sleep(0.05)
    executor.close()
    (pid,) = processes(tmp_path, "slow")[:1]
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_workers_start_in_a_process_of_joblib(tmp_path, monkeypatch):
    """Its start method is one that no child of Python's own finds."""
    loky = type("Loky", (multiprocessing.context.SpawnContext,), {"_name": "loky"})
    monkeypatch.setitem(multiprocessing.context._concrete_contexts, "loky", loky())
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("loky", force=True)
    executor = LocalWorkers(1, 1)
    try:
        assert told(executor, tmp_path, "a")[0][0] == "ok"
    finally:
        multiprocessing.set_start_method(before, force=True)
        executor.close()


def test_a_candidate_whose_turn_never_came_is_cancelled(tmp_path, caplog):
    """As when a stop signal comes while workers start: nobody is left waiting, and nothing is logged."""
    (item,), worker = work("a"), _Worker(0)
    for _ in range(3):  # one that runs, two that its pool has handed over
        worker._pool.submit(time.sleep, 1)
    waited = worker.submit(Bundles().of(Scripted(tmp_path), item[1]), Task.of([item], "cpu"), finished=lambda: None)
    worker._pool.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(CancelledError):
        waited.result(timeout=60)
    assert not caplog.records


def test_what_cannot_be_pickled_is_named(tmp_path):
    estimator = Scripted(tmp_path)
    estimator.hook = lambda: None
    with pytest.raises(OptionError, match=r"estimator 'scripted' on space .* cannot be sent to other processes"):
        list(LocalWorkers(1, 2).run(estimator, [(work("a")[0][0], Context(Named(), IMAGES, "cpu", 1, 0))]))


def test_what_cannot_be_unpickled_is_named(executor, tmp_path):
    with pytest.raises(RunError, match=r"cannot unpickle .* \(ValueError: weights of another version\): every machine"):
        told(executor, tmp_path, "a", estimator=Unreadable)


def test_a_worker_that_has_let_go_of_an_estimator_is_sent_it_again(local, tmp_path):
    """One candidate at a time has the same worker."""
    folders = [tmp_path / str(number) for number in range(HELD + 1)]
    estimators = []
    for folder in folders:
        folder.mkdir()
        estimators.append(Scripted(folder))
    for visit in (0, 1):  # the first one twice, so that it is not the one used longest ago
        for at in [0, *range(1, HELD), 0, HELD]:
            answers = dict(local.run(estimators[at], work(f"{visit}{at}")))
            assert answers[0].status == "ok"
    assert (
        len({pid for folder in folders for visits in folder.glob("*.visits") for pid in visits.read_text().split()})
        == 1
    )


class Named:
    name = "toy"


def test_workers_take_gpus_in_turn(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [_device("cuda:0", number) for number in range(4)] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert _device("cpu", 1) == "cpu"


# The loop itself


def answered(value):
    future = Future()
    future.set_exception(value) if isinstance(value, Exception) else future.set_result(value)
    return future


def test_no_more_are_out_than_may_be():
    out, most = [], 0

    def submit(unit):
        nonlocal most
        out.append((unit, Future()))
        most = max(most, len(out))
        if len(out) == 3 or unit == (9,):
            for places, future in out:
                future.set_result([Answer({"value": float(place)}, "ok", "", 0.0) for place in places])
            out.clear()
        return answered([Answer({"value": float(unit[0])}, "ok", "", 0.0)]) if not out else out[-1][1]

    found = dict(dispatched([(place,) for place in range(10)], submit, in_flight=3))
    assert {place: answer.metrics["value"] for place, answer in found.items()} == {n: float(n) for n in range(10)}
    assert most == 3


def test_a_lost_machine_is_not_the_candidates_fault():
    calls = []

    def submit(unit):
        calls.append(unit)
        lost = WorkerLost("node 3 went away", blameless=True)
        return answered(lost if len(calls) < 5 else [Answer({}, "ok", "", 0.0)])

    ((_, answer),) = dispatched([(0,)], submit, in_flight=1)
    assert (answer.status, len(calls)) == ("ok", 5)
    ((_, answer),) = dispatched([(0,)], lambda unit: answered(WorkerLost("gone", blameless=True)), in_flight=1)
    assert (answer.status, answer.machine) == ("failed", True)


# What is said before a run


def options(**given):
    local = {"name": "local", "workers": 1, "threads": None}
    cluster = {"name": "ray", "address": None, "threads": None, "cpus": None, "gpus": 0, "in_flight": 1000}
    return executor_options({**(cluster if given.get("name") == "ray" else local), **given})


def test_threads_are_shared_out_among_workers():
    assert options().default_threads(small=False) == available_threads()
    assert options(workers=available_threads()).default_threads(small=False) == 1
    assert options(workers=1).default_threads(small=True) == 1


@pytest.mark.parametrize(
    ("given", "device", "sentence"),
    [
        ({"name": "rai"}, "cpu", "no executor named 'rai'. Did you mean 'ray'"),
        ({"workers": 0}, "cpu", "executor.workers=0"),
        ({"name": "ray", "cpus": 10**6}, "cpu", r"executor.cpus=1e\+06: .* has \d+ CPUs"),
        ({"name": "ray", "gpus": 0.5}, "cpu", "executor.gpus=0.5: .* has 0 GPUs"),
        ({"name": "ray"}, "cuda:0", "executor.gpus=0, but this run computes on cuda:0"),
        ({"name": "ray", "address": "somewhere"}, "cpu", "executor.address=somewhere: it must be HOST:PORT"),
    ],
)
def test_what_cannot_be_is_said_at_once(given, device, sentence):
    with pytest.raises(Exception, match=sentence):
        options(**given).check(device)


def test_an_address_that_nobody_answers_at_is_named():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(OptionError, match=f"executor.address={address}: nothing answers there"):
        ray_address.probe(address)


def test_an_address_at_which_something_else_listens_is_named(monkeypatch):
    monkeypatch.setattr(ray_address, "SECONDS_FOR_STATUS", 3.0)
    with socket.create_server(("", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(
            OptionError, match=f"executor.address={address}: something listens there, but .* within 3 seconds"
        ):
            ray_address.probe(address)


def test_what_a_cluster_answers_to_those_it_refuses_is_passed_on(monkeypatch):
    answer = subprocess.CalledProcessError(1, "ray status", stderr="Traceback:\n  ...\nRayError: another version\n")
    monkeypatch.setattr(subprocess, "run", Mock(side_effect=answer))
    with pytest.raises(OptionError, match=r"^executor\.address=head:6379: RayError: another version$"):
        ray_address._probe_head("head:6379")


def test_a_missing_ray_is_said_with_the_line_to_type(mistake, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    assert "pip install 'nasforge[ray]'" in mistake("executor=ray", "data=cifar10", "data.root=nowhere")
