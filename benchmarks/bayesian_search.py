"""Bayesian optimization against other strategies on tables of three spaces, after 50 and 150 evaluations.

    python benchmarks/bayesian_search.py [--seeds 30] [--against bananas,regularized_evolution]

Writes `benchmarks/results/bayesian_search.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import nasforge
from reporting import parser, spread, write

EVALUATIONS = 150
EARLY = 50
TASKS = (
    ("nasbench201", "cifar10"),
    ("nasbench201", "cifar100"),
    ("nasbench201", "imagenet16_120"),
    ("transnas_micro", "jigsaw"),
    ("nasbench_macro", "cifar10"),
)
"""Table and data set."""


def judged(table: str, task: str, seeds: int, against: Sequence[str]) -> nasforge.Verdict:
    """The verdict on one task."""
    return nasforge.verdict("bayesian", [table], [task], range(seeds), evaluations=EVALUATIONS, against=against)


def together(verdicts: Sequence[nasforge.Verdict]) -> nasforge.Verdict:
    """The verdict on all tasks."""
    return replace(
        verdicts[0],
        tasks=tuple(task for verdict in verdicts for task in verdict.tasks),
        searches={name: [verdict.searches[name][0] for verdict in verdicts] for name in verdicts[0].searches},
        by_size=tuple(by_size for verdict in verdicts for by_size in verdict.by_size),
    )


def rows(verdict: nasforge.Verdict, evaluations: int) -> list[str]:
    """A table of accuracies (%) after so many evaluations: a row for each task, a column for each strategy."""
    lines = [f"| task | {' | '.join(verdict.names)} |", "| --- |" + " --- |" * len(verdict.names)]
    for number, task in enumerate(verdict.tasks):
        cells = [spread(100 * verdict.searches[name][number].best[:, evaluations - 1]) for name in verdict.names]
        lines.append(f"| {task.name} | {' | '.join(cells)} |")
    return lines


def duels(verdict: nasforge.Verdict) -> list[str]:
    """How often `bayesian` is better than each other strategy at the end, and how sure that is."""
    others = verdict.names[1:]
    by_other = {other: verdict.duels("bayesian", other) for other in others}
    lines = [f"| task | {' | '.join(f'against {other}' for other in others)} |", "| --- |" + " --- |" * len(others)]
    for number, task in enumerate(verdict.tasks):
        cells = [f"{duel.wins:.0%} (p = {duel.p:.1g})" for duel in (by_other[other][number] for other in others)]
        lines.append(f"| {task.name} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    given = parser(__doc__, seeds=30, against="bananas,regularized_evolution").parse_args()
    seeds, against = given.seeds, given.against.split(",")
    with ProcessPoolExecutor(3) as processes:
        jobs = [processes.submit(judged, table, task, seeds, against) for table, task in TASKS]
        verdict = together([job.result() for job in jobs])
    lines = [
        *(str(verdict).splitlines()[0], ""),
        *(f"Accuracy (%) of the best candidate after {EVALUATIONS} evaluations:", "", *rows(verdict, EVALUATIONS), ""),
        *(f"After {EARLY} evaluations:", "", *rows(verdict, EARLY), ""),
        *(f"Share of pairs of searches in which `bayesian` is better after {EVALUATIONS} evaluations:", ""),
        *duels(verdict),
    ]
    about = (
        f"Validation accuracies of the tables; {seeds} seeds, default options, the same seeds for all strategies; "
        "mean ± deviation. Ties count half. p: Wilcoxon signed-rank test over seeds, Holm-corrected over the tasks, as "
        "in `nasforge verdict`."
    )
    write("bayesian_search", "Bayesian optimization on tables", about, lines)


if __name__ == "__main__":
    main()
