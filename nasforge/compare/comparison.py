"""Searches side by side: which may be compared, which are repetitions of each other, and what each is scored by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasforge.compare.scores import COSTS, Box, Score, common_box, scores
from nasforge.errors import RunError
from nasforge.journal.journal import digest
from nasforge.journal.records import flat
from nasforge.registry.places import path_keys
from nasforge.run.beginning import chosen
from nasforge.run.folders import FinishedRun, read_runs
from nasforge.statistics.rank_tests import RankTest, rank_tests


@dataclass(frozen=True, eq=False)
class Group:
    """Runs of one strategy with the same options, one for each seed.

    Attributes:
        name: the strategy's, and those of its options that set it apart from other groups of this strategy.
        runs: in the order of their seeds.
    """

    name: str
    runs: tuple[FinishedRun, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Everything that tables, charts and pages say.

    Attributes:
        groups: the best one by the headline score first.
        scores: of every run of every group; the first one is the headline.
        tests: of each pair of groups, by the scores that are tested: the headline, and the hypervolume.
        box: what hypervolumes are shares of, if the runs follow several objectives.
        notes: what a reader must know: runs left out, and why; budgets that were not used up.
        alike: whether all searches had the same to do; if not, only what came of them is compared.
    """

    groups: tuple[Group, ...]
    scores: tuple[Score, ...]
    tests: Mapping[str, Sequence[RankTest]]
    box: Box | None
    notes: tuple[str, ...]
    alike: bool = True

    @property
    def first(self) -> FinishedRun:
        """Any of the runs: what it searched is what all of them did."""
        return self.groups[0].runs[0]

    @property
    def runs(self) -> list[FinishedRun]:
        """Of all groups."""
        return [run for group in self.groups for run in group.runs]


def compare(paths: Sequence[Path]) -> Comparison:
    """The comparison of all finished searches in `paths`, folders of runs or of sweeps.

    Raises:
        RunError: a folder holds no finished search or a damaged one, or two searches cannot be compared: they differ in
            data or budget; or in space, estimator or objectives, and what they found was not retrained.
    """
    runs, notes = read_runs(paths)
    alike, unlike = check_alike(runs)
    groups, duplicates = grouped(runs)
    box = common_box([run for group in groups for run in group.runs]) if alike else None
    found, incomplete = scores([group.runs for group in groups], box, alike=alike)
    if not found or found[0].name in COSTS:
        raise RunError(f"{runs[0]} has nothing to compare: no evaluations, no control and no retraining")
    best_first = sorted(range(len(groups)), key=lambda place: found[0].cost(place))
    groups, found = [groups[place] for place in best_first], [score.ordered(best_first) for score in found]
    tested = [found[0], *(score for score in found[1:] if score.tested)]
    names = [group.name for group in groups]
    tests = {score.name: rank_tests(names, score.values, score.direction) for score in tested}
    said = (*unlike, *notes, *duplicates, *incomplete, *_unused(groups))
    return Comparison(tuple(groups), tuple(found), tests, box, said, alike)


OF_THE_SEARCH = ("space", "estimator", "objectives", "constraints", "control", "number of evaluations")
"""What searches may differ in whose networks were retrained alike."""


def check_alike(runs: Sequence[FinishedRun]) -> tuple[bool, list[str]]:
    """Whether all searches had the same to do, and a sentence on what they differ in, if in anything.

    Raises:
        RunError: it names two runs that cannot be compared, and what they differ in.
    """
    # What only some of them did afterwards is no part of the search, and leaves one column less.
    after = [key for key in ("control", "retrain") if all(getattr(run.result, key) for run in runs)]
    first, unlike = _task(runs[0], after), set()
    for run in runs[1:]:
        task = _task(run, after)
        differing = [key for key in {**first, **task} if first.get(key) != task.get(key)]
        # How many evaluations an unbounded search asks for is an option of its strategy.
        own = set(differing) <= {"number of evaluations"} and called(run) == called(runs[0])
        if (
            differing
            and not own
            and not ("retrain" in after and all(key.split(".")[0] in OF_THE_SEARCH for key in differing))
        ):
            said = ", ".join(f"{key} is {_said(first, key)} and {_said(task, key)}" for key in differing[:3])
            more = f", and {len(differing) - 3} more" if len(differing) > 3 else ""
            raise RunError(f"{runs[0]} and {run} cannot be compared: {said}{more}")
        unlike |= {key.split(".")[0] for key in differing}
    if unlike <= {"number of evaluations"}:
        counts = sorted({run.result.evaluations.requested for run in runs})
        said = f"the searches asked for {counts[0]} to {counts[-1]} evaluations, as their options have it"
        return True, [f"{said}: their budgets are not equal"] if unlike else []
    listed = " and ".join(key for key in OF_THE_SEARCH if key in unlike)
    return False, [
        f"the searches differ in {listed}: what their found networks reach, trained from scratch alike, is compared, "
        "not how they were found, nor at equal cost"
    ]


