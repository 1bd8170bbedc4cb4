"""Does a candidate that inherits its weights rank better after one epoch than one that begins from scratch?

    python benchmarks/weight_inheritance.py [--chromosomes 40] [--runs runs/weight_inheritance]

Random chromosomes of the TS-ENAS space (C=4, 4 to 6 cells) are trained on real Fashion-MNIST: for 10 epochs
from scratch, which says what they are worth; for 1 epoch from scratch; and for 1 epoch from the store of a supernet
that holds each known cell at every width, with random chains in it and without. Kendall's tau of each short training
with the long one is compared by a paired bootstrap over the chromosomes. Killed and started again, it goes
on where it was. Writes `benchmarks/results/weight_inheritance.md`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from nasforge import Architecture, Evaluation, Run, SGDOptions
from nasforge.config.configuration import compose
from nasforge.experiment.parts import Parts
from nasforge.journal.journal import Journal
from nasforge.randomness import rng_of
from nasforge_plugins.estimator.training import Training
from nasforge_plugins.strategy.tsenas.inheritance import Inheritance
from nasforge_plugins.strategy.tsenas.supernet import CellSupernetOptions
from reporting import parser, write

SHARED = Path(__file__).parents[2] / "shared"
TRAINED, VALIDATED = 1000, 2000
"""Images that candidates learn from, and others that they are scored on: 200 would rank them by chance."""
LONG, SUPERNET_EPOCHS = 10, 20
CHAINS = {"1 epoch from a supernet with random chains": 24, "1 epoch from the stack of all cells alone": 0}
BOOTSTRAP = 10_000
SGD = SGDOptions(learning_rate=0.05, final_learning_rate=0.0, momentum=0.9, weight_decay=3e-4, clip=5.0)
COMMAND = ["strategy=tsenas", "data=fashion_mnist", "space.min_cells=4", "space.max_cells=6", "space.reductions=2",
           "data.batch_size=50", "executor.threads=1", "trainer.accelerator=cpu", "retrain.seeds=0",
           "estimator.training.channels=4"]  # fmt: skip


def opened(folder: Path) -> Run:
    """A run on so many images, whose journal makes the study resumable."""
    parts = Parts(compose([*COMMAND, f"data.root={images(folder)}", "data.download=false"]).config)
    data = parts.search_data.subset(TRAINED + VALIDATED)
    held_out = VALIDATED / (TRAINED + VALIDATED)
    return Run(
        folder,
        Journal(folder),
        space=parts.space,
        data=data,
        estimators=[trained_for(1, held_out)],
        seed=0,
        budget=parts.budget,
        machinery=replace(parts.machinery(folder), threads=1),
    )


def images(folder: Path) -> Path:
    """The folder with Fashion-MNIST as a plain file: the user's, or unpacked beside the run."""
    root = Path(os.environ.get("NASFORGE_DATA", folder.parent))
    root.mkdir(parents=True, exist_ok=True)
    if not (root / "fashion_mnist.npz").exists():
        root = folder.parent
        if not (root / "fashion_mnist.npz").exists():
            unpack = SHARED / "tools" / "unpack_data.py"
            subprocess.run([sys.executable, str(unpack), str(root), "fashion_mnist"], check=True)
    return root


def trained_for(epochs: int, held_out: float) -> Training:
    """The estimator; its options are what the registry would note, since they are part of every key."""
    options = {"epochs": epochs, "channels": 4, "held_out": held_out}
    estimator = Training(**options)
    estimator.options = options
    return estimator


def chromosomes(run: Run, n: int) -> list[Architecture]:
    """Random ones, all different."""
    rng, found = rng_of(0, "chromosomes"), {}
    while len(found) < n:
        one = run.space.sample(rng)
        found[run.space.function_key(one)] = one
    return list(found.values())


def study(folder: Path, n: int) -> list[str]:
    run = opened(folder / "scratch")
    architectures, held_out = chromosomes(run, n), VALIDATED / (TRAINED + VALIDATED)
    short = trained_for(1, held_out)
    heirs = {}
    for name, chains in CHAINS.items():
        own = opened(folder / f"chains-{chains}")
        inheritance = Inheritance(own, inherit=True, store=None)
        inheritance.begin(CellSupernetOptions(epochs=SUPERNET_EPOCHS, chains=chains), SGD)
        heirs[name] = own.score(architectures, short, weights=inheritance.weights)
    alone = run.score(architectures, short)
    worth = run.score(architectures, trained_for(LONG, held_out))
    return table(heirs, alone, worth)


def table(
    heirs: Mapping[str, Sequence[Evaluation]], alone: Sequence[Evaluation], worth: Sequence[Evaluation]
) -> list[str]:
    truth = accuracies(worth)
    sides = {name: accuracies(side) for name, side in heirs.items()}
    sides["1 epoch from scratch"] = accuracies(alone)
    sides["parameters"] = np.array([evaluation.metrics["params_m"] for evaluation in worth])
    draws = np.random.default_rng(0).integers(len(truth), size=(BOOTSTRAP, len(truth)))
    resampled = {
        name: np.array([kendalltau(values[draw], truth[draw]).statistic for draw in draws])
        for name, values in sides.items()
    }
    lines = [
        f"| ranked by | accuracy, % | Kendall's tau with {LONG} epochs from scratch | 95 % interval |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, values in sides.items():
        mean = f"{100 * values.mean():.1f} ± {100 * values.std(ddof=1):.1f}" if name != "parameters" else ""
        lines.append(f"| {name} | {mean} | {kendalltau(values, truth).statistic:.3f} | {interval(resampled[name])} |")
    lines += [f"| {LONG} epochs from scratch | {100 * truth.mean():.1f} ± {100 * truth.std(ddof=1):.1f} | 1 | |", ""]
    scratch = resampled["1 epoch from scratch"]
    for name, side in heirs.items():
        shares = [evaluation.metrics["inherited"] for evaluation in side]
        lines.append(
            f"- {name}, less that from scratch: {interval(resampled[name] - scratch)} (95 %), above zero in "
            f"{np.mean(resampled[name] > scratch):.1%} of {BOOTSTRAP:,} resamples of {len(truth)} chromosomes; "
            f"{np.mean(shares):.1%} of tensors inherited (at least {min(shares):.1%})."
        )
    told = [f"{name}: {seconds(side)}" for name, side in [*heirs.items(), ("1 epoch from scratch", alone)]]
    return [*lines, "", f"Seconds a candidate, one thread. {'; '.join(told)}; {LONG} epochs: {seconds(worth)}."]


def accuracies(evaluations: Sequence[Evaluation]) -> np.ndarray:
    return np.array([evaluation.metrics["accuracy"] for evaluation in evaluations])


def interval(values: np.ndarray) -> str:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return f"{low:.3f} to {high:.3f}"


def seconds(evaluations: Sequence[Evaluation]) -> str:
    return f"{np.mean([evaluation.seconds for evaluation in evaluations]):.1f}"


def main() -> None:
    options = parser(__doc__, chromosomes=40, runs=Path("runs") / "weight_inheritance").parse_args()
    lines = study(options.runs.resolve(), options.chromosomes)
    about = (
        f"{options.chromosomes} random chromosomes of `space=tsenas` (C=4, 4 to 6 cells, up to 2 reductions), "
        f"{TRAINED:,} training images of Fashion-MNIST, scored on {VALIDATED:,} others of its training images. The "
        f"supernet of all known cells at every width was trained for {SUPERNET_EPOCHS} epochs, on the training images "
        "alone."
    )
    write("weight_inheritance", "What inherited weights say of a network after one epoch", about, lines)


if __name__ == "__main__":
    main()
