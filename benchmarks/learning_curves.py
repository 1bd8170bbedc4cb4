"""ASHA and Hyperband against random search by simulated training time, on learning curves of NAS-Bench-201's cells.

    python benchmarks/learning_curves.py measure    # trains random cells, until stopped: results/learning_curves.npz
    python benchmarks/learning_curves.py            # simulates searches among them

The published tables that may be shipped have validation accuracies after one number of epochs, and test accuracies must
not steer a search. So these curves were measured here, with `estimator=training` itself: each cell continues from its
checkpoint from 1 to 3, 9 and 27 epochs. The seconds are those of the processor, on one thread.
"""

from __future__ import annotations

import itertools
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from nasforge import Architecture, Column, Context, Table, VectorEncoded, build
from nasforge.data import SearchData
from nasforge.execution.executor import LocalExecutor
from nasforge.randomness import rng_of, seed_of
from nasforge.run.goals import Goals
from nasforge.standalone.simulated_run import Answers, SimulatedRun
from nasforge_plugins.estimator.tabular import Tabular
from reporting import parser, write

CURVES = Path(__file__).parent / "results" / "learning_curves.npz"
EPOCHS = (1, 3, 9, 27)
TRAINING = {"name": "training", "epochs": 27, "channels": 4, "cells": 1, "held_out": 0.5}
SEARCHES: dict[str, dict[str, Any]] = {
    "random search": {"name": "random_search", "batch": 1},
    "regularized evolution": {"name": "regularized_evolution", "population": 10, "sample": 5},
    **{
        f"{name} from {epochs} {'epochs' if epochs > 1 else 'epoch'}": {"name": name.lower(), "min_epochs": epochs}
        for name in ("Hyperband", "ASHA")
        for epochs in (1, 3, 9)
    },
}


class Listed(VectorEncoded):
    """The measured cells: one decision among them, so that a mutation is another random cell."""

    name = "listed"
    cardinalities = (0,)

    def __init__(self, cells: int) -> None:
        self.cardinalities = (cells,)

    def encode(self, architecture: Architecture) -> np.ndarray:
        """Its number."""
        return np.array([architecture["number"]])

    def decode(self, vector: np.ndarray) -> Architecture:
        """The cell of that number."""
        return Architecture.of(self.name, {"number": int(vector[0])}, f"cell {int(vector[0])}")

    def validate(self, architecture: Architecture) -> Architecture:
        """Any number will do."""
        return architecture

    def draw(self, architecture: Architecture) -> tuple[()]:
        """Nothing is shown."""
        return ()

    build = None  # type: ignore[assignment]


def measure(cells: int, images: int, processes: int) -> None:
    """Train random cells, and write their curves as a table; stopped early, it leaves those that it has."""
    curves = []
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for curve in pool.map(curve_of, range(cells), itertools.repeat(images)):
            curves.append(curve)
            store(np.array(curves), images)
            print(f"cell {len(curves)} of {cells}: {np.round(curve, 3).tolist()}", flush=True)


def curve_of(number: int, images: int) -> list[tuple[float, float]]:
    """(accuracy, seconds so far) of a random cell after each number of epochs."""
    whole = build("data", {"name": "digits", "batch_size": 32}).for_search(0)
    assert isinstance(whole, SearchData)
    space, estimator = build("space", {"name": "nasbench201"}), build("estimator", TRAINING)
    cell = space.sample(rng_of("learning curves", number))
    context = Context(space, whole.subset(images), "cpu", 1, seed_of("learning curves", number))
    curve: list[tuple[float, float]] = []
    with TemporaryDirectory() as folder:
        checkpoint, seconds = Path(folder) / "checkpoint", 0.0
        for epochs in EPOCHS:
            began = time.process_time()
            own = replace(context, epochs=epochs, checkpoint=checkpoint)
            ((_, answer),) = LocalExecutor(1).run(estimator, [(cell, own)])
            assert answer.status == "ok", answer.reason
            seconds += time.process_time() - began
            curve.append((answer.metrics["accuracy"], seconds))
            checkpoint.write_bytes(answer.checkpoint or b"")
    return curve


def store(curves: np.ndarray, images: int) -> None:
    """Write curves (cells, epochs, 2) as a table."""
    columns = {}
    accuracies, seconds = curves[..., 0], curves[..., 1]
    for place, epochs in enumerate(EPOCHS):
        after = "" if epochs == EPOCHS[-1] else f"_{epochs}ep"
        about = f"validation, one run, {epochs} of {EPOCHS[-1]} epochs on {images // 2} digits"
        columns[Column("digits", f"accuracy{after}", "max", False, about, "measured", epochs)] = accuracies[:, place]
        columns[Column("digits", f"train_seconds{after}", "min", basis="measured", epochs=epochs)] = seconds[:, place]
    source = "benchmarks/learning_curves.py: random cells of NAS-Bench-201, by their numbers"
    Table.of("listed", (len(accuracies),), columns, source=source, name="learning_curves").write(CURVES)


