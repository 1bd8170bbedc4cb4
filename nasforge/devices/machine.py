"""Describe this machine: processors, memory, disk, GPUs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

GIB = 2**30
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Files that hold the memory limit of a container."""


def device_of(trainer: Mapping[str, Any]) -> str:
    """Return the torch device that the section `trainer` selects."""
    accelerator = trainer.get("accelerator", "auto")
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        devices = trainer.get("devices")
        return f"cuda:{devices[0] if isinstance(devices, list) and devices else 0}"
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def processors() -> str:
    """Describe how many processors the machine has, and how many of them this process may use."""
    count = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else count
    return f"{count}" if usable == count else f"{usable} of {count} may be used here"


def memory() -> str:
    """Describe the memory of the machine, or of its container if that is less, and how much is free."""
    total = memory_of("cpu")
    return "unknown" if total is None else f"{total / GIB:.1f} GiB{_free()}"


def memory_of(device: str) -> int | None:
    """Return the bytes of memory of a torch device: a GPU's, or the machine's (its container's if that is less)."""
    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows
        return None
    for limit in _LIMITS:
        with suppress(OSError, ValueError):
            total = min(total, int(Path(limit).read_text()))
    return total


def _free() -> str:
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        (kilobytes,) = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
        return f", {int(kilobytes) * 1024 / GIB:.1f} free on the machine"
    return ""


def disk() -> str:
    """Describe the free disk space in the current folder."""
    return f"{shutil.disk_usage(Path.cwd()).free / GIB:.0f} GiB free in {Path.cwd()}"


def accelerators() -> list[tuple[str, str]]:
    """Return (torch's name, description) for each accelerator; if there is none, one entry that says why."""
    if torch.cuda.is_available():
        gpus = [(f"cuda:{index}", torch.cuda.get_device_properties(index)) for index in range(_count())]
        return [(name, f"{gpu.name}, {gpu.total_memory / GIB:.0f} GiB") for name, gpu in gpus]
    if torch.backends.mps.is_available():
        return [("mps", "Apple GPU: trainer.accelerator=mps")]
    return [("GPU", f"none: {_why_none()}")]


def _count() -> int:
    return torch.cuda.device_count()


def _why_none() -> str:
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides them all"
    if torch.version.cuda is None and torch.version.hip is None:
        return "this torch is built for CPUs only; https://pytorch.org/get-started has others"
    return f"this torch needs CUDA {torch.version.cuda}, but no driver answers; check `nvidia-smi`"
