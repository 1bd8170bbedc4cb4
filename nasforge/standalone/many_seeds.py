"""Run a strategy with many seeds against a table, in this process and without writing anything."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from nasforge.architecture import after_most_epochs
from nasforge.errors import AbilityError, OptionError, RunError
from nasforge.experiment.parts import Parts
from nasforge.randomness import preserved, rng_of, seed_everything, seed_of
from nasforge.registry.entry_points import registry
from nasforge.run.progress import Progress
from nasforge.run.run import Run
from nasforge.standalone.simulated_run import Answers, SimulatedRun
from nasforge.standalone.simulation import Simulation
from nasforge.strategy import Strategy
from nasforge.wording import counted


def simulate(config: Mapping[str, Any], seeds: Sequence[int], progress: Progress | None = None) -> Simulation:
    """Search with each seed as a search with `config` and that seed does, and return what all of them did.

    A strategy that draws nothing is run once, and a note says so.

    Args:
        config: resolved, as from `configuration.compose`; its `seed` is not used.
        progress: shows the progress; None: on the terminal.

    Raises:
        NasforgeError: the configuration or a seed is invalid, or a part of it reads images, trains or draws.
    """
    parts = Parts(config, progress)
    check_seeds(seeds)
    evaluations = check_fits(parts)
    answers = Answers(parts.space, parts.estimators, parts.goals)
    asked = np.full((len(seeds), evaluations), -1, dtype=np.int32)
    found = np.full(len(seeds), -1, dtype=np.int32)
    finished = np.zeros(asked.shape)
    workers = getattr(parts.executor, "workers", 1)
    notes: dict[str, None] = {}  # in order, each once
    ran = 0
    with preserved(), parts.progress.bar(f"simulate {parts.strategy.name}", len(seeds)) as bar:
        for seed in seeds:
            run = SimulatedRun(answers, parts.space, parts.estimators, parts.goals, seed, evaluations, workers)
            found[ran] = _search(parts.strategy, run, answers)
            asked[ran, : len(run.asked)] = run.asked
            if run.finished:
                finished[ran] = np.pad(run.finished, (0, evaluations - len(run.finished)), mode="edge")
            notes |= dict.fromkeys(run.notes)
            ran += 1
            bar()
            if ran == 2 and _drew_nothing(run) and (asked[0] == asked[1]).all():
                notes[f"strategy '{parts.strategy.name}' draws nothing, so seed {seeds[0]} stands for all"] = None
                ran = 1
                break
    if none := int((found[:ran] < 0).sum()):
        notes[f"{none} of {counted(ran, 'seed')} found no candidate that satisfies the constraints"] = None
    streamed = finished[:ran] if finished.any() else None
    found_by = np.array(seeds[:ran]), asked[:ran], found[:ran]
    return Simulation.of(parts, answers.whole, *found_by, tuple(notes), streamed)


def check_seeds(seeds: Sequence[int]) -> None:
    """Raise an `OptionError` unless the seeds are different whole numbers, 0 or more, and at least one."""
    if not len(seeds):
        raise OptionError("seeds=[] leaves nothing to simulate; seeds=1000 takes the seeds 0 to 999")
    wrong = next((seed for seed in seeds if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0), None)
    if wrong is not None:
        raise OptionError(f"seeds holds {wrong!r}: seeds are whole numbers, 0 or more")
    if len(set(seeds)) < len(seeds):
        twice = next(seed for index, seed in enumerate(seeds) if seed in seeds[:index])
        raise OptionError(f"seeds holds {twice} twice, which would count one search as two; list it once")


def check_fits(parts: Parts) -> int:
    """Return the number of evaluations of each search, after a check that all parts can be simulated.

    Raises:
        AbilityError: the strategy does more than to ask for estimates, or an estimator does more than to look them up.
        OptionError: no number of evaluations is set, or a time.
    """
    check_only_asks(parts.strategy)
    for estimator in parts.estimators:
        if estimator.needs_data or estimator.draws:
            raise AbilityError(
                f"estimator '{estimator.name}' {'reads images' if estimator.needs_data else 'draws at random'}, and a "
                f"simulation only looks candidates up in a table: use estimator={' or '.join(looking_up())}"
            )
    parts.strategy.check_goals(parts.estimators, parts.goals.followed, parts.goals.constraints)
    if parts.budget.seconds is not None:
        raise OptionError("budget.seconds counts a run's time, which a simulation does not have; omit it")
    if parts.budget.evaluations is None:
        raise OptionError("a simulation needs a number of evaluations: set budget.evaluations=500")
    return parts.budget.evaluations


def looking_up() -> list[str]:
    """Return the names of the estimators that look candidates up in a table."""
    return [name for name, estimator in registry("estimator").working.items() if estimator.looks_up]


def check_only_asks(strategy: Strategy[Any]) -> None:
    """Raise an `AbilityError` if the strategy does more than to ask for estimates."""
    if not _only_asks(strategy):
        fitting = [name for name, each in registry("strategy").working.items() if _only_asks(each)]
        raise AbilityError(
            f"strategy '{strategy.name}' trains networks or reads images, and a simulation only looks candidates "
            f"up in a table. Strategies that fit: {', '.join(fitting)}."
        )


def _only_asks(strategy: Strategy[Any] | type[Strategy[Any]]) -> bool:
    return strategy.needs_estimates and not (strategy.needs_data or strategy.shares_weights or strategy.needs_builder)


def _search(strategy: Strategy[Any], run: SimulatedRun, answers: Answers) -> int:
    """Search with a fresh strategy; return the index in `answers` of what it found, or -1 if nothing was feasible."""
    seed_everything(seed_of(run.seed, "search"))
    try:
        result = copy.deepcopy(strategy).search(cast("Run[Any]", run))
    except RunError:
        if any(evaluation.ok for evaluation in run.evaluations):
            raise
        return -1
    return answers.numbers([result.architecture], after_most_epochs(run.evaluations)[0].epochs)[0]


def _drew_nothing(run: SimulatedRun) -> bool:
    return bool(run.rng.bit_generator.state == rng_of(run.seed, "search").bit_generator.state)