def searched(options: dict[str, Any], seeds: int, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    """Search with each seed: (seeds, evaluations) seconds, and the accuracy after all epochs of the best so far."""
    estimator = Tabular(path=CURVES, dataset="digits", epochs=EPOCHS[-1])
    space, goals = Listed(estimator.table.rows), Goals.of([estimator], ["accuracy"], [])
    answers = Answers(space, [estimator], goals)
    times, best = np.empty((seeds, evaluations)), np.empty((seeds, evaluations))
    for seed in range(seeds):
        run: Any = SimulatedRun(answers, space, [estimator], goals, seed, evaluations)
        build("strategy", options).search(run)
        whole = [each.metrics["accuracy"] if (each.epochs or 27) == 27 else -np.inf for each in run.evaluations]
        best[seed] = np.maximum.accumulate(whole)
        times[seed] = run.finished or np.cumsum(_added(run))
    return times, best


def _added(run: Any) -> list[float]:
    from nasforge.run.goals import training_seconds

    rows = ((each.architecture, each.epochs, each.metrics) for each in run.evaluations)
    return training_seconds(rows) or []


def reached(times: np.ndarray, best: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(points,) mean over seeds of the best so far after so many seconds; a search without one yet counts as 0."""
    rows = [np.searchsorted(when, at, side="right") - 1 for when in times]
    values = [
        np.where((row >= 0) & np.isfinite(curve[row]), curve[row], 0.0) for row, curve in zip(rows, best, strict=True)
    ]
    mean: np.ndarray = np.mean(values, axis=0)
    return mean


def main(seeds: int, trainings: int) -> None:
    """Simulate all searches and write what they reached when."""
    random = searched(SEARCHES["random search"], seeds, trainings)
    end = float(random[0][:, -1].mean())
    points = np.linspace(0, end, 1201)
    goal, rows = reached(*random, points)[-1], []
    for name, options in SEARCHES.items():
        evaluations = trainings if "random" in name or "evolution" in name else 20 * trainings
        times, best = searched(options, seeds, evaluations)
        curve = reached(times, best, points)
        soon = next((point / end for point, value in zip(points, curve, strict=True) if value >= goal), np.nan)
        third, last = np.interp([end / 3, end], points, curve)
        deviation = best[np.arange(seeds), [np.searchsorted(when, end, side="right") - 1 for when in times]].std()
        share = "never" if np.isnan(soon) else f"{soon:.2f}"
        rows.append(f"| {name} | {100 * third:.2f} | {100 * last:.2f} ± {100 * deviation:.2f} | {share} |")
    estimator = Tabular(path=CURVES, dataset="digits", epochs=EPOCHS[-1])
    accuracies = {epochs: estimator._matrix(epochs)[:, 0] for epochs in estimator.fidelities()}
    ranks = ", ".join(
        f"{spearmanr(accuracies[epochs], accuracies[27])[0]:.2f} after {epochs}" for epochs in EPOCHS[:-1]
    )
    write(
        "learning_curves",
        "Fewer epochs for most candidates",
        f"Searches among {estimator.table.rows} random cells of NAS-Bench-201, trained on half of the digits that "
        f"`measure` takes and compared by the validation accuracy after 27 epochs, with {seeds:,} seeds each. Time is "
        "simulated from the measured seconds of training, with one worker; 1 is the time of random search with "
        f"{trainings} whole trainings. A search without a whole training counts as 0. From one epoch, ASHA trains at "
        "most one in 27 of these cells to the end, however long it takes. Rank correlation with the accuracy after 27 "
        f"epochs: {ranks}. The best cell has {100 * accuracies[27].max():.2f} %. Means, and the deviation over seeds, "
        "of the best so far in percent.",
        [
            "| search | after a third of the time | after all of it | reaches random search's end after |",
            "| --- | --- | --- | --- |",
            *rows,
        ],
    )


if __name__ == "__main__":
    command = parser(__doc__, cells=250, images=400, processes=2, seeds=1000, trainings=30)
    command.add_argument("what", nargs="?", choices=("measure", "search"), default="search")
    given = command.parse_args()
    if given.what == "measure":
        measure(given.cells, given.images, given.processes)
    else:
        main(given.seeds, given.trainings)
