"""The NTK / linear-region GA on NAS-Bench-201, against random search and against the number of parameters alone.

    python benchmarks/ntk_ga_search.py [--seeds 10] [--cells 50] [--runs runs/ntk_ga_search]

Every search scores the same number of cells on real CIFAR-10 images, without training. The GA returns the cell with the
smallest sum of ranks in its last population; random search returns the one with the smallest sum among all its cells;
`parameters` is the largest of the same random cells. True accuracies come from the table, which no search sees. Every
search is a run of nasforge, so the command resumes after a kill. Writes
`benchmarks/results/ntk_ga_search.md`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import mannwhitneyu

from nasforge import rank_sums
from nasforge.journal.journal import digest
from nasforge_plugins.space.nasbench201 import NASBench201
from reporting import parser, write
from searches import cifar10_root, searched, test_accuracies

SCORES = ("ntk_condition", "activation_overlap", "gradient_image_correlation")
COMMAND = [
    "space=nasbench201", "data=cifar10", "data.download=false", "estimator=zero_cost_ntk_ga", "executor.threads=1",
    "trainer.accelerator=cpu", f"estimator.zero_cost.proxies=[{','.join(SCORES)},params]",
    f"objectives=[{','.join(SCORES)}]", "retrain.seeds=0",
]  # fmt: skip
GA = {
    "ntk_ga, no tournaments": ["strategy.tournament.period=0"],
    "ntk_ga": ["strategy.tournament.channels=8", "strategy.tournament.cells=1", "strategy.tournament.images=1000"],
}


def study(seeds: int, cells: int, runs: Path) -> dict[str, list[float]]:
    """True test accuracies of the found cells, in percent."""
    truth, root, space = test_accuracies(), cifar10_root(runs), NASBench201()

    def accuracy(notation: str) -> float:
        return truth[str(space.validate(space.read(notation)))]

    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        common = [*COMMAND, f"data.root={root}", f"seed={seed}", f"budget.evaluations={cells}"]
        for name, options in GA.items():
            command = ["strategy=ntk_ga", "strategy.generations=null", "strategy.landmarks=0", *options, *common]
            result = searched(runs / f"ntk_ga_{seed}_{digest(command)[:8]}", command)
            found.setdefault(name, []).append(accuracy(json.dumps(result["architecture"])))
        command = ["strategy=random_search", *common]
        folder = runs / f"random_{seed}_{digest(command)[:8]}"
        searched(folder, command)
        rows = json.loads((folder / "evaluations.json").read_text())
        usable = [row for row in rows if row["status"] == "ok"]
        sums = rank_sums(np.array([[row["metrics"][score] for score in SCORES] for row in usable]))
        by_size = [row["metrics"]["params"] for row in usable]
        chosen = {
            "random search, by the sum of ranks": int(np.argmin(sums)),
            "the most parameters of the same cells": int(np.argmax(by_size)),
        }
        for name, place in chosen.items():
            found.setdefault(name, []).append(accuracy(usable[place]["notation"]))
        every = [accuracy(row["notation"]) for row in usable]
        found.setdefault("a random cell", []).append(float(np.mean(every)))
        print(seed, {name: round(values[-1], 2) for name, values in found.items()}, flush=True)
    return found


def table(found: Mapping[str, Sequence[float]]) -> list[str]:
    baseline = found["the most parameters of the same cells"]
    lines = [
        "| search | test accuracy, % | median | p against parameters |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, values in found.items():
        p = mannwhitneyu(values, baseline, alternative="two-sided").pvalue if values is not baseline else None
        told = "" if p is None else f"{p:.2g}"
        deviation = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
        lines.append(f"| {name} | {np.mean(values):.2f}{deviation} | {np.median(values):.2f} | {told} |")
    return lines


def main() -> None:
    options = parser(__doc__, seeds=10, cells=50, runs=Path("runs") / "ntk_ga_search").parse_args()
    lines = table(study(options.seeds, options.cells, options.runs.resolve()))
    about = (
        f"NAS-Bench-201 with CIFAR-10: {options.cells} cells are scored in each search, by {', '.join(SCORES)}. Test "
        f"accuracies of the table (200 epochs, mean of its runs) of what was found; mean ± sample deviation over "
        f"{options.seeds} seeds; p: two-sided Mann-Whitney U test, uncorrected."
    )
    write("ntk_ga_search", "Three scores of untrained networks against their size alone", about, lines)


if __name__ == "__main__":
    main()
