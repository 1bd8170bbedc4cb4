"""The README's first command against random search with the same budget.

    python benchmarks/first_search.py [--seeds 5] [--runs runs/first_search]

For each seed, the first command runs as it is. Random search then evaluates as many candidates with the same training,
and the cell that it finds is trained from scratch by the same recipe. Every search is a run of nasforge, so the command
continues after a kill. Writes `benchmarks/results/first_search.md`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from scipy.stats import mannwhitneyu

from reporting import parser, spread, write
from searches import searched

FIRST = ["+experiment=regularized_evolution_digits"]
"""The words of the README's first command."""
EVOLUTION, RANDOM = "regularized evolution", "random search"
COMMANDS = {
    EVOLUTION: FIRST,
    RANDOM: [*FIRST, "strategy=random_search", "~strategy.population", "retrain.random=0"],
}


def study(seeds: int, runs: Path) -> dict[str, list[Mapping[str, Any]]]:
    """The results of both searches, one for each seed."""
    results: dict[str, list[Mapping[str, Any]]] = {name: [] for name in COMMANDS}
    for seed in range(seeds):
        for name, words in COMMANDS.items():
            command = [*words, f"seed={seed}", "trainer.accelerator=cpu", "executor.threads=1"]
            result = searched(runs / f"{name.replace(' ', '_')}_{seed}", command)
            results[name].append(result)
            print(name, seed, result["architecture"], accuracies(result)["found"], flush=True)
    return results


def accuracies(result: Mapping[str, Any]) -> dict[str, float]:
    """Mean test accuracy by the name of the retrained architecture: `found`, and the random ones."""
    return {row["name"]: row["mean"] for row in result["retrain"]["rows"]}


def table(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    lines = [
        "| search | cells | accuracy in the search, % | test accuracy, retrained, % | parameters, M |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, found in results.items():
        searched_for = spread([result["metrics"]["accuracy"] for result in found], 100)
        retrained = spread([accuracies(result)["found"] for result in found], 100)
        sizes = spread([result["retrain"]["rows"][0]["params_m"] for result in found], decimals=3)
        lines.append(f"| {name} | {len(found)} | {searched_for} | {retrained} | {sizes} |")
    controls = [mean for result in results[EVOLUTION] for label, mean in accuracies(result).items() if label != "found"]
    return [*lines, f"| none: random cells | {len(controls)} | | {spread(controls, 100)} | |"]


def comparison(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """One sentence: the difference between the two searches, and the test of it."""
    evolution, random = ([accuracies(result)["found"] for result in results[name]] for name in COMMANDS)
    difference = 100 * (sum(evolution) / len(evolution) - sum(random) / len(random))
    p = mannwhitneyu(evolution, random, alternative="two-sided").pvalue
    least = 2 / math.comb(2 * len(evolution), len(evolution))
    return (
        f"Regularized evolution minus random search, retrained: {difference:+.2f} points, p = {p:.2g} (two-sided "
        f"Mann-Whitney U test; {len(evolution)} against {len(random)} cells can give {least:.2g} at least)."
    )


def main() -> None:
    options = parser(__doc__, seeds=5, runs=Path("runs") / "first_search").parse_args()
    torch.set_num_threads(1)
    results = study(options.seeds, options.runs.resolve())
    (first, *_) = results[EVOLUTION]
    trainings = len(first["retrain"]["rows"][0]["test_accuracy"])
    about = (
        f"`nasforge {' '.join(FIRST)}` with seeds 0 to {options.seeds - 1}, and random search with as many candidates: "
        f"{first['evaluations']['requested']} in each search. Each cell that a search finds is trained from scratch "
        f"{trainings} times, and the mean test accuracy counts; each random cell is trained once. Mean ± sample "
        "deviation over cells."
    )
    title = "The README's first command against random search with the same budget"
    write("first_search", title, about, [*table(results), "", comparison(results)])


if __name__ == "__main__":
    main()
