"""How supernets rank networks of a user's ResNet and of `mobilenet`, against training each of them alone, on digits.

    python benchmarks/module_ranking.py [--seeds 3] [--networks 20] [--only mobilenet] [--folder runs/module_ranking]

Random networks of each space are trained alone several times, for a few epochs, after which they still differ.
Supernets are trained by uniform paths, by fair paths and by the sandwich rule. They score the same networks on images
that they were not trained on, with BatchNorm statistics of each network's own. How far the ranking could agree is
bounded by how alike two halves of the trainings rank the networks. Finished parts are kept in the folder, so the
command goes on after a kill. Writes `benchmarks/results/module_ranking.md`; with `--only`, the rows of everything else
stay as they are there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nasforge import Architecture, Context, SearchData, SearchSpace, isolated, rng_of
from nasforge.config.configuration import compose
from nasforge.journal.journal import write_json
from nasforge.networks.sizes import network_size
from nasforge.registry.entry_points import build
from ranking_tables import Rows, Scores, Training, earlier, replaced, report, rows_of
from reporting import parser, write
from searches import searched


@dataclass(frozen=True)
class Study:
    """A space, and how its networks and supernets are trained.

    Attributes:
        alone: how many trainings of each network, by their epochs.
        supernets: how each kind of them is trained.
        decision: what the networks and their scores are grouped by.
        draw: which random networks are drawn.
    """

    words: Sequence[str]
    alone: Mapping[int, int]
    supernets: Sequence[Training]
    decision: str
    draw: str = "module ranking"


MOBILENET = [
    "space=mobilenet", "space.widths=[4,4,6,8,12,16,20,24,48]", "space.multipliers=[0.5,1.0,2.0]", "space.depths=[1,2]",
]  # fmt: skip
FAIR_IN_PARTS = [Training("fair", epochs, 20, 0.05, "width_in_quarters") for epochs in (81, 27)]
STUDIES = {
    "a user's ResNet": Study(
        ["space=module", "space.target=users_resnet:ResNet"],
        {8: 8}, [Training("sandwich", 160), Training("uniform", 160)], "third_width",
    ),
    "mobilenet": Study(
        MOBILENET,
        {8: 8, 20: 1},
        [*FAIR_IN_PARTS, Training("fair", 81, 20, 0.05),
         *(Training("sandwich", epochs, clip=9, split="width_in_quarters") for epochs in (28, 16, 80)),
         Training("sandwich", 80), Training("sandwich", 80, clip=20), Training("sandwich", 160),
         Training("uniform", 80)],
        "width_in_quarters",
    ),
    "mobilenet, 20 others": Study(MOBILENET, {8: 8}, FAIR_IN_PARTS, "width_in_quarters", "other networks"),
}  # fmt: skip
SAMPLINGS = {"sandwich": 4, "uniform": 1, "fair": 3}
"""How many paths a step passes; a fair one, as many as the largest number of options, which is 3 in `mobilenet`."""
DATA = ["data=digits", "data.batch_size=32"]
OFTEN = ["executor.threads=1", "trainer.accelerator=cpu", "retrain.seeds=0", "control.samples=1"]
EVOLUTION = ["strategy.evolution.population=2", "strategy.evolution.generations=1"]
"""As short as possible: only the supernet is wanted."""


NOTE = """The rows of the ResNet, and of uniform paths for `mobilenet`, are of an earlier run of the script, against \
trainings alone of that run; the accuracies and cross-entropies of its supernets were not kept. The other rows were \
measured later, in parts. Some kinds of supernets were stopped before they had as many seeds.

Fair paths in split supernets were chosen by their results on the first 20 networks of `mobilenet`. The 20 others were \
drawn and trained after that choice. Other settings were tried before, most with one seed, and had a tau between 0.19 \
and 0.53: sandwich paths at rates of 0.05 (three seeds with gradients averaged over the paths that use a weight), \
0.1 and 0.2, twice as long at 0.1, and without weight decay; fair paths at 0.1 (two seeds).

What the rows show of `mobilenet`:

- Alone, wider networks are better, after few epochs and after more. With the weights of one supernet, they hardly are.
- Where widths share no weights (`strategy.split=width_in_quarters`) and paths are fair, tau is 0.63 ± 0.04 and \
0.60 ± 0.06 for the 20 others, after 27 and 81 epochs in each of three supernets. For the first 20, it is 0.66 ± 0.08 \
and 0.58 ± 0.14.
- These supernets order the widths, which alone have a higher tau: 0.81 for the 20 others, 0.77 for the \
first 20. Among networks of equal width, no kind of supernet has a tau above 0.42, and for the 20 others it is about 0.
- Fair paths train better than the sandwich rule: after about as many passes in one supernet, networks have accuracies \
of 0.88 to 0.92 with fair paths and of 0.80 to 0.89 with the sandwich rule. The learning rate of fair paths is higher.
- With the sandwich rule in split supernets, tau depends on the length of the training: it is 0.60 ± 0.11 after 28 \
epochs in each, and with one seed 0.23 after 16 and 0.32 after 80.
- The shared weights compute what they should: in a step of training, a network learns in a supernet what it learns \
alone from the same weights, to rounding (`tests/choices/test_slices.py`).
- One supernet was trained for twice as long by the sandwich rule. Its networks were more accurate, but closer \
together, and their order was no better: narrow networks catch up first. Wide ones were hardly more accurate than \
narrow ones on the images of the training either, so that they lack training, not generality.
- A sandwich's step adds the gradients of four paths, and its norm was limited to 5 as that of a single path is. A \
limit of 20 made no difference beyond the deviation of seeds.

