"""Fits repeat and resume to the bit, replays draw nothing, loops end with their budget."""

import json
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nasforge import (
    AskTellStrategy,
    Estimate,
    Estimator,
    ImageSet,
    Objective,
    OptionError,
    Preprocessing,
    RunError,
    SearchData,
)
from nasforge.architecture import Architecture
from nasforge.journal.deaths import RECORD
from nasforge.journal.journal import Journal
from nasforge.run.resources import Budget, Machinery
from nasforge.run.run import Run
from nasforge.space import Network
from nasforge.training.network_module import NetworkModule


class Small(Network):
    """Dropout, BatchNorm and a linear layer: what makes a resume hard."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Flatten(),
            nn.Linear(4 * 64, 3),
        )

    def forward(self, images):
        return self.layers(images)


class Killed(BaseException):
    pass


class Recorded(NetworkModule):
    """Dies in the step it is told to."""

    def __init__(self, die_at=None):
        super().__init__(
            Small(), learning_rate=0.1, momentum=0.9, weight_decay=3e-4, clip=5.0, drop_path=0.2, auxiliary_weight=0.4
        )
        self.die_at, self.steps = die_at, 0

    def training_step(self, batch, batch_index):
        self.steps += 1
        if self.steps == self.die_at:
            raise Killed
        return super().training_step(batch, batch_index)


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (60, 1, 8, 8), dtype=torch.uint8, generator=generator)
    train = ImageSet.of(images, torch.arange(60) % 3)
    return SearchData(train, ("a", "b", "c"), Preprocessing((0.5,), (0.3,), 1, True, 2), 8, 0)


class Constant(Estimator):
    name = "constant"
    objectives = (Objective("value", "max"), Objective("test_value", "max", report_only=True))

    def estimate(self, architecture, context):
        if architecture["x"] < 0:
            raise ValueError("below zero")
        return Estimate({"value": float(architecture["x"]), "test_value": 0.0})


def opened(folder, data, budget=None, seed=3, **more):
    return Run(
        folder,
        Journal(folder),
        space=None,
        data=data,
        estimators=[Constant()],
        seed=seed,
        budget=budget or Budget(),
        machinery=Machinery(trainer={"accelerator": "cpu", "devices": 1}, threads=1),
        **more,
    )


def fitted(folder, data, *, die_at=None, epochs=3, budget=None):
    run = opened(folder, data, budget)
    module = Recorded(die_at)
    try:
        run.fit(module, "net", epochs, data.halves())
    finally:
        run.journal.close()
    return module


def same(one, other):
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


class Watching(Recorded):
    """Reads what the run's folder says it is at."""

    def __init__(self, folder):
        super().__init__()
        self.says, self.seen = folder / RECORD, []

    def training_step(self, batch, batch_index):
        self.seen.append(json.loads(self.says.read_text().splitlines()[0])[1:])
        return super().training_step(batch, batch_index)


def test_a_run_says_which_epoch_it_is_at_as_long_as_it_lives(tmp_path, data):
    module = Watching(tmp_path)
    with closing(opened(tmp_path, data)) as run:
        run.fit(module, "net", 2, data.halves())
        assert "between" in module.says.read_text().splitlines()[0]
    first = ["fit net, epoch 0", "in epoch 1 of 2 of fit 'net'"]
    assert module.seen == 4 * [first] + 4 * [["fit net, epoch 1", "in epoch 2 of 2 of fit 'net'"]]
    assert not module.says.exists()


DIES_AFTER_A_FIT = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_run as tests

run = tests.opened(Path(sys.argv[2]), tests.data.__wrapped__())
run.fit(tests.Recorded(), "net", 1, run.data.halves())
with run.timed("what comes after"):
    os.abort()
