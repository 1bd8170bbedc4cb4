"""How supernets rank networks of a user's ResNet and of `mobilenet`, against training each of them alone, on digits.

    python benchmarks/module_ranking.py [--seeds 3] [--networks 20] [--folder runs/module_ranking]

Random networks of each space are trained alone several times, for a few epochs, after which they still differ.
Supernets are trained by uniform single paths and by the sandwich rule, for equally many passes of a path. They score
the same networks on images that they were not trained on, with BatchNorm statistics of each network's own. How far the
ranking could agree is bounded by how alike two halves of the trainings rank the networks. Finished parts are kept in
the folder, so the command goes on after a kill. Writes `benchmarks/results/module_ranking.md`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kendalltau

from nasforge import Architecture, Context, SearchData, SearchSpace, isolated, rng_of
from nasforge.config.configuration import compose
from nasforge.journal.journal import write_json
from nasforge.registry.entry_points import build
from reporting import parser, spread, write
from searches import searched


@dataclass(frozen=True)
class Study:
    """A space, how often each of its networks is trained alone, and its supernets for how many epochs of one path."""

    words: Sequence[str]
    trainings: int
    epochs: int


STUDIES = {
    "a user's ResNet": Study(["space=module", "space.target=users_resnet:ResNet"], 8, 160),
    "mobilenet": Study(
        ["space=mobilenet", "space.widths=[4,4,6,8,12,16,20,24,48]", "space.multipliers=[0.5,1.0,2.0]",
         "space.depths=[1,2]"],
        4, 80,
    ),
}  # fmt: skip
SAMPLINGS = {"sandwich": 4, "uniform": 1}
"""How many paths a step passes."""
DATA = ["data=digits", "data.batch_size=32"]
OFTEN = ["executor.threads=1", "trainer.accelerator=cpu", "retrain.seeds=0", "control.samples=1"]
EVOLUTION = ["strategy.evolution.population=2", "strategy.evolution.generations=1"]
"""As short as possible: only the supernet is wanted."""
EPOCHS = 8
"""How long a network is trained alone."""


def parts(words: Sequence[str]) -> tuple[SearchSpace, SearchData]:
    """The space and the images of a command."""
    config = compose([*words, *DATA]).config
    return build("space", config["space"]), build("data", config["data"]).for_search(0)


def drawn(words: Sequence[str], count: int) -> list[Architecture]:
    """The same random networks each time."""
    space, rng = parts(words)[0], rng_of("module ranking")
    return [space.sample(rng) for _ in range(count)]


def kept(file: Path, compute: Callable[[], list[float]]) -> list[float]:
    """The content of a file, which is computed if it is not there."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, compute())
    values: list[float] = json.loads(file.read_text())
    return values


def trained_alone(folder: Path, study: Study, networks: Sequence[Architecture]) -> np.ndarray:
    """Validation accuracies (trainings, networks) after training each network alone on half of the images."""
    space, data = parts(study.words)
    estimator = build("estimator", {"name": "training", "epochs": EPOCHS, "held_out": 0.5})

    def accuracy(seed: int, number: int) -> list[float]:
        with isolated(seed):
            context = Context(space, data, "cpu", 1, seed)
            return [estimator.estimate(networks[number], context).metrics["accuracy"]]

    def training(seed: int) -> list[float]:
        files = [folder / f"{seed}_{number}.json" for number in range(len(networks))]
        return [kept(file, partial(accuracy, seed, number))[0] for number, file in enumerate(files)]

    return np.array([training(seed) for seed in range(study.trainings)])


def scored(folder: Path, study: Study, sampling: str, seed: int, networks: Sequence[Architecture]) -> np.ndarray:
    """The networks' accuracies (networks,) with the weights of a supernet."""
    strategy = ["strategy=single_path", f"strategy.sampling={sampling}", *EVOLUTION]
    steps = f"strategy.epochs={study.epochs // SAMPLINGS[sampling]}"
    run = folder / f"{sampling}_{seed}"

    def accuracies() -> list[float]:
        searched(run, [*strategy, steps, *study.words, *DATA, *OFTEN, f"seed={seed}"])
        space, data = parts(study.words)
        estimator = build("estimator", {"name": "supernet", "run": str(run)})
        scores = estimator.estimate_many(networks, Context(space, data, "cpu", 1, 0))
        return [score.metrics["accuracy"] for score in scores]

    return np.array(kept(run.with_suffix(".json"), accuracies))


def tau(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(kendalltau(ours, theirs).statistic)


def tau_of_halves(accuracies: np.ndarray) -> float:
    """The mean over all splits of the trainings (trainings, networks) into halves."""
    numbers = set(range(len(accuracies)))
    halves = [half for half in combinations(sorted(numbers), len(numbers) // 2) if 0 in half]
    return float(
        np.mean([tau(accuracies[[*half]].mean(0), accuracies[[*numbers - {*half}]].mean(0)) for half in halves])
    )


def rows(alone: dict[str, np.ndarray], taus: dict[tuple[str, str], list[float]]) -> Iterator[str]:
    """The tables of both questions."""
    yield "| networks of | trainings | accuracy alone | deviation of networks | of one training | tau of two halves |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for space, accuracies in alone.items():
        between, of_one = accuracies.mean(0).std(ddof=1), accuracies.var(0, ddof=1).mean() ** 0.5
        low, high = accuracies.mean(0).min(), accuracies.mean(0).max()
        yield (
            f"| {space} | {len(accuracies)} | {low:.2f} to {high:.2f} | {between:.3f} | {of_one:.3f} | "
            f"**{tau_of_halves(accuracies):.2f}** |"
        )
    yield ""
    yield "| networks of | supernet trained by | epochs of one path | seeds | Kendall's tau |"
    yield "| --- | --- | --- | --- | --- |"
    for space, sampling in product(STUDIES, SAMPLINGS):
        values = taus.get((space, sampling), [])
        shown = f"**{spread(values)}**" if values else "not measured"
        yield f"| {space} | {sampling} paths | {STUDIES[space].epochs} | {len(values)} | {shown} |"


def main() -> None:
    options = parser(__doc__, seeds=3, networks=20, folder="runs/module_ranking").parse_args()
    os.environ["NASFORGE_MODULES"] = "users_resnet:ResNet"
    about = (
        f"{options.networks} random networks of each space; digits, half of the training images for training and half "
        f"for scores, batches of 32. Alone: {EPOCHS} epochs, mean of the trainings. Supernets: mean ± deviation over "
        "seeds; a step of the sandwich rule passes four paths. The options of the spaces "
        f"are in the script; the ResNet is `users_resnet.py`. torch {torch.__version__}, one thread of a CPU."
    )
    folders = {
        name: Path(options.folder).absolute() / study.words[0].partition("=")[2] for name, study in STUDIES.items()
    }
    networks = {name: drawn(study.words, options.networks) for name, study in STUDIES.items()}
    alone = {name: trained_alone(folders[name] / "alone", study, networks[name]) for name, study in STUDIES.items()}
    taus: dict[tuple[str, str], list[float]] = {}
    for name, study in STUDIES.items():
        for sampling, seed in product(SAMPLINGS, range(options.seeds)):
            scores = scored(folders[name], study, sampling, seed, networks[name])
            taus.setdefault((name, sampling), []).append(tau(scores, alone[name].mean(0)))
            write("module_ranking", "How supernets rank networks of one's own modules", about, rows(alone, taus))


if __name__ == "__main__":
    main()