That a supernet's training favors small networks is known (Jeon et al., Subnet-Aware Dynamic Supernet Training, \
arXiv 2503.10740). Their remedy, learning rates and momentum that depend on a network's size, has not been tried."""


def parts(words: Sequence[str]) -> tuple[SearchSpace, SearchData]:
    """The space and the images of a command."""
    config = compose([*words, *DATA]).config
    return build("space", config["space"]), build("data", config["data"]).for_search(0)


def drawn(study: Study, count: int) -> list[Architecture]:
    """The same random networks each time."""
    space, rng = parts(study.words)[0], rng_of(study.draw)
    return [space.sample(rng) for _ in range(count)]


def place(folder: str, study: Study, *networks: Architecture) -> Path:
    """Where supernets of a space are, or what was measured of networks; with other options, it is another place."""
    told = json.dumps([study.words, DATA, [dict(network.genes) for network in networks]])
    space = study.words[0].partition("=")[2]
    return Path(folder).absolute() / f"{space}_{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def kept(file: Path, compute: Callable[[], list[float]]) -> list[float]:
    """The content of a file, which is computed if it is not there."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, compute())
    values: list[float] = json.loads(file.read_text())
    return values


def trained_alone(folder: Path, study: Study, epochs: int, networks: Sequence[Architecture]) -> np.ndarray:
    """Validation accuracies (trainings, networks) after training each network alone on half of the images."""
    space, data = parts(study.words)
    estimator = build("estimator", {"name": "training", "epochs": epochs, "held_out": 0.5})

    def accuracy(seed: int, number: int) -> list[float]:
        with isolated(seed):
            context = Context(space, data, "cpu", 1, seed)
            return [estimator.estimate(networks[number], context).metrics["accuracy"]]

    def training(seed: int) -> list[float]:
        files = [folder / f"alone_{epochs}" / f"{seed}_{number}.json" for number in range(len(networks))]
        return [kept(file, partial(accuracy, seed, number))[0] for number, file in enumerate(files)]

    return np.array([training(seed) for seed in range(study.alone[epochs])])


def scored(
    folder: Path, supernets: Path, study: Study, training: Training, seed: int, networks: Sequence[Architecture]
) -> np.ndarray:
    """The networks' accuracies and cross-entropies (2, networks) with the weights of a supernet."""
    strategy = ["strategy=single_path", f"strategy.sampling={training.sampling}", *EVOLUTION]
    steps = [
        f"strategy.epochs={training.epochs // SAMPLINGS[training.sampling]}",
        f"strategy.optimizer.clip={training.clip:g}",
        f"strategy.optimizer.learning_rate={training.rate:g}",
        f"strategy.split={training.split or 'null'}",
    ]
    name = f"{training.sampling}_{training.epochs}_{training.clip:g}_{training.rate:g}_{training.split}_{seed}"
    run = supernets / name

    def scores() -> list[float]:
        searched(run, [*strategy, *steps, *study.words, *DATA, *OFTEN, f"seed={seed}"])
        space, data = parts(study.words)
        estimator = build("estimator", {"name": "supernet", "run": str(run)})
        found = estimator.estimate_many(networks, Context(space, data, "cpu", 1, 0))
        return [each.metrics[metric] for metric in ("accuracy", "cross_entropy") for each in found]

    return np.array(kept(folder / f"{name}.json", scores)).reshape(2, -1)


def measured(study: Study, options: Any) -> Iterator[Scores]:
    """Everything of one space, again with each supernet that is done."""
    space, data = parts(study.words)
    networks = drawn(study, options.networks)
    sizes = [
        network_size(space.build(network, data.input_shape, data.classes), data.input_shape)["params_m"]
        for network in networks
    ]
    folder, supernets = place(options.folder, study, *networks), place(options.folder, study)
    alone = {epochs: trained_alone(folder, study, epochs, networks) for epochs in study.alone}
    shared: dict[Training, np.ndarray] = {}
    for training in study.supernets:
        done: list[np.ndarray] = []
        for seed in range(options.seeds):
            done.append(scored(folder, supernets, study, training, seed, networks))
            shared[training] = np.array(done)
            yield Scores(networks, sizes, alone, shared)


def main() -> None:
    options = parser(__doc__, seeds=3, networks=20, only="", folder="runs/module_ranking").parse_args()
    os.environ["NASFORGE_MODULES"] = "users_resnet:ResNet"
    about = (
        f"{options.networks} random networks of each space; digits, half of the training images for training and half "
        f"for scores, batches of 32. Alone: mean of the trainings. Supernets: mean ± deviation "
        "over seeds; a step of the sandwich rule passes four paths, a fair one three. The options of the spaces "
        f"are in the script; the ResNet is `users_resnet.py`. torch {torch.__version__}, one thread of a CPU."
    )
    chosen = [name for name, study in STUDIES.items() if options.only in ("", study.words[0].partition("=")[2])]
    rows: Rows = earlier() if options.only else ([], [], [])
    for name in chosen:
        for scores in measured(STUDIES[name], options):
            rows = replaced(rows, rows_of(name, STUDIES[name].decision, scores))
            write("module_ranking", "How supernets rank networks of one's own modules", about, [*report(rows), NOTE])


if __name__ == "__main__":
    main()
