"""TS-ENAS against random search: the same space, the same estimator, the same number of training epochs.

    python benchmarks/tsenas_against_random.py [--seeds 3] [--runs runs/tsenas_against_random]

Both search on 2,000 training images of real Fashion-MNIST. The found networks and random ones have the same training
from scratch and are tested once. An epoch of TS-ENAS's supernet counts once for each chain in a step. Random search
trains candidates from scratch, each for as many epochs as an heir, until the total is equal. Every search is a run of
nasforge, so the command resumes after a kill. Writes `benchmarks/results/tsenas_against_random.md`.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu

from nasforge.journal.journal import atomic, digest
from nasforge_plugins.strategy.tsenas.supernet import PATHS
from reporting import parser, spread, write
from searches import searched

SHARED = Path(__file__).parents[2] / "shared"
IMAGES, TESTED = 2000, 4000
EPOCHS, SUPERNET_EPOCHS = 1, 4
COMMAND = [
    "space=tsenas", "space.min_cells=4", "space.max_cells=6", "space.reductions=2", "data=arrays", "data.batch_size=50",
    "executor.threads=1", "trainer.accelerator=cpu", "estimator=training", f"estimator.training.epochs={EPOCHS}",
    "estimator.training.channels=4", "estimator.training.held_out=0.4", "objectives=[accuracy]", "retrain.epochs=6",
    "retrain.seeds=1", "retrain.channels=8", "retrain.batch_size=50",
]  # fmt: skip
SEARCH = ["population=6", "generations=4", "fine_population=2", "fine_generations=3", "refresh=2", "from_scratch=0"]
RANDOM = 2
"""Number of random networks trained with each seed of TS-ENAS."""


def small_fashion_mnist(path: Path) -> None:
    """Write the first training and test images to an `.npz`."""
    if path.exists():
        return
    whole = Path(os.environ.get("NASFORGE_DATA", path.parent)) / "fashion_mnist.npz"
    if not whole.exists():
        whole = path.parent / "fashion_mnist.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        unpack = SHARED / "tools" / "unpack_data.py"
        subprocess.run([sys.executable, str(unpack), str(path.parent), "fashion_mnist"], check=True)
    with np.load(whole) as file, atomic(path) as temporary, open(temporary, "wb") as target:
        arrays = {f"{part}_{kind}": file[f"{part}_{kind}"][:n]
                  for part, n in (("train", IMAGES), ("test", TESTED)) for kind in ("images", "labels")}  # fmt: skip
        np.savez(target, classes=file["classes"], **arrays)


def outcome(runs: Path, name: str, command: Sequence[str]) -> dict[str, Any]:
    """Return the `result.json` of a run; resume an interrupted run, and read a finished one."""
    folder = runs / f"{name}_{digest(list(command))[:8]}"
    return {**searched(folder, command), "folder": folder}


def epochs_of(result: Mapping[str, Any]) -> int:
    """Epochs that a TS-ENAS search trained: those of every candidate, and of each chain in the supernet's steps."""
    return int(result["evaluations"]["requested"]) * EPOCHS + SUPERNET_EPOCHS * PATHS


def study(seeds: int, runs: Path) -> list[str]:
    images = runs / "fashion_mnist_2000.npz"
    small_fashion_mnist(images)
    found: dict[str, list[Mapping[str, Any]]] = {"TS-ENAS": [], "random search": []}
    random: list[float] = []
    epochs = []
    for seed in range(seeds):
        common = [*COMMAND, f"data.path={images}", f"seed={seed}"]
        evolved = ["strategy=tsenas", f"strategy.supernet.epochs={SUPERNET_EPOCHS}", *(f"strategy.{o}" for o in SEARCH)]
        command = [*evolved, *common, f"retrain.random={RANDOM}"]
        result = outcome(runs, f"tsenas_{seed}", command)
        epochs.append(epochs_of(result))
        budget = f"budget.evaluations={epochs[-1] // EPOCHS}"
        baseline = outcome(runs, f"random_{seed}", ["strategy=random_search", *common, "retrain.random=0", budget])
        for name, one in (("TS-ENAS", result), ("random search", baseline)):
            rows = {row["name"]: row for row in one["retrain"]["rows"]}
            accuracy = one["metrics"]["accuracy"]
            found[name].append({**rows["found"], "searched": accuracy, "seconds": seconds(one["folder"])})
            random += [row["mean"] for label, row in rows.items() if label != "found"]
            print(name, seed, f"{accuracy:.4f}", f"{rows['found']['mean']:.4f}", flush=True)
    return [f"Epochs of training in each search: {', '.join(map(str, epochs))}.", "", *table(found, random)]


def seconds(folder: Path) -> float:
    """What the search took over all its starts, without retraining: the clock when its last generation ended."""
    lines = map(json.loads, (folder / "journal.jsonl").read_text().splitlines())
    return float(max(line["seconds"] for line in lines if line["kind"] == "generation"))


def table(found: Mapping[str, Sequence[Mapping[str, Any]]], random: Sequence[float]) -> list[str]:
    lines = [
        "| search | networks | accuracy in the search, % | test accuracy, retrained, % | parameters, M | seconds |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, rows in found.items():
        columns = [("searched", 100, 1), ("mean", 100, 2), ("params_m", 1, 3), ("seconds", 1, 0)]
        told = [spread([row[key] for row in rows], scale, decimals) for key, scale, decimals in columns]
        lines.append(f"| {name} | {len(rows)} | {' | '.join(told)} |")
    lines.append(f"| none: random networks | {len(random)} | | {spread(random, 100, 2)} | | |")
    ours, theirs = ([row["mean"] for row in rows] for rows in found.values())
    p = mannwhitneyu(ours, theirs, alternative="two-sided").pvalue
    told = f"TS-ENAS against random search, retrained: p = {p:.2g} (two-sided Mann-Whitney U test"
    return [
        *lines,
        "",
        f"{told}; the least that {len(ours)} against {len(theirs)} can give is {least(len(ours)):.2g}).",
    ]


def least(n: int) -> float:
    """The smallest two-sided p of the exact test of n against n values."""
    return 2 / math.comb(2 * n, n)


def main() -> None:
    options = parser(__doc__, seeds=3, runs=Path("runs") / "tsenas_against_random").parse_args()
    lines = study(options.seeds, options.runs.resolve())
    about = (
        f"{IMAGES:,} training images of Fashion-MNIST, two fifths of them to score candidates on; C=4, 4 to 6 cells. "
        f"What is found is trained from scratch (C=8, 6 epochs) and tested once on {TESTED:,} test images. Mean ± "
        f"sample deviation over {options.seeds} seeds; accuracies in the search are with inherited weights for TS-ENAS "
        "and from scratch for random search, after as many epochs."
    )
    write("tsenas_against_random", "TS-ENAS against random search with equally many training epochs", about, lines)


if __name__ == "__main__":
    main()
