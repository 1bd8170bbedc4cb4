"""Measure how long forward passes take on this machine, in rounds over all networks, so that drift favors none."""

from __future__ import annotations

import platform
import re
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field

from nasforge.architecture import Architecture
from nasforge.devices.threads import torch_threads
from nasforge.errors import OptionError
from nasforge.latency.runtimes import RUNTIMES, ForwardPass
from nasforge.randomness import generator_of, isolated, rng_of
from nasforge.space import Network, SearchSpace
from nasforge.wording import counted

UNTIMED, TIMED = 1, 3
"""Forward passes at each visit of a network: the first warm the caches up, the median of the others counts."""
Length = Annotated[int, Field(ge=1, le=100_000)]


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Under which conditions latencies are measured, and of which architectures.

    Attributes:
        device: a torch device, such as cpu, cuda or cuda:1.
        runtime: what computes a forward pass, `torch` or `onnxruntime`; the latter on a CPU.
        clock: `wall` measures how long a forward pass takes. `processor` measures how long a CPU works on it, and so
            leaves out the time that other programs have it; only for one thread.
        threads: number of CPU threads of a forward pass.
        batch_size: number of images of a forward pass.
        input_shape: (channels, height, width) of the images.
        classes: number of logits.
        samples: number of architectures.
        rounds: how often each is measured; two halves of the rounds tell how noisy the device is.
        seed: of the architectures and of their order in each round.
    """

    device: str = "cpu"
    runtime: Literal["torch", "onnxruntime"] = "torch"
    clock: Literal["wall", "processor"] = "wall"
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    batch_size: Length = 1
    input_shape: tuple[Length, Length, Length] = (3, 32, 32)
    classes: Annotated[int, Field(ge=2, le=1_000_000)] = 10
    samples: Annotated[int, Field(ge=5, le=10_000)] = 20
    rounds: Annotated[int, Field(ge=4, le=10_000)] = 20
    seed: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"cpu|cuda(:\d+)?", self.device):
            raise OptionError(f"device={self.device}: it must be cpu, cuda or, for the second GPU, cuda:1")
        if self.runtime != "torch" and self.device != "cpu":
            raise OptionError(f"runtime={self.runtime} measures on the CPU: it needs device=cpu")
        if self.clock == "processor" and (self.device, self.threads) != ("cpu", 1):
            raise OptionError("clock=processor counts the work of one CPU thread: it needs device=cpu and threads=1")

    def __str__(self) -> str:
        of_cpu = f", {counted(self.threads, 'thread')}" if self.device == "cpu" else ""
        clock = ", processor time" if self.clock == "processor" else ""
        runtime = f", {RUNTIMES[self.runtime].title}" if self.runtime != "torch" else ""
        return f"{self.device}{of_cpu}{clock}{runtime}, {counted(self.batch_size, 'image')}"


def networks_of(space: SearchSpace, architectures: Iterable[Architecture], conditions: Conditions) -> list[Network]:
    """Build the networks, at the space's size for evaluation, on the device that they are measured on."""
    networks = []
    for architecture in architectures:
        with isolated(conditions.seed):
            network = space.build(architecture, conditions.input_shape, conditions.classes)
        networks.append(network.eval().to(conditions.device))
    return networks


def measured_rounds(
    networks: Sequence[Network], conditions: Conditions, numbers: Iterable[int]
) -> Iterator[list[float]]:
    """Yield the milliseconds of one forward pass of each network, in the order of `networks`, once for each round.

    Each round visits all networks, in an order that is a function of the seed and the round's number.
    """
    shape = (conditions.batch_size, *conditions.input_shape)
    images = torch.rand(shape, generator=generator_of(conditions.seed, "latency images")).to(conditions.device)
    prepare, clock = RUNTIMES[conditions.runtime].prepare, CLOCKS[conditions.clock]
    passes = [prepare(network, images, conditions.threads) for network in networks]
    measure = partial(_on_gpu, images.device) if images.is_cuda else partial(_on_cpu, clock)
    with torch_threads(conditions.threads), torch.inference_mode():
        for compute in passes:
            compute()
        for number in numbers:
            times = [0.0] * len(passes)
            for index in rng_of(conditions.seed, "latency order", number).permutation(len(passes)).tolist():
                times[index] = _visit(passes[index], measure)
            yield times


CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}


def _visit(compute: ForwardPass, measure: Callable[[ForwardPass], float]) -> float:
    for _ in range(UNTIMED):
        compute()
    return statistics.median(measure(compute) for _ in range(TIMED))


def _on_cpu(clock: Callable[[], float], compute: ForwardPass) -> float:
    start = clock()
    compute()
    return 1000 * (clock() - start)


def _on_gpu(device: torch.device, compute: ForwardPass) -> float:
    """From the launch of the first kernel to the end of the last, by the GPU's own clock."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize(device)
    start.record()
    compute()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


def check_device(device: str) -> None:
    """Raise an `OptionError` if this machine lacks the device."""
    count = torch.cuda.device_count()
    number = int(device.partition(":")[2] or 0)
    if device != "cpu" and number >= count:
        gpus = counted(count, "GPU") if count else "no GPU"
        raise OptionError(f"device={device}: torch can use {gpus} of this machine")


def device_name(device: str) -> str:
    """Return what the maker calls the device: the GPU's or the processor's name."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    with suppress(OSError):  # other systems than Linux
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
