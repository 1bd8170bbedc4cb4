"""A process that dies without a word: the next start says where, and a candidate cannot kill a run for ever."""

import json
import os
import signal
import subprocess
import sys
import warnings
from contextlib import closing
from pathlib import Path

import pytest

from nasforge.journal.deaths import RECORD, last_death
from nasforge.journal.doing import Doing
from nasforge.journal.journal import Journal

RUN = """
import os, sys, signal
from contextlib import closing, nullcontext
from pathlib import Path
from nasforge.journal.doing import Doing
from nasforge.journal.journal import Journal

folder = Path(sys.argv[1])
with closing(Journal(folder)) as journal, closing(Doing(folder, journal)) as doing:
    with doing.at("fit net, epoch 2", "in epoch 3 of 4 of fit 'net'"):
        {ends}
"""

FORKED = """
import os, sys
from pathlib import Path
from nasforge.journal.doing import Doing
from nasforge.journal.journal import Journal

folder, child = Path(sys.argv[1]), os.fork()
if child:
    os.waitpid(child, 0)
doing = Doing(folder, Journal(folder))
if not child:
    os.abort()
print(dict(doing.deaths))
"""


def died(folder, ends):
    """A process in which a run in `folder` ends in such a way; what it and its watcher said."""
    ended = subprocess.run([sys.executable, "-c", RUN.format(ends=ends), folder], capture_output=True, text=True)
    return ended.returncode, ended.stderr


def next_start(folder):
    """What the start after it says."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with closing(Journal(folder)) as journal, closing(Doing(folder, journal)) as doing:
            return [str(warning.message) for warning in said], dict(doing.deaths)


@pytest.mark.parametrize(
    ("ends", "number", "cause"),
    [
        ("os.abort()", signal.SIGABRT, "Aborted, a crash of native code; {stack} in its folder has the stack"),
        (
            "os.kill(os.getpid(), signal.SIGSEGV)",
            signal.SIGSEGV,
            "Segmentation fault, a crash of native code; {stack} in its folder has the stack",
        ),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            signal.SIGKILL,
            "killed from outside, as the system does when memory runs out",
        ),
    ],
)
def test_a_death_is_said_at_once_and_by_the_next_start(tmp_path, ends, number, cause):
    status, said = died(tmp_path, ends)
    assert status == -number
    now = cause.format(stack="fault.txt")
    again = f"nasforge resume {os.path.relpath(tmp_path)}"
    assert said == f"nasforge: this run died in epoch 3 of 4 of fit 'net' ({now}); continue with: {again}\n"
    then = cause.format(stack="fault-1.txt")
    sentence = f"the last start of this run died in epoch 3 of 4 of fit 'net' ({then}); it continues"
    assert next_start(tmp_path) == ([sentence], {"fit net, epoch 2": 1})
    if "fault" in cause:
        assert 'File "<string>", line 11 in <module>' in (tmp_path / "fault-1.txt").read_text()
    assert next_start(tmp_path) == ([], {"fit net, epoch 2": 1})  # which ended in order


@pytest.mark.parametrize(
    "ends",
    [
        "pass",
        "sys.exit(3)",
        "raise ValueError",
        "signal.raise_signal(signal.SIGINT)",
        "journal.write('clock', '', seconds=1); os.fork() or sys.exit()",
    ],
)
def test_an_end_in_order_is_no_death(tmp_path, ends):
    _, said = died(tmp_path, ends)
    assert "died" not in said
    assert not {RECORD, "fault.txt"} & {path.name for path in tmp_path.iterdir()}
    assert next_start(tmp_path) == ([], {})


def test_a_run_that_nobody_closed_has_ended_in_order_too(tmp_path):
    open_ended = RUN.replace("closing(Doing(folder, journal))", "nullcontext(Doing(folder, journal))").format(
        ends="pass"
    )
    ended = subprocess.run([sys.executable, "-c", open_ended, tmp_path], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert next_start(tmp_path) == ([], {})


@pytest.mark.parametrize(
    ("ends", "advice"),
    [
        (
            "os.abort()",
            "`nasforge doctor` tests its kernels; try another torch, or a new run with other executor.threads",
        ),
        ("os.kill(os.getpid(), signal.SIGKILL)", "if memory ran out, start a new run with a smaller data.batch_size"),
    ],
)
def test_what_has_died_twice_at_one_place_says_what_to_try(tmp_path, ends, advice):
    died(tmp_path, ends)
    died(tmp_path, ends)
    (said,), deaths = next_start(tmp_path)
    assert said.startswith("this run has died 2 times in epoch 3 of 4 of fit 'net' (")
    assert advice in said
    assert deaths == {"fit net, epoch 2": 2}


def test_a_candidate_that_has_killed_its_run_twice_is_said_to_be_kept_apart(tmp_path):
    for _ in range(2):
        died(tmp_path, "doing.note('candidate 5', 'at candidate x'); os.abort()")
    (said,), deaths = next_start(tmp_path)
    assert said.startswith(
        "this run has died 2 times at candidate x (Aborted, a crash of native code; fault-2.txt in its"
    )
    assert said.endswith(
        "it now runs in a separate process, and fails if it kills that; executor.workers=2 does so for all"
    )
    assert deaths == {"candidate 5": 2}


def test_a_death_between_fits_is_said_and_blamed_on_nothing(tmp_path):
    for _ in range(2):
        died(tmp_path, "doing.note('', 'in \\'control\\''); os.abort()")
    (said,), deaths = next_start(tmp_path)
    assert said.startswith("the last start of this run died in 'control' (")
    assert deaths == {"": 2}


@pytest.mark.parametrize("left", [b"", b"\0" * 100, b'{"a": 1}', b'["a", "b"]\n', b"[" * 5000])
def test_a_record_that_a_power_cut_damaged_is_a_death_at_an_unknown_place(tmp_path, left):
    (tmp_path / RECORD).write_bytes(left)
    assert last_death(tmp_path) == ("", "at a place that is not recorded", "")


def test_a_second_run_in_one_process_is_no_death_of_the_first(tmp_path):
    with closing(Journal(tmp_path)) as journal:
        first = Doing(tmp_path, journal)
        assert next_start_of(tmp_path, journal) == []
        first.close()


def test_a_death_of_one_fork_is_seen_by_the_next(tmp_path):
    """As from a server of processes, which all begin as the same one."""
    ended = subprocess.run([sys.executable, "-c", FORKED, tmp_path], capture_output=True, text=True)
    assert ended.stdout == "{'': 1}\n"


def next_start_of(folder, journal):
    with warnings.catch_warnings(record=True) as said, closing(Doing(folder, journal)):
        return said


def test_notes_outlive_shorter_ones_and_a_closed_run_writes_none(tmp_path):
    with closing(Journal(tmp_path)) as journal:
        doing = Doing(tmp_path, journal)
        doing.note("long", "x" * 5000)
        doing.note("short", "brief")
        assert json.loads((tmp_path / RECORD).read_text().splitlines()[0])[1:] == ["short", "brief"]
        doing.close()
        doing.note("late", "too late")
        assert not Path(tmp_path / RECORD).exists()
