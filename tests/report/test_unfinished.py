"""The report of a run that goes on: what is there so far, again and again, until the run ends."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nasforge.architecture import Objective
from nasforge.experiment import following
from nasforge.experiment.following import report_so_far
from nasforge.journal.deaths import RECORD
from nasforge.report.unfinished import CandidatesSoFar
from nasforge.result import Candidate
from nasforge.run.beginning import read_config
from nasforge.run.goals import Goals
from nasforge.stopping import Interrupted

LEFT_AT_THE_END = (
    "result.json",
    "report.html",
    "architecture.json",
    "evaluations.json",
    "timing.json",
    "mistakes.json",
)


HOLD = """
import fcntl, sys
lock = open(sys.argv[1], "a")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def worker(going_on):
    """A process that holds the lock of the run, as the one that works on it does."""
    command = [sys.executable, "-c", HOLD, str(going_on / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"locked\n"
        yield process
        process.kill()


@pytest.fixture
def going_on(tmp_path, trained_run):
    """A copy of the run as it was after its second candidate, with the note of the process that worked on it."""
    folder = Path(shutil.copytree(trained_run, tmp_path / "run"))
    for name in LEFT_AT_THE_END:
        (folder / name).unlink()
    shutil.rmtree(folder / "fits")
    lines = (folder / "journal.jsonl").read_text().splitlines(keepends=True)
    second = [number for number, line in enumerate(lines) if json.loads(line)["kind"] == "estimate"][1]
    (folder / "journal.jsonl").write_text("".join(lines[: second + 1]))
    (folder / RECORD).write_text(json.dumps(["another process", "candidate", "at candidate 3"]))
    return folder


def test_it_shows_what_is_there_so_far_and_that_the_run_goes_on(command, going_on, worker):
    status, printed, _ = command("report", str(going_on))
    assert (status, printed.strip()) == (0, str(going_on / "report.html"))
    page = (going_on / "report.html").read_text()
    assert "This run goes on: it is at candidate 3." in page
    assert "2 candidates" in page
    assert "Best so far" in page
    assert re.search(r"<h1>[^<]+ [\d.e+-]+, the best so far</h1>", page)
    assert page.count("<code>") == 2
    assert "refresh" not in page


def test_after_a_kill_it_says_where_the_run_was_and_how_to_continue(command, going_on, worker):
    worker.kill()
    worker.wait()
    assert command("report", str(going_on))[0] == 0
    page = (going_on / "report.html").read_text()
    assert f"This run was killed at candidate 3; `nasforge resume {going_on}` continues it." in page


def test_following_a_killed_run_ends(command, going_on, monkeypatch):
    monkeypatch.setattr(following, "PATIENCE", 0.1)
    status, printed, complaint = command("report", "--follow", str(going_on))
    assert (status, printed.strip()) == (0, str(going_on / "report.html"))
    assert f"this run was killed at candidate 3; `nasforge resume {going_on}` continues it" in complaint
    assert "This run was killed at candidate 3" in (going_on / "report.html").read_text()


def test_a_candidate_that_succeeds_when_it_is_tried_again_has_not_failed():
    candidates = CandidatesSoFar(Goals(followed=(Objective("accuracy", "max"),)))
    line = {"key": "a", "architecture": {"notation": "cell"}, "reason": "", "status": "ok"}
    candidates.add(line | {"status": "failed", "reason": "out of memory", "metrics": {}})
    candidates.add(line | {"metrics": {"accuracy": 0.5}})
    assert candidates.complete() == [Candidate(notation="cell", metrics={"accuracy": 0.5}, status="ok")]


def test_a_journal_that_was_replaced_is_shown_without_what_it_held_before(going_on):
    config = read_config(going_on)
    report = report_so_far(going_on, config, followed=True)
    assert "2 candidates" in report.write().read_text()
    journal = going_on / "journal.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:-1]))
    assert "1 candidate<" in report.write().read_text()


def test_without_a_process_it_says_how_to_continue(command, going_on):
    (going_on / RECORD).unlink()
    assert command("report", str(going_on))[0] == 0
    page = (going_on / "report.html").read_text()
    assert f"This run was stopped before its end; `nasforge resume {going_on}` continues it." in page


def test_following_writes_each_change_and_ends_with_the_final_report(
    command, going_on, worker, trained_run, monkeypatch
):
    seen = []

    def sleep(seconds):
        seen.append((going_on / "report.html").read_text())
        if len(seen) == 1:
            lines = (trained_run / "journal.jsonl").read_text().splitlines(keepends=True)
            third = [line for line in lines if json.loads(line)["kind"] == "estimate"][2]
            with (going_on / "journal.jsonl").open("a") as journal:
                journal.write(third)
        else:
            shutil.copytree(trained_run, going_on, dirs_exist_ok=True)
            (going_on / RECORD).unlink()

    monkeypatch.setattr(following.time, "sleep", sleep)
    assert command("report", "--follow", str(going_on))[0] == 0
    assert ["2 candidates" in seen[0], "3 candidates" in seen[1]] == [True, True]
    assert all('<meta http-equiv="refresh"' in page for page in seen)
    final = (going_on / "report.html").read_text()
    assert "refresh" not in final
    assert "test accuracy" in final
    assert not list(going_on.glob(".report*"))


def test_following_a_run_that_has_ended_writes_its_report_once(command, trained_run, tmp_path):
    folder = Path(shutil.copytree(trained_run, tmp_path / "ended"))
    before = (folder / "report.html").read_bytes()
    assert command("report", str(folder), "--follow")[0] == 0
    assert (folder / "report.html").read_bytes().count(b"test accuracy") == before.count(b"test accuracy")


def test_ctrl_c_says_how_to_follow_on(command, going_on, monkeypatch):
    def stop(seconds):
        raise Interrupted(2)

    monkeypatch.setattr(following.time, "sleep", stop)
    status, _, complaint = command("report", str(going_on), "--follow")
    assert status == 130
    assert complaint == f"nasforge: interrupted; continue with: nasforge report {going_on} --follow\n"


def test_nothing_to_follow_is_one_sentence(mistake):
    assert "there is no folder" in mistake("report", "nowhere", "--follow")
