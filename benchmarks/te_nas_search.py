"""TE-NAS on NAS-Bench-201 with real CIFAR-10 images: how its cells rank in the table.

    python benchmarks/te_nas_search.py [--seeds 4] [--runs runs/te_nas_search]

Nothing is trained, and no search sees the table. The results list the percentile of each found cell among all 15,625,
the mean of the table, and the cell with the most parameters, which is known without a search. Every search is a run of
nasforge, so the command resumes after a kill. Writes
`benchmarks/results/te_nas_search.md`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from nasforge.journal.journal import digest
from nasforge_plugins.space.nasbench201 import NASBench201
from reporting import parser, spread, write
from searches import cifar10_root, searched, test_accuracies

COMMAND = [
    "strategy=te_nas", "space=nasbench201", "data=cifar10", "data.download=false", "executor.threads=1",
    "trainer.accelerator=cpu", "retrain.seeds=0",
]  # fmt: skip
LARGEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def main() -> None:
    options = parser(__doc__, seeds=4, runs=Path("runs") / "te_nas_search").parse_args()
    runs, truth = options.runs.resolve(), test_accuracies()
    every = np.array(list(truth.values()))
    root, space, rows, found = cifar10_root(runs), NASBench201(), [], []
    for seed in range(options.seeds):
        command = [*COMMAND, f"data.root={root}", f"seed={seed}"]
        result = searched(runs / f"{seed}_{digest(command)[:8]}", command)
        cell = str(space.validate(space.read(json.dumps(result["architecture"]))))
        found.append(truth[cell])
        shown, place = cell.replace("|", r"\|"), _percentile(every, truth[cell])
        rows.append(f"| {seed} | `{shown}` | {truth[cell]:.2f} | {place:.1f} |")
        print(rows[-1], flush=True)
    about = (
        "Options as they stand, CIFAR-10 images. Test accuracies of the table (200 epochs, mean of its runs), and the "
        "share of all 15,625 cells that are worse, ties counted half."
    )
    lines = [
        "| seed | found | test accuracy, % | percentile |",
        "| ---: | --- | ---: | ---: |",
        *rows,
        "",
        f"Found: {spread(found)} %. Mean of all cells {every.mean():.2f} %, best {every.max():.2f} %, "
        f"3x3 convolutions on every edge (the most parameters) {truth[LARGEST]:.2f} %, "
        f"percentile {_percentile(every, truth[LARGEST]):.1f}.",
    ]
    write("te_nas_search", "TE-NAS on NAS-Bench-201", about, lines)


def _percentile(every: np.ndarray, one: float) -> float:
    return 100 * float((every < one).mean() + 0.5 * (every == one).mean())


if __name__ == "__main__":
    main()
