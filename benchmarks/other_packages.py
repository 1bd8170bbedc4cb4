"""Strategies beside those of NePS and Syne Tune: what they find on the same tables, and the time of a candidate.

    pip install neural-pipeline-search syne-tune
    python benchmarks/other_packages.py [--seeds 30] [--evaluations 150] [--trainings 10]

Two tables: the cells of NAS-Bench-201 by their validation accuracy after 12 epochs, and the learning curves of
`learning_curves.py`. All packages choose among the same decisions with the same budget: a number of requests, or of
epochs, of which those that a candidate has been trained for already are free. The time is that of a whole search,
with its lookups. That Hyperband's brackets and PriorBand's distributions are those of NePS is checked first. Writes
`benchmarks/results/other_packages.md`.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any

import neps
import numpy as np
import torch
from neps.optimizers.utils.brackets import calculate_hb_bracket_layouts
from neps.sampling import Prior as NepsPrior
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice
from syne_tune.optimizer import baselines
from syne_tune.optimizer.scheduler import SchedulerDecision

from learning_curves import CURVES, EPOCHS, Listed
from nasforge import VectorEncoded, build, rng_of
from nasforge.run.goals import Goals
from nasforge.standalone.simulated_run import Answers, SimulatedRun
from nasforge_plugins.estimator.tabular import Tabular
from nasforge_plugins.shared.priors import Prior
from nasforge_plugins.strategy.hyperband import brackets
from reporting import parser, spread, write

Vector = tuple[int, ...]
EVOLUTION = {"population": 20, "sample": 5}
Search = Callable[["Task", int, "Ledger"], None]


@dataclass(frozen=True)
class Task:
    """A table, and how much of it a search may see.

    Attributes:
        levels: the numbers of epochs, ascending; (0,) if there is only one.
        budget: in requests if there is only one number of epochs, else in epochs.
        answers: what nasforge's searches have looked up, which they share as those of `nasforge.simulate` do.
    """

    space: VectorEncoded
    estimator: Tabular
    levels: tuple[int, ...]
    budget: int
    goals: Goals
    answers: Answers

    @classmethod
    def of(cls, space: Any, estimator: Tabular, levels: tuple[int, ...], budget: int) -> Task:
        """A task whose only goal is the accuracy."""
        goals = Goals.of([estimator], ["accuracy"], [])
        return cls(space, estimator, levels, budget, goals, Answers(space, [estimator], goals))


@dataclass
class Ledger:
    """What a search has asked for, as long as its budget lasts."""

    task: Task
    trained: dict[Vector, int] = field(default_factory=dict)
    asked: int = 0
    spent: int = 0
    best: float = 0.0

    def accuracy(self, vector: Vector, epochs: int = 0) -> float:
        """Look an accuracy up; that of the longest trainings counts."""
        already = self.trained.get(vector, 0)
        self.asked += 1
        self.spent += max(epochs - already, 0) if epochs else 1
        self.trained[vector] = max(epochs, already)
        table = self.task.estimator
        found = float(table._matrix(epochs or None)[table.table.row(np.array(vector)), 0])
        if epochs == self.task.levels[-1] and self.spent <= self.task.budget:
            self.best = max(self.best, found)
        return found

    @property
    def over(self) -> bool:
        """Whether the budget is used up."""
        return self.spent >= self.task.budget


def nasforge_search(options: dict[str, Any], task: Task, seed: int, ledger: Ledger) -> None:
    """One of nasforge's strategies; afterwards its requests are entered until the budget is used up."""
    requests = task.budget * (1 if len(task.levels) == 1 else 4)
    run: Any = SimulatedRun(task.answers, task.space, [task.estimator], task.goals, seed, requests)
    build("strategy", options).search(run)
    for evaluation in run.evaluations:
        if not ledger.over:
            vector = tuple(map(int, task.space.encode(evaluation.architecture)))
            ledger.accuracy(vector, 0 if len(task.levels) == 1 else evaluation.epochs or task.levels[-1])
    assert ledger.over, "too few requests for the budget"
    ledger.asked = requests