def _task(run: FinishedRun, after: Sequence[str]) -> dict[str, Any]:
    """What a search was to do, by the names of the options where it was said; how it does it is the strategy's own."""
    config, result = run.config, run.result
    options = _options({section: config.get(section) for section in ("budget", "estimator", "space", *after)})
    # The fingerprint counts the seeded split in; these do not.
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
    """By dotted key, but for where files lie."""
    places = path_keys(config)
    return {key: value for key, value in flat(config).items() if key not in places}


def _said(task: Mapping[str, Any], key: str) -> str:
    value = task.get(key)
    if isinstance(value, list) and len(value) > 8:
        return f"a list of {len(value)}"
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else "null" if value is None else str(value)


def grouped(runs: Sequence[FinishedRun]) -> tuple[list[Group], list[str]]:
    """The groups in order of appearance, and sentences about seeds that came twice: the first run counts."""
    members: dict[str, dict[int, FinishedRun]] = {}
    notes = []
    for run in runs:
        seeds = members.setdefault(digest(method(run)), {})
        if run.seed in seeds:
            notes.append(f"{run} repeats seed {run.seed} of {seeds[run.seed]} with the same options and is left out")
        else:
            seeds[run.seed] = run
    several = [tuple(seeds[seed] for seed in sorted(seeds)) for seeds in members.values()]
    names = _names([group[0] for group in several])
    return [Group(name, group) for name, group in zip(names, several, strict=True)], notes


def method(run: FinishedRun) -> dict[str, Any]:
    """What sets a way of searching apart: strategy, space and estimator, their options, and how its fits compute."""
    keys = ("data.batch_size", "trainer.precision") if "training images" in run.data else ()
    every = _options(run.config)
    own = {key.removeprefix("strategy."): value for key, value in every.items() if key.startswith("strategy.")}
    of_task = {key: value for key, value in every.items() if key.startswith(("space.", "estimator.", "objectives"))}
    return {**own, **of_task, **{key: every.get(key) for key in keys}}


def _names(runs: Sequence[FinishedRun]) -> list[str]:
    """A name for each run's method: the strategy's, and the options in which others of that name differ from it."""
    titles = [called(run) for run in runs]
    methods = [method(run) for run in runs]
    names = []
    for name, own in zip(titles, methods, strict=True):
        others = [other for also, other in zip(titles, methods, strict=True) if also == name]
        differing = [key for key in own if any(other.get(key) != own[key] for other in others)]
        said = [f"{key}={own[key]}" for key in differing[:3]]
        said += [f"{len(differing) - 3} more"] if len(differing) > 3 else []
        names.append(" ".join(f"{name} ({', '.join(said)})".split()) if said else name)
    return [f"{name} #{names[:i].count(name) + 1}" if names.count(name) > 1 else name for i, name in enumerate(names)]


def called(run: FinishedRun) -> str:
    """As the user chose the strategy: a configuration with another name is one of the strategy's presets."""
    return chosen(run.words, "strategy") or run.result.strategy


def _unused(groups: Sequence[Group]) -> list[str]:
    """Sentences about runs that asked for less than they were allowed to."""
    notes = []
    for group in groups:
        allowed = (group.runs[0].config.get("budget") or {}).get("evaluations") or math.nan
        short = [run for run in group.runs if run.evaluations and len(run.evaluations) < allowed]
        if short:
            fewest = min(short, key=lambda run: len(run.evaluations))
            notes.append(
                f"{len(short)} of {len(group.runs)} runs of {group.name} asked for fewer evaluations than the budget's "
                f"{allowed}: {fewest} for {len(fewest.evaluations)}"
            )
    return notes
