"""The seconds of whole commands, as users run them, and what they say about whole searches."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CPU_SIZES = ("space.channels=8", "data.batch_size=8", "trainer.accelerator=cpu")


@dataclass(frozen=True)
class Command:
    """A command whose epochs are set to one, then to two.

    Attributes:
        words: of nasforge.
        option: the number of epochs.
        epochs: how many the whole search or training has.
        goal: for the whole, in minutes.
        small: words for a small size on a CPU.
    """

    words: tuple[str, ...]
    option: str
    epochs: int
    goal: str
    small: tuple[str, ...]


ALL_EPOCHS_ALIKE = ("strategy.warmup_epochs=0", "retrain.seeds=0", "retrain.random=0")
EGNAS_SMALL = (*CPU_SIZES, "strategy.samples=1", "strategy.population=4")
COMMANDS = {
    "EG-NAS on NAS-Bench-201": Command(
        ("search", "+experiment=egnas_nasbench201", *ALL_EPOCHS_ALIKE),
        "strategy.epochs",
        50,
        "≤ 3",
        (*EGNAS_SMALL, "space.cells=1"),
    ),
    "EG-NAS on CIFAR-10": Command(
        ("search", "+experiment=egnas_cifar10", *ALL_EPOCHS_ALIKE),
        "strategy.epochs",
        50,
        "≤ 10",
        (*EGNAS_SMALL, "space.cells=3"),
    ),
    "retraining of DARTS_V2": Command(
        ("retrain", "architecture=DARTS_V2", "+experiment=retrain_cifar10"),
        "retrain.epochs",
        600,
        "",
        ("retrain.channels=4", "retrain.cells=3", "retrain.batch_size=8", "trainer.accelerator=cpu"),
    ),
    "PC-DARTS on CIFAR-10": Command(
        ("search", "+experiment=pc_darts_cifar10", *ALL_EPOCHS_ALIKE),
        "strategy.epochs",
        50,
        "",
        (*CPU_SIZES, "space.cells=3"),
    ),
}


def measured(folder: Path, small: bool, deadline: float) -> tuple[dict[str, list[float]], list[str]]:
    """Seconds of each command with one and with two epochs, and what went wrong.

    Args:
        folder: for runs and images.
        deadline: of the monotonic clock, for all commands.
    """
    data = images(folder / "data", 64 if small else 50_000)
    seconds: dict[str, list[float]] = {}
    failures = []
    for name, command in COMMANDS.items():
        words = [*command.words, *(command.small if small else ()), f"data.root={data}", "data.download=false"]
        try:
            seconds[name] = [took(folder, [*words, f"{command.option}={epochs}"], deadline) for epochs in (1, 2)]
        except subprocess.TimeoutExpired:
            failures.append(f"{name}: the time was used up")
        except subprocess.CalledProcessError as error:
            failures.append(f"{name}: {(error.stderr or '').strip().splitlines()[-1:]}")
    return seconds, failures


def took(folder: Path, words: Sequence[str], deadline: float) -> float:
    """The seconds from a command's start to its end.

    Raises:
        subprocess.CalledProcessError, subprocess.TimeoutExpired: it failed, or did not end in time.
    """
    start = time.monotonic()
    command = [sys.executable, "-m", "nasforge", *words]
    subprocess.run(command, cwd=folder, timeout=max(deadline - start, 0.0), check=True, capture_output=True, text=True)
    return time.monotonic() - start


def images(folder: Path, count: int) -> Path:
    """The folder with CIFAR-10 in `NASFORGE_DATA`; without it, one with as much noise, in which no step is faster."""
    root = Path(os.environ.get("NASFORGE_DATA", "data")).absolute()
    if count == 50_000 and ((root / "cifar10.npz").exists() or (root / "cifar-10-batches-py").exists()):
        return root
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    arrays = {}
    for part, size in (("train", count), ("test", max(20, count // 5))):
        arrays[f"{part}_images"] = rng.integers(0, 256, (size, 32, 32, 3), dtype=np.uint8)
        arrays[f"{part}_labels"] = np.arange(size) % 10
    np.savez(folder / "cifar10.npz", classes=np.array([f"class {index}" for index in range(10)]), **arrays)
    return folder


def commands_table(seconds: Mapping[str, Sequence[float]]) -> list[str]:
    lines = ["| command | one epoch, s | two epochs, s |", "| --- | ---: | ---: |"]
    for name, command in COMMANDS.items():
        cells = [f"{value:.1f}" for value in seconds.get(name, ())] or ["not measured"] * 2
        lines.append(f"| `nasforge {' '.join(command.words)}` | {' | '.join(cells)} |")
    return lines


def extrapolations(seconds: Mapping[str, Sequence[float]]) -> list[str]:
    lines = ["| whole | epochs | minutes, extrapolated | goal |", "| --- | ---: | ---: | --- |"]
    for name, command in COMMANDS.items():
        cell = "not measured"
        if name in seconds:
            one, two = seconds[name]
            whole = (one + (command.epochs - 1) * (two - one)) / 60
            cell = f"{whole:.1f}" if two > one else "none: two epochs took no longer than one"
        lines.append(f"| {name} | {command.epochs} | {cell} | {command.goal} |")
    return lines
