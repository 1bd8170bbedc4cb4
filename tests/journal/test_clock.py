"""One clock over all starts of a run: the total is what was spent, and so is the sum of its parts."""

import json
import time

import pytest

from nasforge.config.configuration import compose
from nasforge.experiment import experiment
from nasforge.journal.clock import Clock


@pytest.fixture
def ticking(monkeypatch):
    """A clock that a test moves."""
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def passes(seconds):
        now[0] += seconds

    return passes


def test_parts_and_total_of_all_starts(ticking):
    lines, clock = [], Clock([])
    with clock.counting("fit net"):
        ticking(239.0)
        lines.append({"kind": "clock", **clock.line()})
        ticking(1.0)
    lines.append({"kind": "clock", **clock.line()})
    ticking(5.0)
    lines += [{"kind": "fit", "seconds": 9e9}, {"kind": "generation", "seconds": round(clock.seconds, 3)}]
    again = Clock(lines)
    with again.counting("fit net"):
        ticking(0.5)
    assert (again.seconds, again.parts) == (245.5, {"fit net": 240.5})


def test_what_is_counted_inside_another_part_is_counted_once(ticking):
    clock = Clock([])
    with clock.counting("phase"):
        ticking(1.0)
        with clock.counting("fit"):
            ticking(10.0)
        ticking(2.0)
    ticking(4.0)
    assert (clock.seconds, clock.parts) == (17.0, {"phase": 3.0, "fit": 10.0})


def test_a_replayed_search_shows_one_clock(tmp_path, few_images, monkeypatch, capsys):
    words = ["strategy=darts", "space=nasbench201", "space.channels=2", "data=arrays", f"data.path={few_images}"]
    words += ["data.batch_size=16", "strategy.epochs=2", "retrain.seeds=0", "executor.threads=1"]
    found = experiment.search(compose(words).config, tmp_path / "run", words).folder
    first = json.loads((found / "timing.json").read_text())
    (found / "result.json").unlink()
    capsys.readouterr()
    experiment.resume(found)
    second = json.loads((found / "timing.json").read_text())
    assert second["total"] >= first["total"] > 0
    assert second["seconds"]["fit supernet"] >= first["seconds"]["fit supernet"] - 0.01
    assert sum(second["seconds"].values()) <= second["total"] + 0.01
    assert f"seed 0, {second['total']:.0f} s" in " ".join(capsys.readouterr().out.split())
    assert f"finished · {second['total']:.0f} s</div>" in (found / "report.html").read_text()
