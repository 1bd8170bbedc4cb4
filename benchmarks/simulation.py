"""Many seeds on a table: simulated, with a journal, and in a plain loop of NumPy that draws the same random numbers.

    python benchmarks/simulation.py [--seeds 1000] [--evaluations 500] [--journaled 10]

All three must ask for the same architectures, else this stops. The plain loop is the algorithm on vectors and an array
of accuracies, without any object of nasforge. Times are CPU seconds of one thread, which other processes on the machine
disturb less than the clock. Writes `benchmarks/results/simulation.md`.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import nasforge
from nasforge import AskTell
from nasforge.randomness import rng_of
from nasforge.standalone.simulation import Simulation
from reporting import parser, write
from tabular_throughput import SPACE, TABLE, whole

SIZES = (5,) * 6
ACCURACIES = TABLE.table.values(
    next(column for column in TABLE.table.of_dataset("cifar10") if column.metric == "accuracy")
)
Loop = Callable[[np.random.Generator, int], list[int]]


def row(vector: np.ndarray) -> int:
    return int(np.ravel_multi_index(tuple(vector), SIZES))


def plain_random_search(rng: np.random.Generator, evaluations: int) -> list[int]:
    """The row of each candidate."""
    return [row(rng.integers(SIZES)) for _ in range(evaluations)]


def plain_evolution(rng: np.random.Generator, evaluations: int) -> list[int]:
    """The row of each candidate of Real et al.'s Algorithm 1 with P=50 and S=10."""
    founders = [rng.integers(SIZES) for _ in range(50)]
    rows = [row(vector) for vector in founders]
    population = deque(zip(-ACCURACIES[rows], founders, strict=True), maxlen=50)
    while len(rows) < evaluations:
        drawn = rng.integers(50, size=10)
        child = min((population[index] for index in drawn), key=lambda individual: individual[0])[1].copy()
        position, shift = rng.integers(6), rng.integers(1, 5)
        child[position] = (child[position] + shift) % 5
        rows.append(row(child))
        population.append((-ACCURACIES[rows[-1]], child))
    return rows


PLAIN: dict[str, Loop] = {"random_search": plain_random_search, "regularized_evolution": plain_evolution}


def simulated(strategy: str, seeds: range, evaluations: int) -> Simulation:
    options: dict[str, Any] = {"objectives": ["accuracy"], "budget": {"evaluations": evaluations}}
    return nasforge.simulate(strategy, "nasbench201", "cifar10", seeds, **options)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    value = work()
    return time.process_time() - began, value


def rows(strategy: str, seeds: int, evaluations: int, journaled: int) -> Iterator[str]:
    simulated(strategy, range(1), 60)  # loads what a command line loads
    seconds, simulation = timed(lambda: simulated(strategy, range(seeds), evaluations))
    of = np.array([row(SPACE.encode(architecture)) for architecture in simulation.architectures])
    plain_seconds = []
    for index, seed in enumerate(range(seeds)):
        taken, asked = timed(lambda seed=seed: PLAIN[strategy](rng_of(seed, "search"), evaluations))
        plain_seconds.append(taken)
        if asked != of[simulation.asked[index]].tolist():
            raise SystemExit(f"{strategy} asked for something else in a plain loop with seed {seed}")
    runs = []
    for _ in range(journaled):
        with contextlib.redirect_stderr(io.StringIO()):
            runs.append(timed(lambda: whole(strategy, evaluations * 10)))
    asked = [evaluation.architecture for evaluation in runs[0][1][0][:evaluations]]
    if asked != [simulation.architectures[number] for number in simulation.asked[0]]:
        raise SystemExit(f"{strategy} asked for something else with a journal")
    each = [seconds / seeds, statistics.mean(plain_seconds), statistics.median(taken for taken, _ in runs) / 10]
    rates = [f"{evaluations / mean:,.0f}" for mean in each]
    cells = [f"{seconds:.1f} s", *rates, f"{each[1] / each[0]:.2f}", f"{each[2] / each[0]:.1f}"]
    yield f"| {strategy} | {' | '.join(cells)} |"


def replay(tells: int) -> str:
    """How long it takes to load what was told about many candidates."""
    search = nasforge.ask_tell("regularized_evolution", "nasbench201")
    for number in range(tells):
        candidate = search.ask()
        search.tell(candidate, accuracy=(number * 7919 % 10_007) / 10_007)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "search.json"
        saving, _ = timed(lambda: search.save(path))
        loading, loaded = timed(lambda: AskTell.load(path))
    if loaded.ask() != search.ask():
        raise SystemExit("a loaded search asks for something else")
    times = f"is saved in {saving:.2f} s and loaded in {loading:.2f} s"
    return f"`AskTell` with {tells:,} tells {times}, and then asks for the same candidate."


def main() -> None:
    options = parser(__doc__, seeds=1000, evaluations=500, journaled=10, tells=10_000).parse_args()
    torch.set_num_threads(1)
    about = (
        f"{options.seeds:,} seeds of {options.evaluations} evaluations on NAS-Bench-201, in CPU seconds of one thread; "
        f"NumPy {np.__version__}. The simulation includes composing its configuration, reading the table and arranging "
        "the result. A journaled search is ten times as long and includes its own set-up, but no report. All three ask "
        "for the same architectures. Ratios are of speed."
    )
    titles = ("whole simulation", "evaluations/s", "in plain NumPy", "with a journal", "simulated : plain",
              "simulated : journaled")  # fmt: skip
    lines = [
        f"| search | {' | '.join(titles)} |",
        f"| --- |{' --- |' * len(titles)}",
        *itertools.chain.from_iterable(
            rows(name, options.seeds, options.evaluations, options.journaled) for name in PLAIN
        ),
        "",
        replay(options.tells),
    ]
    write("simulation", "A thousand seeds on a table", about, lines)


if __name__ == "__main__":
    main()
