"""Helpers of several studies: CIFAR-10 as a plain file, and searches that run once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nasforge.config.configuration import compose
from nasforge.experiment import experiment

SHARED = Path(os.environ.get("NASFORGE_SHARED") or Path(__file__).resolve().parents[2] / "shared")


def cifar10_root(folder: Path) -> Path:
    """The folder with `cifar10.npz`: the user's `NASFORGE_DATA`, or `folder`, into which it is unpacked."""
    root = Path(os.environ.get("NASFORGE_DATA", folder))
    if (root / "cifar10.npz").exists():
        return root
    if not (folder / "cifar10.npz").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, str(SHARED / "tools" / "unpack_data.py"), str(folder), "cifar10"], check=True)
    return folder


def test_accuracies() -> dict[str, float]:
    """By the notation of each cell of NAS-Bench-201: CIFAR-10 test accuracy (%) after 200 epochs, mean of its runs."""
    with np.load(SHARED / "data" / "nasbench201.npz") as table:
        return dict(zip(table["arch_str"].tolist(), map(float, table["cifar10_test_acc_200ep_mean"]), strict=True))


def searched(folder: Path, command: Sequence[str]) -> dict[str, Any]:
    """Return the result of a run; resume an interrupted run, and read a finished one."""
    if not (folder / "result.json").exists():
        if (folder / "journal.jsonl").exists():
            experiment.resume(folder, [])
        else:
            experiment.search(compose(command).config, folder, command)
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result
