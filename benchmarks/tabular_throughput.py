"""What a request costs in a search on a table, and what it goes into: strategy, table, journal, the run around them.

    python benchmarks/tabular_throughput.py [--requests 5000] [--repeats 5]

Each part alone does again what the whole search did, in the same process and interleaved with it, on one thread: the
strategy against answers kept in a dictionary, the table's lookups of new candidates, the journal's lines. What the
strategy asks for is checked to be the same. Writes `benchmarks/results/tabular_throughput.md`.
"""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nasforge.architecture import Architecture, Evaluation
from nasforge.data import NoData
from nasforge.estimator import Context
from nasforge.journal.journal import Journal
from nasforge.randomness import rng_of
from nasforge.registry.entry_points import build
from nasforge.run.goals import Goals
from nasforge.run.resources import Budget, Machinery
from nasforge.run.run import Run
from reporting import parser, write

os.environ.setdefault("NASFORGE_DATA", str(Path(__file__).parents[2] / "shared" / "data"))
SPACE = build("space", {"name": "nasbench201"})
TABLE = build("estimator", {"name": "tabular"})
GOALS = Goals.of([TABLE], ["accuracy"], ())
Search = tuple[list[Evaluation], list[dict[str, Any]]]


def whole(strategy: str, requests: int) -> Search:
    """A search: its evaluations, and the lines of its journal."""
    with tempfile.TemporaryDirectory() as folder, closing(Journal(Path(folder))) as journal:
        run = Run(
            Path(folder),
            journal,
            space=SPACE,
            data=NoData(),
            estimators=[TABLE],
            goals=GOALS,
            seed=0,
            budget=Budget(evaluations=requests),
            machinery=Machinery(trainer={"accelerator": "cpu"}, threads=1),
        )
        build("strategy", {"name": strategy}).search(run)
        return run.evaluations, journal.lines


def strategy_alone(name: str, known: Mapping[Architecture, Evaluation], requests: int) -> list[Architecture]:
    """The same asking and telling, answers at hand."""
    strategy = build("strategy", {"name": name})
    strategy.space, strategy.rng = SPACE, rng_of(0, "search")
    strategy.objectives, strategy.constraints = GOALS.followed, ()
    strategy.begin()
    asked: list[Architecture] = []
    while len(asked) < requests:
        some = strategy.ask()[: requests - len(asked)]
        strategy.tell([known[architecture] for architecture in some])
        asked += some
    return asked


def table_alone(architectures: list[Architecture]) -> None:
    context = Context(SPACE, NoData(), "cpu", 1, 0)  # type: ignore[arg-type]
    for architecture in architectures:
        TABLE.estimate_many([architecture], context)


def journal_alone(lines: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(Journal(Path(folder))) as journal:
        for line in lines:
            journal.write(**line)


def seconds(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def rows(strategy: str, requests: int, repeats: int) -> list[str]:
    evaluations, lines = whole(strategy, requests)
    known = {evaluation.architecture: evaluation for evaluation in evaluations}
    if strategy_alone(strategy, known, requests) != [evaluation.architecture for evaluation in evaluations]:
        raise SystemExit(f"{strategy} asked for something else when alone")
    parts: dict[str, Callable[[], Any]] = {
        "whole": lambda: whole(strategy, requests),
        "strategy": lambda: strategy_alone(strategy, known, requests),
        "table": lambda: table_alone(list(known)),
        "journal": lambda: journal_alone(lines),
    }
    times = {name: [seconds(work) for _ in range(repeats)] for name, work in parts.items()}
    shares = [
        statistics.median(part / all_ for part, all_ in zip(times[name], times["whole"], strict=True))
        for name in ("strategy", "table", "journal")
    ]
    best = min(times["whole"])
    median = statistics.median(times["whole"])
    cells = [f"{requests / median:,.0f} ({requests / best:,.0f})", f"{len(lines) / median:,.0f}", f"{len(known):,}"]
    cells += [f"{share:.0%}" for share in (*shares, 1 - sum(shares))]
    line = f"| {strategy} | {' | '.join(cells)} |"
    print(line, flush=True)
    return [line]


def main() -> None:
    options = parser(__doc__, requests=5000, repeats=5).parse_args()
    torch.set_num_threads(1)
    names = ("random_search", "regularized_evolution")
    about = (
        f"CPU seconds of one thread, {options.requests:,} requests, median of {options.repeats} (the best); NumPy "
        f"{np.__version__}. Every new candidate is a journal line, and every generation (here: every request but the "
        "first ones) is another. The shares are of the whole search's time; the rest is the run's own: keys, merging "
        "and judging answers, budget and progress."
    )
    lines = [
        "| search | requests a second | journal lines a second | new candidates | strategy | table | journal | rest |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *itertools.chain.from_iterable(rows(name, options.requests, options.repeats) for name in names),
    ]
    write("tabular_throughput", "The cost of a request on the table of NAS-Bench-201", about, lines)


if __name__ == "__main__":
    main()
