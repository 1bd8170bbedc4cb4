"""How long a GPU takes, how many kernels it runs, and how often the CPU waits for it."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from nasforge.devices.graphs import WARM_UP

LONGEST = 20.0
Run = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """One call.

    Attributes:
        seconds: the median.
        kernels, busy: how many kernels ran, and the sum of their seconds; on a CPU, those of the innermost operators.
        waits: operators that made the CPU wait for the GPU; None where they were not counted.
    """

    seconds: float
    kernels: int | None = None
    busy: float | None = None
    waits: int | None = None


def timings(
    runs: Mapping[str, Run | None], device: torch.device, repeats: int, *, warm_up: int = WARM_UP
) -> dict[str, Timing]:
    """Measure each of `runs`, one after the other in each repeat, for about `LONGEST` seconds; None is left out."""
    known = {name: run for name, run in runs.items() if run is not None}
    for run in known.values():
        for _ in range(warm_up):  # the first calls choose kernels
            run()
    deadline = time.perf_counter() + LONGEST
    seconds: dict[str, list[float]] = {name: [] for name in known}
    for repeat in range(repeats):
        if repeat and time.perf_counter() > deadline:
            break
        for name, run in known.items():
            seconds[name].append(seconds_of(run, device))
    return {
        name: Timing(statistics.median(seconds[name]), *kernels(run, device), waits(run, device))
        for name, run in known.items()
    }


def seconds_of(run: Run, device: torch.device) -> float:
    """The seconds of one call, to the end of its work on the device."""
    finish(device)
    start = time.perf_counter()
    run()
    finish(device)
    return time.perf_counter() - start


def finish(device: torch.device) -> None:
    """Wait until the device has nothing left to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def kernels(run: Run, device: torch.device) -> tuple[int, float]:
    """How many kernels one call runs, and the sum of their seconds."""
    on_gpu = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as profiler:
        run()
        finish(device)
    kind = DeviceType.CUDA if on_gpu else DeviceType.CPU
    microseconds = [
        event.time_range.elapsed_us()
        for event in profiler.events() or ()
        if event.device_type == kind and not event.cpu_children and not _is_no_kernel(event)
    ]
    return len(microseconds), sum(microseconds) / 1e6


def _is_no_kernel(event: Any) -> bool:
    """Whether the event is a copy, or a range that covers kernels."""
    ranges = ("Memcpy", "Memset", "Optimizer.", "ProfilerStep")
    return getattr(event, "is_user_annotation", False) or event.name.startswith(ranges)


def waits(run: Run, device: torch.device) -> int | None:
    """How many operators of one call make the CPU wait for the GPU; None on a CPU."""
    if device.type != "cuda":
        return None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            run()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("called a synchronizing" in str(warning.message) for warning in caught)
