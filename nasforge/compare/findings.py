"""The findings of a comparison as sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from nasforge.charts.front_tables import point
from nasforge.compare.comparison import Comparison
from nasforge.compare.fit_curves import fit_curves
from nasforge.compare.scores import Score
from nasforge.statistics.intervals import share_below
from nasforge.statistics.rank_tests import LEVEL
from nasforge.wording import counted, sentence_case, words

SEVERAL = 6
"""The most names to list in a sentence; with more groups, a table omits pairs without the best."""


def task(comparison: Comparison) -> str:
    """The space, data and budget of all runs."""
    run = comparison.first
    budget: Mapping[str, Any] = run.config.get("budget") or {}
    bounds = [
        f"{budget[key]:g} {what}" for key, what in (("evaluations", "evaluations"), ("seconds", "s")) if budget.get(key)
    ]
    spaces = dict.fromkeys(run.result.space for run in comparison.runs)
    return ", ".join([_and(list(spaces)), run.result.data or "no data", *bounds])


def value(score: Score, place: int) -> str:
    """Mean and deviation of one group with their unit: "94.37 ± 0.02 %"."""
    mean, deviation = score.mean(place), score.deviation(place)
    spread = "" if math.isnan(deviation) else f" ± {score.shown(deviation)}"
    return f"{score.shown(mean)}{spread}{' %' if score.percent else ''}"


def finding(comparison: Comparison, score: Score) -> str:
    """A sentence: which strategy has the best mean of a score, and whether that may be chance."""
    names = [group.name for group in comparison.groups]
    place = min(range(len(names)), key=score.cost)
    if score.remeasured:
        low, high = sorted((place, max(range(len(names)), key=score.cost)), key=score.mean)
        shown = f"{value(score, low)} to {value(score, high)}"
        return f"The same candidates were measured in {len(names)} ways; the {score.title} is {shown}."
    best, runs = names[place], len(score.values[place])
    head = f"{best} has the best {score.title}, {value(score, place)}"
    if len(names) == 1:
        return f"{best} has {score.title} {value(score, place)} over {runs} run{'s' if runs > 1 else ''}."
    tests = {({test.first, test.second} - {best}).pop(): test for test in comparison.tests[score.name]
             if best in (test.first, test.second)}  # fmt: skip
    by_rank = [other for other, test in tests.items() if test.significant and test.first == other]
    beaten = [other for other, test in tests.items() if test.significant and test.first == best]
    if len(beaten) == len(tests):
        return f"{head}: significantly better than {'every other strategy' if len(tests) > 1 else beaten[0]}."
    chance = [f"{other} (p = {p_value(test.corrected)})" for other, test in tests.items()
              if test.possible and other not in (*beaten, *by_rank)]  # fmt: skip
    untested = [other for other, test in tests.items() if not test.possible]
    parts = [f"NOT significantly better than {_and(chance)}"] if chance else []
    parts += [f"the runs of {_and(by_rank)} are significantly better"] if by_rank else []
    needed = next((test.needed for test in tests.values()), 0)
    parts += [f"not tested against {_and(untested)}: a test needs {needed} runs of each"] if untested else []
    parts += [f"significantly better than {_and(beaten)}"] if beaten else []
    return f"{head}, but {'; '.join(parts)}."


def among_best(comparison: Comparison, score: Score) -> set[int]:
    """Indices of the best group by a tested score and of the groups that do not differ from it significantly."""
    tests = comparison.tests.get(score.name, ())
    names = [group.name for group in comparison.groups]
    place = min(range(len(names)), key=score.cost)
    level = {test.first for test in tests if test.second == names[place]}
    level |= {test.second for test in tests if test.first == names[place] and not test.significant}
    if not tests or not all(test.possible for test in tests):
        return set()
    return {place, *(names.index(name) for name in level)}


def captions(comparison: Comparison) -> Iterator[str]:
    """What the numbers mean, one sentence for each kind."""
    run = comparison.first
    yield f"Mean ± sample standard deviation over runs with different seeds: {task(comparison)}."
    own = {objective.metric for objective in (*run.followed, *run.reported)}
    of_best = [score.title for score in comparison.scores if score.name in own]
    if of_best:
        chosen = f"each run's best candidate by {words(run.followed[0])}"
        yield f"{sentence_case(_and(of_best))}: of {chosen} at the end of the search."
    names = {score.name for score in comparison.scores}
    if "validation_accuracy" in names:
        yield "Validation accuracy: of the found architecture with the shared weights of its search."
    for metric, curve in fit_curves(run).items():
        if f"{metric}_last" in names and curve.about:
            yield f"{sentence_case(words(metric))}: {curve.about}."
    if "search_seconds" in names:
        yield "Search time: wall-clock time; machines and their load may differ between runs."
    if "retrained_accuracy" in names:
        yield "Test accuracy, retrained: of the found network after training from scratch, averaged over trainings."
    if any(name.startswith("table_") for name in names):
        yield "In the table: the published accuracy of the found architecture."
    if "control_percentile" in names:
        n = min(len(run.result.control.random) for run in comparison.runs if run.result.control)
        within = share_below(n // 2, 0, n)
        yield (
            f"Percentile: of the found architecture among {counted(n, 'random one')} with the same shared weights; for "
            f"a single run at percentile 50, the 95 % interval (Clopper and Pearson) is {100 * within.low:.0f} to "
            f"{100 * within.high:.0f}."
        )
    if comparison.box is not None:
        box = comparison.box
        yield (
            "Hypervolume: the share of the box between ideal point and nadir that a run's candidates dominate; both "
            "points are those of the front of all runs together. Nadir (reference point): "
            f"{point(box.objectives, box.nadir)}; ideal point: {point(box.objectives, box.ideal)}."
        )
    if any(among_best(comparison, score) for score in comparison.scores):
        titles = _and([score.title for score in comparison.scores if score.name in comparison.tests])
        yield (
            f"Bold, for {titles}: the best mean and the means that do not differ from it significantly (two-sided "
            f"Mann-Whitney U test, Holm-corrected over the pairs, p < {LEVEL:g})."
        )


def p_value(p: float) -> str:
    """A p-value with two significant digits."""
    return f"{p:.2g}" if p >= 1e-4 else f"{p:.0e}"


def _and(names: list[str]) -> str:
    """Join names by commas and "and"; of many names, count the last ones."""
    if len(names) > SEVERAL:
        names = [*names[: SEVERAL - 2], f"{len(names) - SEVERAL + 2} others"]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
