"""How supernets rank networks of a user's ResNet and of `mobilenet`, against training each of them alone, on digits.

    python benchmarks/module_ranking.py [--seeds 3] [--networks 20] [--folder runs/module_ranking]

Random networks of each space are trained alone, twice each, for a few epochs, after which they still differ. Supernets
are trained by uniform single paths and by the sandwich rule, for equally many passes of a path, and score the same
networks on images that they were not trained on, with BatchNorm statistics of each network's own. The second training
alone says how far the ranking could agree: two trainings of the same networks do not rank them alike. Finished parts
are kept in the folder, so the command goes on after a kill. Writes `benchmarks/results/module_ranking.md`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
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

SPACES = {
    "a user's ResNet": ["space=module", "space.target=users_resnet:ResNet"],
    "mobilenet": [
        "space=mobilenet", "space.widths=[8,8,12,16,24,32,40,48,96]", "space.multipliers=[0.5,1.0,2.0]",
        "space.depths=[1,2]",
    ],
}  # fmt: skip
SAMPLINGS = {"sandwich": 4, "uniform": 1}
"""How many paths a step passes."""
DATA = ["data=digits", "data.batch_size=32"]
OFTEN = ["executor.threads=1", "trainer.accelerator=cpu", "retrain.seeds=0", "control.samples=1"]
EVOLUTION = ["strategy.evolution.population=2", "strategy.evolution.generations=1"]
"""As short as possible: only the supernet is wanted."""
EPOCHS, SUPERNET_EPOCHS = 8, 80
TRAININGS = 2


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


def trained_alone(folder: Path, words: Sequence[str], networks: Sequence[Architecture]) -> np.ndarray:
    """Validation accuracies (trainings, networks) after training each network alone on half of the images."""
    space, data = parts(words)
    estimator = build("estimator", {"name": "training", "epochs": EPOCHS, "held_out": 0.5})

    def accuracies(number: int) -> list[float]:
        values = []
        for seed in range(TRAININGS):
            with isolated(seed):
                context = Context(space, data, "cpu", 1, seed)
                values.append(estimator.estimate(networks[number], context).metrics["accuracy"])
        return values

    files = [folder / f"{number}.json" for number in range(len(networks))]
    return np.array([kept(file, partial(accuracies, number)) for number, file in enumerate(files)]).T


def scored(
    folder: Path, words: Sequence[str], sampling: str, seed: int, networks: Sequence[Architecture]
) -> np.ndarray:
    """The networks' accuracies (networks,) with the weights of a supernet."""
    epochs = SUPERNET_EPOCHS // SAMPLINGS[sampling]
    strategy = ["strategy=single_path", f"strategy.sampling={sampling}", f"strategy.epochs={epochs}", *EVOLUTION]
    run = folder / f"{sampling}_{seed}"
    searched(run, [*strategy, *words, *DATA, *OFTEN, f"seed={seed}"])

    def accuracies() -> list[float]:
        space, data = parts(words)
        estimator = build("estimator", {"name": "supernet", "run": str(run)})
        scores = estimator.estimate_many(networks, Context(space, data, "cpu", 1, 0))
        return [score.metrics["accuracy"] for score in scores]

    return np.array(kept(folder / f"{sampling}_{seed}.json", accuracies))


def tau(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(kendalltau(ours, theirs).statistic)


def rows(alone: dict[str, np.ndarray], taus: dict[tuple[str, str], list[float]]) -> Iterator[str]:
    """The tables of both questions."""
    yield "| networks of | accuracy alone | deviation between networks | of one training | tau of two trainings |"
    yield "| --- | --- | --- | --- | --- |"
    for space, accuracies in alone.items():
        between, of_one = accuracies.mean(0).std(ddof=1), (accuracies[0] - accuracies[1]).std(ddof=1) / 2**0.5
        low, high = accuracies.min(), accuracies.max()
        yield f"| {space} | {low:.2f} to {high:.2f} | {between:.3f} | {of_one:.3f} | **{tau(*accuracies):.2f}** |"
    yield from ("", "| networks of | supernet trained by | seeds | Kendall's tau |", "| --- | --- | --- | --- |")
    for space in alone:
        for sampling in SAMPLINGS:
            values = taus.get((space, sampling), [])
            shown = f"**{spread(values)}**" if values else "not measured"
            yield f"| {space} | {sampling} paths | {len(values)} | {shown} |"


def main() -> None:
    options = parser(__doc__, seeds=3, networks=20, folder="runs/module_ranking").parse_args()
    os.environ["NASFORGE_MODULES"] = "users_resnet:ResNet"
    about = (
        f"{options.networks} random networks of each space; digits, half of the training images for training and half "
        f"for scores, batches of 32. Alone: {EPOCHS} epochs, mean of {TRAININGS} trainings. Supernets: "
        f"{SUPERNET_EPOCHS} epochs of one path, mean ± deviation over seeds. `{SPACES['mobilenet'][1]}` and its other "
        f"options are in the script; the ResNet is `users_resnet.py`. torch {torch.__version__}, one thread of a CPU."
    )
    folders = {name: Path(options.folder).absolute() / words[0].partition("=")[2] for name, words in SPACES.items()}
    networks = {name: drawn(words, options.networks) for name, words in SPACES.items()}
    alone = {name: trained_alone(folders[name] / "alone", SPACES[name], those) for name, those in networks.items()}
    taus: dict[tuple[str, str], list[float]] = {}
    for name, words in SPACES.items():
        for sampling in SAMPLINGS:
            for seed in range(options.seeds):
                scores = scored(folders[name], words, sampling, seed, networks[name])
                taus.setdefault((name, sampling), []).append(tau(scores, alone[name].mean(0)))
                write("module_ranking", "How supernets rank networks of one's own modules", about, rows(alone, taus))


if __name__ == "__main__":
    main()
