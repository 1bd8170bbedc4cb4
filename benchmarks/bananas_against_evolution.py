"""Does BANANAS reach in 150 evaluations what regularized evolution reaches in 500? On ten tasks of five families.

    python benchmarks/bananas_against_evolution.py [--seeds 20] [--rivals 1000] [--tables nasbench201,...]

Both follow the validation quality of a table. Writes `benchmarks/results/bananas_against_evolution.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import mannwhitneyu

import nasforge
from nasforge.judging.tasks import Task, tasks
from nasforge.statistics.effect_sizes import wins
from nasforge.statistics.rank_tests import holm
from reporting import parser, spread, write

BUDGET, RIVALS_BUDGET = 150, 500
LEVEL = 0.01
WANTED = 7
CHOSEN = {
    "nasbench201": ("cifar10", "cifar100", "imagenet16_120"),
    "transnas_micro": ("class_scene", "class_object"),
    "transnas_macro": ("class_scene", "class_object"),
    "nasbench_macro": ("cifar10",),
    "accel_nasbench": ("imagenet",),
    "nasbench301_mini": ("cifar10",),
}
"""The data sets of each table; the first two of TransNAS-Bench-101, so that no family has more than four tasks."""


def regrets(strategy: str, task: Task, evaluations: int, seeds: int) -> np.ndarray:
    """(seeds,) 0 for the best architecture of the table, 1 for its median one."""
    overrides = [*task.words("tabular"), f"budget.evaluations={evaluations}"]
    simulation = nasforge.simulate(strategy, task.table.name, task.dataset, range(seeds), overrides=overrides)
    return task.regrets(simulation.best[:, -1])


def rows(names: Sequence[str], results: Sequence[tuple[np.ndarray, np.ndarray]]) -> Iterator[str]:
    """The table of results, and a sentence on them.

    Args:
        results: for each task, the regrets of BANANAS and of evolution.
    """
    yield f"| task | BANANAS, {BUDGET} | evolution, {RIVALS_BUDGET} | wins | p | |"
    yield "| --- | --- | --- | --- | --- | --- |"
    corrected = holm([mannwhitneyu(ours, theirs).pvalue for ours, theirs in results])
    outcomes = []
    for name, (ours, theirs), p in zip(names, results, corrected, strict=True):
        share = wins(ours, theirs)
        outcomes.append("no significant difference" if p >= LEVEL else "better" if share > 0.5 else "worse")
        cells = [spread(ours, decimals=4), spread(theirs, decimals=4), f"{100 * share:.0f} %", f"{p:.1g}", outcomes[-1]]
        yield f"| {name} | {' | '.join(cells)} |"
    better, worse, count = outcomes.count("better"), outcomes.count("worse"), len(outcomes)
    verdict = "reaches" if better >= WANTED else "does NOT reach"
    yield ""
    yield (
        f"BANANAS {verdict} the goal, to be better after {BUDGET} evaluations than evolution after {RIVALS_BUDGET} on "
        f"{WANTED} tasks: it is better on {better} of {count}, worse on {worse}, and not significantly different on "
        f"{count - better - worse}."
    )


def main() -> None:
    options = parser(__doc__, seeds=20, rivals=1000, tables=",".join(CHOSEN)).parse_args()
    chosen = [task for table in options.tables.split(",") for task in tasks([table], CHOSEN[table])]
    results = []
    for task in chosen:
        ours = regrets("bananas", task, BUDGET, options.seeds)
        results.append((ours, regrets("regularized_evolution", task, RIVALS_BUDGET, options.rivals)))
    about = (
        "Regret of the best candidate, mean ± deviation: 0 is the best architecture of the table, 1 its "
        f"median one. `bananas` after {BUDGET} evaluations with {options.seeds} seeds, `regularized_evolution`"
        f" after {RIVALS_BUDGET} with {options.rivals:,}, both with default options; a search with BANANAS "
        "trains 14 ensembles, which limits the number of seeds. Wins: the share of pairs in which BANANAS is "
        "better; ties count half. p: two-sided Mann-Whitney U test, Holm-corrected over the tasks, "
        f"significant below {LEVEL}."
    )
    lines = rows([task.name for task in chosen], results)
    write("bananas_against_evolution", "BANANAS after 150 evaluations against evolution after 500", about, lines)


if __name__ == "__main__":
    main()