def neps_search(algorithm: str, task: Task, seed: int, ledger: Ledger) -> None:
    """One of NePS's algorithms."""
    np.random.seed(seed)
    torch.manual_seed(seed)
    optimizer = neps.AskAndTell(getattr(neps.algorithms, algorithm)(neps_space(task.space, task.levels[-1])))
    while not ledger.over:
        trial = optimizer.ask()
        epochs = trial.config.get("epochs", 0)
        vector = tuple(int(trial.config[f"decision{place}"]) for place in range(len(task.space.cardinalities)))
        optimizer.tell(trial.metadata.id, -ledger.accuracy(vector, epochs))


def neps_space(space: VectorEncoded, epochs: int, prior: np.ndarray | None = None) -> Any:
    """The decisions, with half of the probability on the prior's choices if there is one, and up to so many epochs."""
    members: dict[str, Any] = {
        f"decision{place}": neps.Categorical(
            choices=[*range(choices)],
            **({} if prior is None else {"prior": int(prior[place]), "prior_confidence": "medium"}),
        )
        for place, choices in enumerate(space.cardinalities)
    }
    if epochs:
        members["epochs"] = neps.IntegerFidelity(lower=1, upper=epochs)
    return type("Space", (neps.PipelineSpace,), members)()


def syne_tune_search(make: Callable[..., Any], task: Task, seed: int, ledger: Ledger) -> None:
    """One of Syne Tune's schedulers; each trial is trained until the scheduler stops it."""
    np.random.seed(seed)
    decisions = {f"decision{place}": choice([*range(n)]) for place, n in enumerate(task.space.cardinalities)}
    scheduler = make(decisions, do_minimize=False, random_seed=seed)
    for number in iter(lambda: None if ledger.over else ledger.asked, None):
        trial = Trial(number, scheduler.suggest().config, None)
        scheduler.on_trial_add(trial)
        vector = tuple(int(trial.config[name]) for name in decisions)
        for epochs in task.levels:
            result = {"accuracy": ledger.accuracy(vector, epochs), "epochs": epochs}
            if epochs == task.levels[-1]:
                scheduler.on_trial_complete(trial, result)
            elif scheduler.on_trial_result(trial, result) == SchedulerDecision.STOP or ledger.over:
                break


def searches() -> dict[str, dict[str, dict[str, Search]]]:
    """By the kind of task, the strategy and the package."""
    evolution = {"population_size": EVOLUTION["population"], "sample_size": EVOLUTION["sample"], "metric": "accuracy"}
    syne_random = partial(baselines.RandomSearch, metrics=["accuracy"])
    syne_asha = partial(
        baselines.ASHA, metric="accuracy", time_attr="epochs", max_t=EPOCHS[-1], grace_period=1, reduction_factor=3
    )

    def ours(name: str, **options: Any) -> Search:
        return partial(nasforge_search, {"name": name, **options})

    return {
        "cells": {
            "random search": {
                "nasforge": ours("random_search"),
                "NePS": partial(neps_search, "random_search"),
                "Syne Tune": partial(syne_tune_search, syne_random),
            },
            "regularized evolution": {
                "nasforge": ours("regularized_evolution", **EVOLUTION),
                "Syne Tune": partial(syne_tune_search, partial(baselines.REA, **evolution)),
            },
        },
        "curves": {
            "Hyperband": {"nasforge": ours("hyperband"), "NePS": partial(neps_search, "hyperband")},
            "ASHA": {
                "nasforge": ours("asha"),
                "NePS": partial(neps_search, "asha"),
                "Syne Tune": partial(syne_tune_search, syne_asha),
            },
            "PriorBand without a prior": {
                "nasforge": ours("priorband"),
                "NePS": partial(neps_search, "priorband"),
            },
        },
    }


def check_brackets() -> None:
    """Hyperband's brackets have as many candidates after as many epochs as those of NePS."""
    rungs, layouts = calculate_hb_bracket_layouts(bounds=(1, 81), eta=3)
    theirs = [(count, rungs[rung]) for layout in layouts for rung, count in layout.items()]
    assert [(stage.candidates, stage.epochs) for stage in brackets(sorted(rungs.values()), 3)] == theirs


