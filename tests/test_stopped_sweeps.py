"""Sweeps whose jobs run in processes of their own: what happens to these when the sweep is stopped."""

import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nasforge.command.messages import explained
from nasforge.command.sweep_summary import Record, Sweep, summed_up
from nasforge.errors import RunError
from nasforge.stopping import Interrupted

PATIENCE = 120
"""Seconds, many times what is needed."""


def waited_for(what, process=None):
    """What `what()` answers, once that is true."""
    end = time.monotonic() + PATIENCE
    while not (answer := what()):
        assert time.monotonic() < end
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.05)
    return answer


def lives(number):
    """Whether a process runs, and is not only remembered."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_no_job_outlives_its_sweep(tmp_path):
    """Two jobs under way in processes of their own, neither near its end; the sweep's process dies without a word."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    if not Path("/proc/self/task").exists():
        pytest.skip("needs /proc to find the jobs' processes")
    words = ["strategy=random_search", "estimator=training", "space=nasbench201", "seed=1,2", "budget.evaluations=9999"]
    words += ["estimator.training.channels=1", "estimator.training.cells=1", "hydra.sweep.dir=sweep"]
    words += ["executor.threads=1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    command = [sys.executable, "-m", "nasforge", "-m", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    journals = [tmp_path / f"sweep/{number}/journal.jsonl" for number in range(2)]
    with subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **pipes) as process:
        try:
            waited_for(lambda: all(path.exists() and path.stat().st_size for path in journals), process)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            jobs = [child for child in children if b"LokyProcess" in Path(f"/proc/{child}/cmdline").read_bytes()]
            assert len(jobs) == 2
            process.kill()
            waited_for(lambda: not any(map(lives, jobs)))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def begun(sweep):
    """A sweep with a job that has ended and one that has not."""
    Sweep().on_multirun_start(OmegaConf.create({"hydra": {"sweep": {"dir": str(sweep)}}}))
    Record(0, "seed=1", "sweep/0", "finished").write(sweep)
    Record(1, "seed=2", "sweep/1", "running").write(sweep)


def check_summary(said):
    assert "1 finished, 1 unfinished" in said
    assert "unfinished  job 1: seed=2" in said


def test_a_sweep_told_to_end_while_its_launcher_waits_ends_in_order(tmp_path, capsys):
    def told():
        with summed_up(["-m", "seed=1,2"]):
            begun(tmp_path)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(PATIENCE)

    with pytest.raises(Interrupted) as stopped:
        told()
    status, sentence = explained(stopped.value)
    assert status == 128 + signal.SIGTERM
    assert sentence == f"interrupted; continue with: nasforge -m seed=1,2 hydra.sweep.dir={tmp_path}"
    check_summary(capsys.readouterr().out)


def test_a_job_that_died_is_named(tmp_path, capsys):
    def died():
        with summed_up(["-m", "seed=1,2"]):
            begun(tmp_path)
            raise OSError("a worker\nwas killed")  # a launcher whose pool of processes tells it so

    with pytest.raises(RunError, match="job 1 of this sweep died: OSError: a worker was killed"):
        died()
    check_summary(capsys.readouterr().out)


def test_an_interruption_comes_back_from_another_process():
    one = Interrupted(signal.SIGTERM)
    one.folder = Path("run")
    other = pickle.loads(pickle.dumps(one))
    assert (other.number, other.folder, other.again) == (signal.SIGTERM, Path("run"), None)
