"""A hundred thousand candidates on a simulated cluster: what the driver needs for each, and whether that grows.

    python benchmarks/simulated_cluster.py [--candidates 100000] [--in-flight 1000]

The cluster is simulated: a candidate is an asynchronous task that sleeps, a thousand and more at once, in an event loop
beside the driver. The driver is the real one: the loop that Ray's and local workers' candidates go through, alone, and
with a run's estimates and journal behind it. Memory (resident, after garbage collection) and time are read at ten
points; the slope over the second half says what each further candidate costs. Writes
`benchmarks/results/simulated_cluster.md`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from nasforge import Architecture, Context, Estimate, Estimator, Objective
from nasforge.data import NoData
from nasforge.execution.dispatch import Unit, dispatched
from nasforge.execution.executor import Answer, Executor, Work
from nasforge.journal.journal import Journal
from nasforge.run.estimates import Estimates
from nasforge.run.progress import Progress
from reporting import parser, write

POINTS = 10
SLEEP = (0.05, 0.5)
"""Seconds a candidate sleeps, uniformly drawn."""


class Sleeping(Estimator):
    """Never asked: the cluster answers in its place."""

    name = "sleeping"
    needs_data = False
    objectives = (Objective("value", "max"),)

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        raise NotImplementedError


class Readings:
    """(candidates, resident bytes, seconds) at regular points."""

    def __init__(self, count: int) -> None:
        self._every, self._count = count // POINTS, 0
        self._rows: list[tuple[int, int, float]] = []
        self._start = time.perf_counter()

    def step(self) -> None:
        """One candidate has come back."""
        self._count += 1
        if self._count % self._every == 0:
            seconds = time.perf_counter() - self._start
            gc.collect()
            self._rows.append((self._count, resident(), seconds))
            self._start = time.perf_counter() - seconds  # what reading takes is not the driver's

    def slopes(self) -> tuple[float, float, float]:
        """Bytes a candidate over the second half, and microseconds a candidate in either half."""
        candidates, memory, seconds = np.array(self._rows).T
        half = len(candidates) // 2
        growth = np.polyfit(candidates[half:], memory[half:], 1)[0]
        early, late = (np.polyfit(candidates[part], seconds[part], 1)[0] for part in (slice(half), slice(half, None)))
        return float(growth), float(early) * 1e6, float(late) * 1e6


class SimulatedCluster(Executor):
    """An event loop in a thread, in which candidates sleep."""

    def __init__(self, in_flight: int, readings: Readings) -> None:
        self.threads, self.in_flight, self.readings = 1, in_flight, readings
        self.now, self.most = 0, 0
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._rng = np.random.default_rng(0)

    async def _candidate(self, places: Unit, seconds: float) -> list[Answer]:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(seconds)
        self.now -= 1
        return [Answer({"value": float(place)}, "ok", "", seconds) for place in places]

    def _submit(self, places: Unit) -> Future[list[Answer]]:
        return asyncio.run_coroutine_threadsafe(self._candidate(places, self._rng.uniform(*SLEEP)), self._loop)

    def run(self, estimator: Estimator, work: Work) -> Iterator[tuple[int, Answer]]:
        """As every parallel executor does it."""
        for place, answer in dispatched([(place,) for place in range(len(work))], self._submit, self.in_flight):
            self.readings.step()
            yield place, answer


def candidates(start: int, stop: int) -> list[Architecture]:
    """Values of their own; nothing is ever built from them."""
    return [Architecture.of("none", {"number": number}, f"candidate {number}") for number in range(start, stop)]


def loop_alone(cluster: SimulatedCluster, count: int) -> None:
    nothing: Any = None
    for place, answer in cluster.run(Sleeping(), [nothing] * count):
        assert answer.metrics["value"] == place


def with_journal(cluster: SimulatedCluster, count: int) -> None:
    """Generations of a tenth, as a strategy asks for them."""
    with tempfile.TemporaryDirectory() as folder, closing(Journal(Path(folder))) as journal:
        estimates = Estimates(Path(folder), journal, [Sleeping()], cluster, Progress())
        nothing: Any = None
        context = Context(nothing, NoData(), "cpu", 1, 0)  # type: ignore[arg-type]
        for start in range(0, count, count // POINTS):
            assert all(
                evaluation.ok for evaluation in estimates.of(candidates(start, start + count // POINTS), context)
            )


def resident() -> int:
    """Of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    options = parser(__doc__, candidates=100_000, in_flight=2_000).parse_args()
    rows = []
    for name, drive in (("the loop alone", loop_alone), ("with estimates and journal", with_journal)):
        cluster = SimulatedCluster(options.in_flight, Readings(options.candidates))
        drive(cluster, options.candidates)
        growth, early, late = cluster.readings.slopes()
        rows.append(f"| {name} | {cluster.most:,} | {growth:.0f} | {early:.0f} | {late:.0f} | {late / early:.2f} |")
    about = (
        f"{options.candidates:,} candidates, asynchronous tasks that sleep {SLEEP[0]} to {SLEEP[1]} seconds, through "
        f"the driver's own loop. Resident memory and time at {POINTS} points; slopes by least squares."
    )
    lines = [
        "| driver | in flight, at most | bytes a further candidate | us a candidate, at first | later | ratio |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *rows,
        "",
        "The loop keeps nothing of a candidate that has come back. A run keeps its journal in memory, since a strategy "
        "may ask for a candidate again: that is what each one costs there.",
    ]
    write("simulated_cluster", "A simulated cluster", about, lines)


if __name__ == "__main__":
    main()
