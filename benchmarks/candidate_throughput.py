"""Throughput of candidates in two processes against one, and the cost of sending a candidate to a process.

    python benchmarks/candidate_throughput.py [--candidates 12] [--empty 200] [--repeats 3]

A candidate is a second of CPU work (a fixed number of matrix products, timed once on this machine); an empty candidate
returns at once. Metrics must not depend on the process that computed them. Writes
`benchmarks/results/candidate_throughput.md`.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"

import torch

from nasforge import Architecture, Context, Estimate, Estimator, Objective, SearchData
from nasforge.execution.executor import Executor, LocalExecutor
from nasforge.execution.local_workers import LocalWorkers
from nasforge.execution.ray_tasks import RayTasks
from nasforge.testing import tiny_data
from nasforge_plugins.space.nasbench201 import NASBench201
from reporting import parser, write

SPACE, DATA = NASBench201(), tiny_data()


class Products(Estimator):
    """A given number of matrix products."""

    name = "products"
    objectives = (Objective("value", "max"),)

    def __init__(self, products: int) -> None:
        self.products = products

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        matrix = torch.rand(256, 256) / 256
        for _ in range(self.products):
            matrix = torch.softmax(matrix @ matrix, 1)
        return Estimate({"value": float(matrix[0, 0])})


def one_second() -> int:
    """The number of products that take one second on this machine."""
    start = time.perf_counter()
    Products(200).estimate(Architecture.of("", {}), None)  # type: ignore[arg-type]
    return round(200 / (time.perf_counter() - start))


def timed(executor: Executor, estimator: Estimator, count: int, data: SearchData = DATA) -> tuple[float, list[float]]:
    """Seconds and values, in order, with processes that have already started."""
    some = Architecture.of(SPACE.name, {"cell": ("none",) * 6}, "a cell")
    work = [(some, Context(SPACE, data, "cpu", 1, seed)) for seed in range(count)]
    start = time.perf_counter()
    answers = dict(executor.run(estimator, work))
    seconds = time.perf_counter() - start
    return seconds, [answers[place].metrics["value"] for place in range(count)]


EXECUTORS: dict[str, Callable[[int], Executor]] = {
    "local": lambda workers: LocalWorkers(1, workers),
    "ray": lambda workers: RayTasks(1, address=None, cpus=2 / workers, gpus=0, in_flight=1000),
}


def main() -> None:
    options = parser(__doc__, candidates=12, empty=200, repeats=3).parse_args()
    torch.set_num_threads(1)
    rows, costs, work = [], [], Products(one_second())
    _, expected = timed(LocalExecutor(1), work, 2)
    for name, make in EXECUTORS.items():
        ratios = []
        one, two = make(1), make(2)
        for _ in range(options.repeats):
            seconds = {}
            for workers, executor in ((1, one), (2, two)):
                timed(executor, Products(1), 4)  # starts the processes and sends the estimator
                seconds[workers], values = timed(executor, work, options.candidates)
                assert values[:2] == expected, "a candidate's value depends on its process"
                executor.close() if name == "ray" else None  # only one Ray may run
            ratios.append(seconds[1] / seconds[2])
        executor = make(2)
        timed(executor, Products(1), 4)
        empty, _ = timed(executor, Products(0), options.empty)
        for each in (one, two, executor):
            each.close()
        rows.append(f"| {name} | {statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} |")
        costs.append(f"| {name} | {1000 * empty / options.empty:.1f} |")
    about = (
        f"{os.cpu_count()} processors, torch {torch.__version__}, one thread a process. Throughput with two workers by "
        f"that with one, on {options.candidates} candidates of a second each (median of {options.repeats}, range); "
        "values are the same as in the run's own process."
    )
    lines = [
        "| executor | two workers by one | range |",
        "| --- | ---: | ---: |",
        *rows,
        "",
        f"What a candidate that answers at once takes, over {options.empty} of them and two workers:",
        "",
        "| executor | ms a candidate |",
        "| --- | ---: |",
        *costs,
    ]
    write("candidate_throughput", "Candidates in several processes", about, lines)


if __name__ == "__main__":
    from candidate_throughput import main as importable  # Ray's workers import the estimator's module

    importable()
