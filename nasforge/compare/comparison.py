"""Which searches may be compared, which ones are repetitions with other seeds, and how each is scored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasforge.compare.scores import COSTS, Score, common_box, same_candidates, scores
from nasforge.errors import RunError
from nasforge.journal.journal import digest
from nasforge.journal.records import flat
from nasforge.registry.places import path_keys
from nasforge.run.beginning import chosen
from nasforge.run.folders import FinishedRun, read_runs
from nasforge.statistics.hypervolumes import Box
from nasforge.statistics.rank_tests import RankTest, rank_tests


@dataclass(frozen=True, eq=False)
class Group:
    """Runs of one strategy with the same options, one for each seed.

    Attributes:
        name: the strategy and the options in which this group differs from others of the same strategy.
        runs: the runs, sorted by seed.
    """

    name: str
    runs: tuple[FinishedRun, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """The content of tables, charts and pages.

    Attributes:
        groups: sorted by the headline score, best first.
        scores: scores of every run of every group; the first is the headline.
        tests: tests of each pair of groups, by the tested scores: the headline, the hypervolume, and accuracies that
            supernets recorded.
        box: the volume that hypervolumes are shares of, if the runs follow several objectives.
        notes: what a reader must know, such as omitted runs and unused budgets.
        alike: whether all searches had the same task; if not, only their retrained networks are compared.
    """

    groups: tuple[Group, ...]
    scores: tuple[Score, ...]
    tests: Mapping[str, Sequence[RankTest]]
    box: Box | None
    notes: tuple[str, ...]
    alike: bool = True

    @property
    def first(self) -> FinishedRun:
        """The first run of the best group; facts that all runs share are read from it."""
        return self.groups[0].runs[0]

    @property
    def runs(self) -> list[FinishedRun]:
        """The runs of all groups."""
        return [run for group in self.groups for run in group.runs]


def compare(paths: Sequence[Path]) -> Comparison:
    """Compare all finished searches in `paths`, which are folders of runs or of sweeps.

    Raises:
        RunError: a folder holds no finished search or a damaged one, or two searches cannot be compared: they differ in
            data or budget; or in space, estimator or objectives, and their networks were not retrained. Searches that
            measured the same candidates may differ in the options of their estimators.
    """
    runs, notes = read_runs(paths)
    groups, duplicates = grouped(runs)
    alike, unlike = check_alike(runs, same_candidates([group.runs for group in groups]))
    box = common_box([run for group in groups for run in group.runs]) if alike else None
    all_scores, incomplete = scores([group.runs for group in groups], box, alike=alike)
    if not all_scores or all_scores[0].name in COSTS:
        raise RunError(f"{runs[0]} has nothing to compare: no evaluations, no control and no retraining")
    best_first = sorted(range(len(groups)), key=lambda place: all_scores[0].cost(place))
    groups = [groups[place] for place in best_first]
    all_scores = [score.ordered(best_first) for score in all_scores]
    headline, *others = all_scores
    tested = [*([] if headline.remeasured else [headline]), *(score for score in others if score.tested)]
    names = [group.name for group in groups]
    tests = {score.name: rank_tests(names, score.values, score.direction) for score in tested}
    notes = [*unlike, *notes, *duplicates, *incomplete, *_unused(groups)]
    return Comparison(tuple(groups), tuple(all_scores), tests, box, tuple(notes), alike)


OF_THE_SEARCH = ("space", "estimator", "objectives", "constraints", "control", "number of evaluations")
"""What searches may differ in, if their networks had the same training from scratch."""


def check_alike(runs: Sequence[FinishedRun], measured: bool = False) -> tuple[bool, list[str]]:
    """Whether all searches had the same task, and a sentence on how their tasks differ.

    Args:
        measured: whether searches by different methods measured the same candidates.

    Raises:
        RunError: two runs cannot be compared; names them and their differences.
    """
    # A step that only some runs took after the search costs a column but does not prevent the comparison.
    after = [key for key in ("control", "retrain") if all(getattr(run.result, key) for run in runs)]
    first, unlike = _task(runs[0], after), set()
    for run in runs[1:]:
        task = _task(run, after)
        differing = [key for key in {**first, **task} if first.get(key) != task.get(key)]
        # Without a budget, the strategy's own options decide how many evaluations it requests.
        own = set(differing) <= {"number of evaluations"} and called(run) == called(runs[0])
        retrained = "retrain" in after and all(key.split(".")[0] in OF_THE_SEARCH for key in differing)
        again = measured and all(key.startswith("estimator.") for key in differing)
        if differing and not (own or retrained or again):
            values = ", ".join(f"{key} is {_shown(first, key)} and {_shown(task, key)}" for key in differing[:3])
            more = f", and {len(differing) - 3} more" if len(differing) > 3 else ""
            raise RunError(f"{runs[0]} and {run} cannot be compared: {values}{more}")
        unlike |= {key.split(".")[0] for key in differing}
    if unlike <= {"number of evaluations"}:
        counts = sorted({run.result.evaluations.requested for run in runs})
        note = f"the searches have unequal budgets: their options request {counts[0]} to {counts[-1]} evaluations"
        return True, [note] if unlike else []
    if measured and unlike == {"estimator"}:
        return False, [
            "the searches measured the same candidates in different ways; the comparison is of these measurements"
        ]
    listed = " and ".join(key for key in OF_THE_SEARCH if key in unlike)
    return False, [
        f"the searches differ in {listed}: the comparison is of the found networks after the same training from "
        "scratch, not of the searches at equal cost"
    ]


def _task(run: FinishedRun, after: Sequence[str]) -> dict[str, Any]:
    """The task of a search by option name, without the options of its strategy."""
    config, result = run.config, run.result
    options = _options({section: config.get(section) for section in ("budget", "estimator", "space", *after)})
    # The data's fingerprint depends on the seeded split; these facts do not.
    images = {key: run.data.get(key) for key in ("training images", "input shape", "class names", "mean")}
    budget = config.get("budget") or {}
    bounded = any(budget.get(key) is not None for key in ("evaluations", "seconds"))
    return {
        "space": result.space,
        "data": result.data,
        **options,
        "objectives": [objective.metric for objective in run.followed],
        "constraints": list(result.constraints),
        **images,
        "number of evaluations": None if bounded else result.evaluations.requested,
    }


def _options(config: Mapping[str, Any]) -> dict[str, Any]:
    """The options by dotted key, without paths."""
    places = path_keys(config)
    return {key: value for key, value in flat(config).items() if key not in places}


def _shown(task: Mapping[str, Any], key: str) -> str:
    value = task.get(key)
    if isinstance(value, list) and len(value) > 8:
        return f"a list of {len(value)}"
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else "null" if value is None else str(value)


def grouped(runs: Sequence[FinishedRun]) -> tuple[list[Group], list[str]]:
    """The groups in order of appearance, and a sentence for each run that repeats a seed and is omitted."""
    members: dict[str, dict[int, FinishedRun]] = {}
    notes = []
    for run in runs:
        seeds = members.setdefault(digest(method(run)), {})
        if run.seed in seeds:
            notes.append(f"{run} repeats seed {run.seed} of {seeds[run.seed]} with the same options and is omitted")
        else:
            seeds[run.seed] = run
    several = [tuple(seeds[seed] for seed in sorted(seeds)) for seeds in members.values()]
    names = _names([group[0] for group in several])
    return [Group(name, group) for name, group in zip(names, several, strict=True)], notes


def method(run: FinishedRun) -> dict[str, Any]:
    """The options that define a method: those of strategy, space and estimator, batch size and precision."""
    keys = ("data.batch_size", "trainer.precision") if "training images" in run.data else ()
    every = _options(run.config)
    own = {key.removeprefix("strategy."): value for key, value in every.items() if key.startswith("strategy.")}
    of_task = {key: value for key, value in every.items() if key.startswith(("space.", "estimator.", "objectives"))}
    return {**own, **of_task, **{key: every.get(key) for key in keys}}


def _names(runs: Sequence[FinishedRun]) -> list[str]:
    """A name for each run's method: the strategy, and the presets that tell runs of that strategy apart, such as
    `tsenas_operators=no_pruning`, or else the options in which they differ."""
    titles = [called(run) for run in runs]
    names = []
    for name, run in zip(titles, runs, strict=True):
        alike = [other for also, other in zip(titles, runs, strict=True) if also == name]
        presets = [_presets(other) for other in alike]
        tell = _presets if all(presets.count(each) == 1 for each in presets) else method
        own, others = tell(run), [tell(other) for other in alike]
        differing = [key for key in own if any(other.get(key) != own[key] for other in others)]
        options = [f"{key}={own[key]}" for key in differing[:3]]
        options += [f"{len(differing) - 3} more"] if len(differing) > 3 else []
        names.append(" ".join(f"{name} ({', '.join(options)})".split()) if options else name)
    return [f"{name} #{names[:i].count(name) + 1}" if names.count(name) > 1 else name for i, name in enumerate(names)]


def _presets(run: FinishedRun) -> Mapping[str, Any]:
    """The presets that a command chose for parts of an experiment: `+experiment/tsenas_operators=no_pruning`."""
    pairs = [word.lstrip("+").partition("=") for word in run.words if "/" in word.partition("=")[0]]
    return {key.rpartition("/")[2].partition("@")[0]: name for key, _, name in pairs if not key.startswith("hydra")}


def called(run: FinishedRun) -> str:
    """The name by which the user chose the strategy, which may be that of a preset."""
    return chosen(run.words, "strategy") or run.result.strategy


def _unused(groups: Sequence[Group]) -> list[str]:
    """Sentences about runs that requested fewer evaluations than their budget allows."""
    notes = []
    for group in groups:
        allowed = (group.runs[0].config.get("budget") or {}).get("evaluations") or math.nan
        short = [run for run in group.runs if run.evaluations and len(run.evaluations) < allowed]
        if short:
            fewest = min(short, key=lambda run: len(run.evaluations))
            notes.append(
                f"{len(short)} of {len(group.runs)} runs of {group.name} requested fewer evaluations than their budget "
                f"of {allowed}: {fewest} requested {len(fewest.evaluations)}"
            )
    return notes