"""


def test_a_native_fault_leaves_its_stack_even_after_a_fit(tmp_path):
    """Lightning gives all signals their default actions when a fit has ended."""
    command = [sys.executable, "-c", DIES_AFTER_A_FIT, Path(__file__).parent, tmp_path]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGABRT
    assert "this run died in 'what comes after' (Aborted, a crash of native code" in ended.stderr
    assert (tmp_path / "fault.txt").read_text().startswith("Fatal Python error: Aborted\n")


def test_a_fit_repeats_to_the_bit(tmp_path, data):
    one, other = fitted(tmp_path / "a", data), fitted(tmp_path / "b", data)
    assert same(one, other)
    assert one.history == other.history
    assert len(one.history["train_loss"]) == 3
    assert one.steps == 3 * 4  # 30 images in batches of 8, the last of 6


@pytest.mark.parametrize("die_at", [1, 4, 5, 7, 9, 12])
def test_a_fit_killed_anywhere_resumes_to_the_bit(tmp_path, data, die_at):
    with pytest.raises(Killed):
        fitted(tmp_path / "a", data, die_at=die_at)
    resumed = fitted(tmp_path / "a", data)
    assert same(resumed, fitted(tmp_path / "b", data))
    assert resumed.history == fitted(tmp_path / "b", data).history
    committed = (die_at - 1) // 4
    assert resumed.steps == 12 - 4 * committed  # no committed epoch is run again


def test_a_finished_fit_replays_without_a_step_and_leaves_the_generators_alike(tmp_path, data):
    states = []
    for _ in range(2):
        run = opened(tmp_path, data)
        module = run.fit(Recorded(), "net", 2, data.halves())
        states.append((module, torch.get_rng_state(), np.random.get_state()[1], run.rng.random()))
        run.journal.close()
    (first, *before), (second, *after) = states
    assert second.steps == 0
    assert same(first, second)
    assert first.history == second.history
    assert torch.equal(before[0], after[0])
    assert np.array_equal(before[1], after[1])
    assert before[2] == after[2]


def test_a_replayed_fit_shows_its_history_again(tmp_path, data):
    fitted(tmp_path, data)
    path = tmp_path / "fits" / "net" / "history.json"
    shown = path.read_bytes()
    path.write_text("[")
    fitted(tmp_path, data)
    assert path.read_bytes() == shown


def test_altered_weights_are_named(tmp_path, data):
    fitted(tmp_path, data)
    path = tmp_path / "fits" / "net" / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"net/weights\.safetensors was altered: line \d+ of .* refers to it"):
        fitted(tmp_path, data)


def checkpoint_of(folder):
    (path,) = (folder / "fits" / "net").glob("*.ckpt")
    return path


@pytest.mark.parametrize("harm", ["cut", "empty", "one bit", "well formed"])
def test_an_altered_checkpoint_is_refused_and_can_be_done_without(tmp_path, data, harm):
    with pytest.raises(Killed):
        fitted(tmp_path / "a", data, die_at=9)
    path = checkpoint_of(tmp_path / "a")
    content = path.read_bytes()
    if harm == "well formed":
        state = torch.load(path, weights_only=True)
        next(iter(state["state_dict"].values())).add_(1.0)
        torch.save(state, path)
    else:
        other = {
            "cut": content[:-100],
            "empty": b"",
            "one bit": content[:-300] + bytes([content[-300] ^ 1]) + content[-299:],
        }
        path.write_bytes(other[harm])
    with pytest.raises(
        RunError, match=r"ckpt was altered: .* Restore it from a copy, or delete it: the fit then starts again"
    ):
        fitted(tmp_path / "a", data)
    path.unlink()
    assert same(fitted(tmp_path / "a", data), fitted(tmp_path / "b", data))


@pytest.mark.parametrize("which", [1, 2])
def test_a_fit_killed_between_the_line_of_a_checkpoint_and_its_file_resumes(tmp_path, data, monkeypatch, which):
    replace, seen = Path.replace, []

    def deadly(path, target):
        seen.extend([path] if Path(target).suffix == ".ckpt" else [])
        if len(seen) == which:
            raise Killed
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", deadly)
        with pytest.raises(Killed):
            fitted(tmp_path / "a", data)
    assert len((tmp_path / "a/journal.jsonl").read_text().split('"checkpoint"')) == which + 1
    resumed = fitted(tmp_path / "a", data)
    assert resumed.steps == 12 - 4 * (which - 1)
    assert same(resumed, fitted(tmp_path / "b", data))


def test_a_fit_whose_folder_is_taken_away_leaves_none_behind(tmp_path, data):
    class Robbed(Recorded):
        def on_train_epoch_end(self):
            super().on_train_epoch_end()
            shutil.rmtree(tmp_path / "a")

    run = opened(tmp_path / "a", data)
    with pytest.raises(RunError, match="was removed or renamed during the run"):
        run.fit(Robbed(), "net", 2, data.halves())
    run.journal.close()
    assert not (tmp_path / "a").exists()


def test_a_fit_stops_at_the_end_of_an_epoch_when_time_is_up_and_goes_on_with_more(tmp_path, data):
    stopped = fitted(tmp_path / "a", data, budget=Budget(seconds=1e-6))
    assert stopped.steps == 4
    assert fitted(tmp_path / "a", data, budget=Budget(seconds=1e-6)).steps == 0
    extended = fitted(tmp_path / "a", data, budget=Budget(seconds=1e6))
    assert same(extended, fitted(tmp_path / "b", data))


class Counting(AskTellStrategy):
    """Proposes 0, 1, 2, ... three at a time."""

    name = "counting"

    def begin(self):
        self.next, self.told = 0, []

    def ask(self):
        self.next += 3
        return [Architecture.of("line", {"x": x}) for x in range(self.next - 3, self.next)]

    def tell(self, evaluations):
        self.told.append([evaluation.metrics["value"] for evaluation in evaluations])


@pytest.mark.parametrize("ending", ["killed after an epoch", "stopped in order"])
def test_time_is_written_down_however_a_fit_ends(tmp_path, data, ending):
    run = opened(tmp_path, data)
    run._clock._start -= 100.0  # as if it had begun so long ago
    with pytest.raises(Killed):
        run.fit(Recorded(die_at=6 if ending == "killed after an epoch" else 2), "net", 3, data.halves())
    if ending == "stopped in order":
        run.close()
    run.journal.close()
    assert opened(tmp_path, data).seconds > 100.0


def test_ask_and_tell_use_up_the_budget_exactly_and_the_best_wins(tmp_path, data):
    run = opened(tmp_path, data, Budget(evaluations=7))
    strategy = Counting()
    result = strategy.search(run)
    assert strategy.told == [[0, 1, 2], [3, 4, 5], [6]]
    assert result.architecture["x"] == 6
    assert run.stopped == ""  # to use its budget up is what such a search is for
    run.journal.close()

    extended = opened(tmp_path, data, Budget(evaluations=9))
    assert Counting().search(extended).architecture["x"] == 8
    assert len(extended.journal.of_kind("estimate")) == 9


def test_strategies_see_no_report_only_metric(tmp_path, data):
    ledger = []
    run = opened(tmp_path, data, Budget(evaluations=7), ledger=ledger)
    assert [objective.metric for objective in run.objectives] == ["value"]
    result = Counting().search(run)
    seen = [*run.evaluations, *run.score([result.architecture], Constant()), *run.estimate([result.architecture])]
    assert {name for evaluation in seen for name in evaluation.metrics} == {"value"}
    assert set(result.metrics) == {"value"}
    assert all({"value", "test_value"} == set(evaluation.metrics) for evaluation in ledger)  # people see it


def test_a_loop_without_end_is_refused(tmp_path, data):
    with pytest.raises(OptionError, match=r"set budget\.evaluations or budget\.seconds"):
        Counting().search(opened(tmp_path, data))


def test_a_search_whose_candidates_all_fail_says_why(tmp_path, data):
    run = opened(tmp_path, data)
    run.estimate([Architecture.of("line", {"x": -1})])
    with pytest.raises(RunError, match="no candidate could be evaluated: ValueError: below zero"):
        run.result()


def test_artifacts_are_kept_with_their_captions(tmp_path, data):
    run = opened(tmp_path, data)
    run.keep("front.svg", "<svg/>", "the front")
    run.keep("more/table.csv", b"a,b\n")
    assert (tmp_path / "artifacts" / "front.svg").read_text() == "<svg/>"
    assert '"the front"' in (tmp_path / "artifacts.json").read_text()
    for outside in ("../result.json", "/tmp/elsewhere.svg"):
        with pytest.raises(RunError, match="that is not inside"):
            run.keep(outside, "")
