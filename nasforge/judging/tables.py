"""A verdict as rows: for people on the page, and as CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nasforge.compare.findings import p_value
from nasforge.judging.fronts import FrontTask, surfaces
from nasforge.judging.judgment import BY_SIZE, Duel, Verdict
from nasforge.standalone.simulation import POINTS
from nasforge.statistics.rank_tests import LEVEL
from nasforge.wording import amount, words

CSV_HEAD = (
    *("strategy", "table", "task", "metric", "evaluations", "seeds", "mean", "deviation", "mean_regret"),
    *("wins_against_baseline", "wins_low", "wins_high", "p_corrected"),
)


@dataclass(frozen=True)
class Row:
    """A strategy on one task: the cells under `head`, and 1, -1 or 0 for better, worse or no significant difference."""

    cells: tuple[str, ...]
    sign: int


def head(verdict: Verdict) -> tuple[str, ...]:
    """The headings of a strategy's results."""
    sized = ("largest",) if verdict.sized else ()
    searches = ("this strategy", verdict.baseline.replace("_", " "), *sized)
    return ("task", "best of table", *searches, "wins", "p", "verdict")


def rows(verdict: Verdict, name: str) -> list[Row]:
    """The results of one strategy on all tasks, with its duel against the baseline."""
    found = []
    for number, duel in verdict.duels(name, verdict.baseline).items():
        task, by_size = verdict.tasks[number], verdict.by_size[number]
        own, other = (verdict.searches[each][number].best for each in (name, verdict.baseline))
        best = amount(task.objective, task.best)
        cells = (task.name, best, _mean(verdict, number, own), _mean(verdict, number, other))
        sized = ("–" if by_size is None else _mean(verdict, number, by_size),) if verdict.sized else ()
        interval = f"{100 * duel.interval.low:.0f}\N{EN DASH}{100 * duel.interval.high:.0f}"
        outcome = {1: "better", -1: "worse", 0: "–"}[duel.sign]
        found.append(
            Row((*cells, *sized, f"{100 * duel.wins:.0f} % ({interval})", p_value(duel.p), outcome), duel.sign)
        )
    return found


def csv_of(verdict: Verdict) -> str:
    """A row for each strategy, task and one of some numbers of evaluations; comparisons are of the last one."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_HEAD)
    counts = sorted({*(point for point in POINTS if point < verdict.evaluations), verdict.evaluations})
    for name in verdict.names:
        duels = verdict.duels(name, verdict.baseline)
        for number in range(len(verdict.tasks)):
            for count in counts:
                last = duels[number] if count == counts[-1] else None
                best = verdict.searches[name][number].best[:, count - 1]
                writer.writerow(_record(verdict, name, number, count, best, last))
    for number, by_size in enumerate(verdict.by_size):
        for count in counts if by_size is not None else ():
            assert by_size is not None
            writer.writerow(_record(verdict, BY_SIZE, number, count, by_size[:, count - 1], None))
    return out.getvalue()


def csv_of_surfaces(verdict: Verdict) -> str:
    """A row for each corner of an attainment surface; empty unless there are two objectives."""
    drawn = [
        (i, task) for i, task in enumerate(verdict.tasks) if isinstance(task, FrontTask) and len(task.columns) == 2
    ]
    if not drawn:
        return ""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    objectives = drawn[0][1].box.objectives
    writer.writerow(["strategy", "table", "task", "surface", *(objective.metric for objective in objectives)])
    for number, task in drawn:
        for name in verdict.names:
            for level, corners in surfaces(verdict.searches[name][number].fronts).items():
                for corner in corners * [objective.sign for objective in objectives]:
                    writer.writerow([name, task.table.name, task.dataset, level, *corner.tolist()])
    return out.getvalue()


def _record(
    verdict: Verdict, name: str, number: int, count: int, best: np.ndarray, duel: Duel | None
) -> Sequence[object]:
    task = verdict.tasks[number]
    compared = ("",) * 4 if duel is None else (duel.wins, duel.interval.low, duel.interval.high, duel.p)
    measured = best[~np.isnan(best)]
    spread = (measured.mean(), measured.std(ddof=1)) if len(measured) > 1 else ("", "")
    known = (name, task.table.name, task.dataset, task.objective.metric, count, len(best))
    return (*known, *spread, task.regrets(best).mean(), *compared)


def _mean(verdict: Verdict, number: int, best: np.ndarray) -> str:
    objective, values = verdict.tasks[number].objective, best[:, -1]
    return amount(objective, float(np.nanmean(values))) if not np.isnan(values).all() else "–"


def captions(verdict: Verdict) -> list[str]:
    """What the numbers mean."""
    metrics = ", ".join(dict.fromkeys(words(task.objective) for task in verdict.tasks))
    predicted = [task.name for task in verdict.tasks if any(each.basis == "predicted" for each in task.columns)]
    followed = verdict.tasks[0].columns
    names = " and ".join(words(column.objective) for column in followed)
    explained = (
        f"Hypervolume in {names}: the share of the box between the "
        "best and the worst value of each objective on the table's front that the candidates so far dominate."
    )
    largest = f"Largest: {BY_SIZE}, a search that asks for the networks with most parameters first."
    return [
        f"Means over {len(verdict.seeds)} seeds of the best after {verdict.evaluations:,} evaluations ({metrics}).",
        *([explained] if len(followed) > 1 else []),
        f"Wins: the share of pairs of searches in which this strategy's is better than that of {verdict.baseline} "
        "(A of Vargha and Delaney 2000); ties count half. In parentheses: a 95 % bootstrap interval over seeds.",
        f"p: Wilcoxon signed-rank test over seeds, Holm-corrected over the tasks; better or worse if p < {LEVEL:g}.",
        *([largest] if verdict.sized else []),
        *([f"Predictions of a surrogate, not measurements: {'; '.join(predicted)}."] if predicted else []),
    ]
