"""How long `nasforge.load` takes for a run of many candidates, against reading the same files as plain JSON.

    python benchmarks/loading.py [--evaluations 10000] [--repeats 7]

The run is a random search on the table of NAS-Bench-201. `load` also checks the digest of every file that the run left
and the types of the result; `evaluations` makes the data frame. Each repeat interleaves them, on one thread, after
all imports. Writes `benchmarks/results/loading.md`.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas
import torch

import nasforge
from nasforge.journal.run_folder import RunFolder
from reporting import parser, write

os.environ.setdefault("NASFORGE_DATA", str(Path(__file__).parents[2] / "shared" / "data"))


def plain_json(folder: Path) -> None:
    """Parse every JSON file that `load` and `evaluations` read, each line of the journal included."""
    files = RunFolder(folder)
    for path in (files.result, files.data, files.evaluations):
        json.loads(path.read_text(encoding="utf-8"))
    for line in files.journal.read_text(encoding="utf-8").splitlines():
        json.loads(line)


def seconds(work: Callable[[Path], Any], folder: Path) -> float:
    began = time.perf_counter()
    work(folder)
    return time.perf_counter() - began


def row(name: str, times: Mapping[str, list[float]]) -> str:
    ratio = statistics.median(mine / plain for mine, plain in zip(times[name], times["plain JSON"], strict=True))
    slowest = max(times[name])
    return f"| {name} | {ratio:.2f} | {'yes' if slowest < 2 else 'NO'} |"


def main() -> None:
    options = parser(__doc__, evaluations=10_000, repeats=7).parse_args()
    torch.set_num_threads(1)
    work: dict[str, Callable[[Path], Any]] = {
        "plain JSON": plain_json,
        "load": nasforge.load,
        "load and evaluations": lambda folder: nasforge.load(folder).evaluations(),
    }
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "run"
        budget = {"evaluations": options.evaluations}
        choice: dict[str, Any] = {"estimator": "tabular", "budget": budget, "retrain": {"seeds": 0}, "quiet": True}
        nasforge.search("random_search", "nasbench201", run_dir=folder, **choice)
        times: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(options.repeats):
            for name, function in work.items():
                times[name].append(seconds(function, folder))
    about = (
        f"A random search of {options.evaluations:,} evaluations on a table, {options.repeats} repeats on one thread; "
        f"pandas {pandas.__version__}. Plain JSON parses the result, the data, the evaluations and every line of the "
        "journal, and checks nothing."
    )
    lines = ["| | time, plain JSON = 1 (median) | always under two seconds |", "| --- | --- | --- |"]
    write("loading", "Loading a run of many candidates", about, [*lines, *(row(name, times) for name in work)])


if __name__ == "__main__":
    main()