def check_priors(space: VectorEncoded) -> None:
    """PriorBand's two distributions give random vectors the same likelihoods as those of NePS."""
    rng = rng_of("priors of two packages")
    center, incumbent, *vectors = rng.integers(space.cardinalities, size=(52, len(space.cardinalities)))
    sampler = neps.algorithms.priorband(neps_space(space, 27, center)).sampler

    def named(vector: np.ndarray) -> dict[str, int]:
        return {f"decision{place}": int(choice) for place, choice in enumerate(vector)}

    for middle, values in ((center, {}), (incumbent, {"center_values": named(incumbent)})):
        theirs = NepsPrior.from_parameters(sampler.parameters, **values)
        likelihoods = theirs.pdf_configs([*map(named, vectors)], frm=sampler.encoder).numpy()
        ours = Prior(space.cardinalities, 0.5, middle).log_likelihood(np.array(vectors))
        np.testing.assert_allclose(np.exp(ours), likelihoods, rtol=1e-9)


def rows(task: Task, strategies: Mapping[str, Mapping[str, Search]], seeds: int) -> Iterator[str]:
    """A row for each strategy of each package; the packages take turns with each seed."""
    for strategy, packages in strategies.items():
        best: dict[str, list[float]] = {package: [] for package in packages}
        micros: dict[str, list[float]] = {package: [] for package in packages}
        for seed in range(seeds):
            for package, search in packages.items():
                ledger, began = Ledger(task), time.perf_counter()
                search(task, seed, ledger)
                micros[package].append(1e6 * (time.perf_counter() - began) / ledger.asked)
                best[package].append(100 * ledger.best)
        for package in packages:
            ratio = np.median(np.array(micros[package]) / np.array(micros["nasforge"]))
            yield (
                f"| {strategy} | {package} | {spread(best[package])} | {np.median(micros[package]):,.0f} | "
                f"{ratio:.1f} |"
            )


def main(seeds: int, evaluations: int, trainings: int) -> None:
    """Search both tables with all packages."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    published = Tabular(table="nasbench201", dataset="cifar10")
    measured = Tabular(path=CURVES, dataset="digits", epochs=EPOCHS[-1])
    cells = Task.of(build("space", {"name": "nasbench201"}), published, (0,), evaluations)
    curves = Task.of(Listed(measured.table.rows), measured, EPOCHS, trainings * EPOCHS[-1])
    check_brackets()
    check_priors(cells.space)
    kinds = searches()
    write(
        "other_packages",
        "Strategies beside those of other packages",
        f"The best validation accuracy found (%), mean ± deviation over {seeds} seeds, and the median time of a search "
        f"by its requests, in microseconds, on one thread of a CPU. Cells: NAS-Bench-201 on CIFAR-10 after 12 epochs, "
        f"{evaluations} requests; evolution has a population of {EVOLUTION['population']} and tournaments of "
        f"{EVOLUTION['sample']}. Curves: {measured.table.rows} cells on digits, epochs enough for {trainings} whole "
        "trainings, reduction factor 3, from one epoch. nasforge's searches share their lookups, as in `nasforge "
        "simulate`. The ratio is the median over seeds of a package's time to nasforge's. NePS "
        f"{version('neural-pipeline-search')}, Syne Tune {version('syne-tune')}. Before this, the likelihoods of 50 "
        "random cells under PriorBand's two distributions, and Hyperband's brackets, were those of NePS.",
        [
            "| strategy | package | found | time of a request | ratio |",
            "| --- | --- | --- | --- | --- |",
            *rows(cells, kinds["cells"], seeds),
            *rows(curves, kinds["curves"], seeds),
        ],
    )


if __name__ == "__main__":
    given = parser(__doc__, seeds=30, evaluations=150, trainings=10).parse_args()
    torch.set_num_threads(1)
    main(given.seeds, given.evaluations, given.trainings)
