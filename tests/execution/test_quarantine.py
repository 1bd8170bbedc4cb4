"""A candidate at which a run has died twice is estimated in a process of its own, and cannot kill the run for ever."""

import json
import os
import signal
from contextlib import closing
from pathlib import Path

import pytest
import torch

from nasforge import Architecture, Context, Estimate, Estimator, Objective
from nasforge.execution.executor import LocalExecutor
from nasforge.execution.quarantine import Quarantine, _place
from nasforge.journal.deaths import RECORD
from nasforge.journal.doing import Doing
from nasforge.journal.journal import Journal


class Deadly(Estimator):
    """Notes in which process it was, and what the run's folder says at that moment."""

    name = "deadly"
    objectives = (Objective("value", "max"),)

    def __init__(self, folder):
        self.folder = Path(folder)

    def estimate(self, architecture, context):
        name = architecture["name"]
        with (self.folder / f"{name}.visits").open("a") as file:
            file.write(f"{os.getpid()} {(self.folder / RECORD).read_text().splitlines()[0]}\n")
        if name == "kills":
            os.kill(os.getpid(), signal.SIGKILL)
        return Estimate({"value": torch.rand(()).item()})


class Many(Deadly):
    needs_data = True

    def estimate_many(self, architectures, context):
        return [self.estimate(architecture, context) for architecture in architectures]


class Toy:
    name, fingerprint = "toy", "images"


def work(*names):
    return [
        (Architecture.of("toy", {"name": one}, one), Context(Toy(), Toy(), "cpu", 1, seed))
        for seed, one in enumerate(names)
    ]


def visits(folder, name):
    """(process, place, what) of each time it was estimated."""
    lines = (folder / f"{name}.visits").read_text().splitlines()
    return [(int(line.split(" ", 1)[0]), *json.loads(line.split(" ", 1)[1])[1:]) for line in lines]


@pytest.fixture
def quarantine(tmp_path):
    """An executor of a run that has died at some places."""
    opened = []

    def executor(*places):
        with closing(Journal(tmp_path)) as journal:
            for place in places:
                journal.write("death", place, what="", how="")
            doing = Doing(tmp_path, journal)
            opened.extend([doing, Quarantine(LocalExecutor(1), doing)])
        return opened[-1]

    yield executor
    for closable in opened:
        closable.close()


def test_a_candidate_is_noted_before_it_is_estimated(tmp_path, quarantine):
    executor, items = quarantine("candidate 1"), work("a", "b")  # one death is nobody's fault yet
    assert [answer.status for _, answer in executor.run(Deadly(tmp_path), items)] == ["ok", "ok"]
    assert visits(tmp_path, "a") == [(os.getpid(), "candidate 0", "at candidate a (estimator 'deadly')")]
    assert visits(tmp_path, "b") == [(os.getpid(), "candidate 1", "at candidate b (estimator 'deadly')")]
    assert json.loads((tmp_path / RECORD).read_text().splitlines()[0])[1] == ""


def test_what_has_killed_the_run_twice_goes_to_another_process_with_the_same_answer(tmp_path, quarantine):
    items, estimator = work("a", "suspect"), Deadly(tmp_path)
    expected = dict(quarantine().run(estimator, items))
    answers = dict(quarantine("candidate 1", "candidate 1").run(estimator, items))
    assert [answers[place].metrics for place in (0, 1)] == [expected[place].metrics for place in (0, 1)]
    process, place, _ = visits(tmp_path, "suspect")[-1]
    assert process != os.getpid()
    assert place == ""  # if this process is killed meanwhile, the candidate did not do it
    assert visits(tmp_path, "a")[-1][:2] == (os.getpid(), "candidate 0")


def test_several_that_killed_it_together_are_parted_there(tmp_path, quarantine):
    items = work("a", "kills", "b")
    executor = quarantine(_place(items), _place(items))
    answers = dict(executor.run(Many(tmp_path), items))
    assert [answers[place].status for place in range(3)] == ["ok", "failed", "ok"]
    assert answers[1].machine
    assert answers[1].reason.startswith("it killed its worker 2 times: its process ended by SIGKILL")
    assert os.getpid() not in {process for process, *_ in visits(tmp_path, "kills")}


def test_several_together_are_noted_as_such(tmp_path, quarantine):
    items = work("a", "b")
    list(quarantine().run(Many(tmp_path), items))
    assert visits(tmp_path, "b")[0][1:] == (_place(items), "at 2 candidates (estimator 'deadly')")


def test_what_cannot_be_sent_elsewhere_has_failed(tmp_path, quarantine):
    estimator = Deadly(tmp_path)
    estimator.hook = lambda: None
    ((_, answer),) = quarantine("candidate 0", "candidate 0").run(estimator, work("kills"))
    assert (answer.status, answer.machine) == ("failed", True)
    assert answer.reason.startswith(
        "it killed this run 2 times, and it cannot run in a separate process: estimator 'deadly' on"
    )
    assert not (tmp_path / "kills.visits").exists()
