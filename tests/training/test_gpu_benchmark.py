"""The benchmark of a GPU, on a CPU: every row runs, with tapes in place of graphs, and every command is a valid one."""

import sys
import time
from pathlib import Path

import pytest
import torch
from tape import Tape

from nasforge.config.configuration import compose
from nasforge.training import captured_steps
from nasforge_plugins.data.cifar import CIFAR10

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import gpu
import gpu_commands
import gpu_steps

KERNELS = [row for row in gpu.ROWS if "other kernels" in row.name]


@pytest.mark.parametrize("taped", [True, False])
def test_every_row_is_measured_and_every_version_in_it(taped, monkeypatch):
    """Other kernels are compared without graphs: their steps are those of other rows, and a tape is slow."""
    if taped:
        for module in (gpu_steps, captured_steps):
            monkeypatch.setattr(module, "graphs_on", lambda device: Tape)
    rows = [row for row in gpu.ROWS if (row in KERNELS) is not taped]
    monkeypatch.setattr(gpu, "ROWS", rows)
    known, failures = gpu.measured(gpu_steps.SMALL, torch.device("cpu"), time.monotonic() + 600)
    assert failures == []
    assert {name: tuple(timings) for name, timings in known.items()} == {row.name: row.versions for row in rows}
    assert all(timing.seconds > 0 for timings in known.values() for timing in timings.values())


def test_a_step_that_cannot_be_captured_costs_no_other_version_and_is_named(monkeypatch):
    class Refusing(Tape):
        def capture(self, call):
            raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(gpu_steps, "graphs_on", lambda device: Refusing)
    monkeypatch.setattr(gpu, "ROWS", [row for row in gpu.ROWS if row.name.startswith("retraining")])
    known, (*failures, last) = gpu.measured(gpu_steps.SMALL, torch.device("cpu"), time.monotonic() + 600)
    (timings,) = known.values()
    assert tuple(timings) == tuple(version for version in gpu.ROWS[0].versions if not version.startswith("graph"))
    assert len(failures) == 2
    assert last == (
        f"{gpu.ROWS[0].name}: a step goes on without a CUDA graph: "
        "RuntimeError: operation not permitted when stream is capturing"
    )


def test_without_time_nothing_is_measured_and_each_row_says_so():
    known, failures = gpu.measured(gpu_steps.SMALL, torch.device("cpu"), time.monotonic() - 1)
    assert not known
    assert failures == [f"{row.name}: the time was used up" for row in gpu.ROWS]
    versions = [
        f"| {row.name} | {version} | not measured | not measured |" for row in gpu.ROWS for version in row.versions
    ]
    for line, beginning in zip(gpu.rows_table(known)[2:], versions, strict=True):
        assert line.startswith(beginning)


@pytest.mark.parametrize("name", gpu_commands.COMMANDS)
def test_commands_set_options_that_exist(name):
    command = gpu_commands.COMMANDS[name]
    words = [word for word in command.words[1:] if not word.startswith("architecture=")]
    config = compose([*words, *command.small, f"{command.option}={command.epochs}"]).config
    section, option = command.option.split(".")
    assert config[section][option] == command.epochs
    assert config["data"]["name"] == "cifar10"


def test_noise_has_the_form_of_cifar10(tmp_path):
    data = CIFAR10(root=gpu_commands.images(tmp_path / "data", 40), download=False)
    images, labels = data.train[torch.arange(10)]
    assert images.shape == (10, 3, 32, 32)
    assert labels.tolist() == list(range(10))


def test_a_whole_is_extrapolated_from_its_first_two_epochs():
    lines = gpu_commands.extrapolations({"EG-NAS on CIFAR-10": [60.0, 72.0]})
    assert "| EG-NAS on CIFAR-10 | 50 | 10.8 | ≤ 10 |" in lines
    assert "| PC-DARTS on CIFAR-10 | 50 | not measured |  |" in lines
