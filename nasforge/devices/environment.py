"""The environment of a run: versions, machine, commit."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Collection, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

_PACKAGES = (
    "nasforge",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "hydra-core",
    "omegaconf",
    "nevergrad",
    "pymoo",
    "numpy",
)


ABSENT = "not installed"


def environment(device: str, threads: int, guests: Collection[str] = ()) -> dict[str, str | int]:
    """Return versions, device, threads and, in a checkout of nasforge, the commit.

    Args:
        guests: names of other packages whose plug-ins take part.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else device,
        "threads": threads,
        "commit": _commit(),
        **{package: _version(package) for package in (*_PACKAGES, *guests)},
    }


def no_longer_installed(recorded: Mapping[str, str | int]) -> list[str]:
    """Return the packages of guests in a recorded environment that are not installed now, with their versions."""
    guests = [name for name in recorded if name not in environment("cpu", 1)]
    return [f"{name} {recorded[name]}" for name in guests if _version(name) == ABSENT]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ABSENT


def _commit() -> str:
    """Return the commit, marked as dirty if files differ from it; empty outside a checkout of nasforge."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
