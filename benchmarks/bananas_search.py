"""BANANAS on the table of NAS-Bench-201, against regularized evolution and random search at the same budget.

    python benchmarks/bananas_search.py [--seeds 30]

Candidates are judged by the 12-epoch validation accuracy of a data set; the best one is reported by that and by its
200-epoch test accuracy. Writes `benchmarks/results/bananas_search.md`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from scipy.stats import mannwhitneyu

import nasforge
from reporting import parser, spread, write

os.environ.setdefault("NASFORGE_DATA", str(Path(__file__).parents[2] / "shared" / "data"))
BUDGET = 150
LONG = 500
TASKS = ("cifar10", "cifar100", "imagenet16_120")
SEARCHES = {
    "bananas": ("bananas", [], BUDGET),
    "random_search": ("random_search", [], BUDGET),
    "regularized_evolution": ("regularized_evolution", [], BUDGET),
    "regularized_evolution, population=20": ("regularized_evolution", ["strategy.population=20"], BUDGET),
    f"regularized_evolution, {LONG} evaluations": ("regularized_evolution", [], LONG),
}
"""Strategy, options and budget, by the words in the results."""


def percentages(search: str, task: str, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Validation and test accuracies (seeds,) of the best candidates."""
    strategy, options, budget = SEARCHES[search]
    goal = ["objectives=[accuracy]", f"budget.evaluations={budget}"]
    simulation = nasforge.simulate(strategy, "nasbench201", task, range(seeds), overrides=[*goal, *options])
    return 100 * simulation.best[:, -1], 100 * simulation.of_incumbents("test_accuracy")[:, -1]


def cell(values: Sequence[float], ours: Sequence[float]) -> str:
    """Mean and deviation; of another strategy, also the p-value of its difference from BANANAS."""
    return spread(values) if values is ours else f"{spread(values)} (p = {mannwhitneyu(ours, values).pvalue:.1g})"


def main() -> None:
    seeds = parser(__doc__, seeds=30).parse_args().seeds
    with ProcessPoolExecutor(len(TASKS)) as processes:
        jobs = {
            (search, task): processes.submit(percentages, search, task, seeds) for search in SEARCHES for task in TASKS
        }
        accuracies = {key: job.result() for key, job in jobs.items()}
    lines = []
    for column, title in enumerate(("Validation accuracy (%, 12 epochs)", "Test accuracy (%, 200 epochs)")):
        lines += [f"{title}:", "", f"| strategy | {' | '.join(TASKS)} |", "| --- |" + " --- |" * len(TASKS)]
        for search in SEARCHES:
            cells = [cell(accuracies[search, task][column], accuracies["bananas", task][column]) for task in TASKS]
            lines.append(f"| {search} | {' | '.join(cells)} |")
        lines.append("")
    about = (
        f"The best candidate by 12-epoch validation accuracy after {BUDGET} evaluations unless the row gives another "
        f"number; mean ± deviation over {seeds} seeds; p: two-sided Mann-Whitney U test against `bananas`. Options are "
        "the defaults unless the row gives another value. Each search with `bananas` trains 14 ensembles, which limits "
        "the number of seeds."
    )
    write("bananas_search", "BANANAS on the table of NAS-Bench-201", about, lines)


if __name__ == "__main__":
    main()
