"""What the papers' sizes would cost on a GPU: extrapolated from steps that were timed once, not measured.

    python benchmarks/gpu_hours.py

The numbers of steps come from the experiments. Each step takes the time of a timed one, in proportion to its cells; a
captured step also in proportion to its work if that is more than the timed one's, and an eager step takes at least as
long as a captured one. Reading and augmenting images, Lightning's loop, the control and tests are left out. Writes
`benchmarks/results/gpu_hours.md`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nasforge import network_size
from nasforge.config.configuration import compose
from nasforge_plugins.space.darts import DARTS
from reporting import parser, write

CIFAR, IMAGENET = (3, 32, 32), (3, 224, 224)
IMAGES = {"cifar10": 50_000, "cifar100": 50_000, "fashion_mnist": 60_000, "imagenet": 1_281_167}


@dataclass(frozen=True)
class Timed:
    """A step on one H200 in fp32: median milliseconds of ten, eager and as a CUDA graph.

    Attributes:
        work: images times the area of the maps; of an evaluation network, images times multiply-accumulates.
    """

    eager: float
    graph: float
    cells: int
    work: float


def macs(name: str, shape: tuple[int, int, int], classes: int, channels: int, cells: int) -> float:
    """Multiply-accumulates of a published cell's network, in millions."""
    network = DARTS().build(DARTS().read(name), shape, classes, channels=channels, cells=cells)
    return network_size(network, shape)["macs_m"]


# torch 2.11.0+cu130, space=darts, C=16 with 8 cells and C=36 with 20 cells; batches of 256, 256, 64 and 96
PARTIAL = Timed(269, 132, 8, 256 * 32 * 32)
SCORED = Timed(118, 35, 8, 256 * 32 * 32)
WHOLE = Timed(350, 89, 8, 64 * 32 * 32)
EVALUATION = Timed(118, 45, 20, 96 * macs("DARTS_V2", CIFAR, 10, 36, 20))


@dataclass(frozen=True)
class Hours:
    """Hours of eager and of captured steps; they add up and multiply."""

    eager: float = 0
    graph: float = 0

    @classmethod
    def of(cls, timed: Timed, steps: float, cells: float, work: float) -> Hours:
        """So many steps, scaled from a timed one."""
        share = steps * cells / timed.cells / 3.6e6
        graph = share * timed.graph * max(1.0, work / timed.work)
        return cls(max(share * timed.eager, graph), graph)

    def __add__(self, other: Hours) -> Hours:
        return Hours(self.eager + other.eager, self.graph + other.graph)

    def __mul__(self, times: float) -> Hours:
        return Hours(times * self.eager, times * self.graph)


def egnas(config: dict[str, Any], images: float, area: int) -> Hours:
    """The fit of the weights, and the individuals that are scored in each epoch after the warm-up."""
    strategy, cells, batch = config["strategy"], config["space"]["cells"], config["data"]["batch_size"]
    steps = strategy["epochs"] * math.ceil(images / batch)
    epochs = strategy["epochs"] - strategy["warmup_epochs"]
    scores = epochs * strategy["validation_batches"] * (strategy["samples"] * strategy["population"] + 1)
    scored = strategy["validation_batch_size"] * area
    return Hours.of(PARTIAL, steps, cells, batch * area) + Hours.of(SCORED, scores, cells, scored)


def looked_up(config: dict[str, Any]) -> Hours:
    """EG-NAS on NAS-Bench-201, whose fit took 16 seconds for 3 epochs of 10,000 images, on the same H200."""
    return Hours(16 / 3 * 25_000 / 10_000 * config["strategy"]["epochs"] / 3600, math.nan)


def populations(config: dict[str, Any]) -> Hours:
    """The study of the population: every size, with every seed."""
    sizes = [10, 20, 30, 40, 50, 60]
    searches = [{**config, "strategy": {**config["strategy"], "population": size}} for size in sizes]
    return sum((egnas(search, 25_000, 32 * 32) * 3 for search in searches), Hours())


def gradients(config: dict[str, Any], timed: Timed) -> Hours:
    """A step of the alphas takes as long as one of the weights."""
    strategy, batch = config["strategy"], config["data"]["batch_size"]
    epochs = 2 * strategy["epochs"] - strategy["warmup_epochs"]
    return Hours.of(timed, epochs * math.ceil(25_000 / batch), config["space"]["cells"], 0)


def stages(config: dict[str, Any]) -> Hours:
    """ME-DARTS: every member of every stage, with as many steps of the alphas as of the weights."""
    total = Hours()
    for stage in config["strategy"]["stages"]:
        steps = 2 * stage["epochs"] * math.ceil(stage["images"] / 2 / config["data"]["batch_size"])
        total += Hours.of(WHOLE, stage["population"] * steps, stage["cells"], 0)
    return total


def chains(config: dict[str, Any]) -> Hours:
    """TS-ENAS: its candidates; a cell of ten operations counts as 1.25 of DARTS's, which have eight."""
    strategy, space, training = config["strategy"], config["space"], config["estimator"]["training"]
    networks = strategy["population"] * (1 + strategy["generations"])
    networks += 2 * strategy["fine_population"] * strategy["fine_generations"]
    images = (1 - training["held_out"]) * IMAGES[config["data"]["name"]]
    steps = networks * training["epochs"] * math.ceil(images / config["data"]["batch_size"])
    return Hours.of(EVALUATION, steps, 1.25 * (space["min_cells"] + space["max_cells"]) / 2, 0)


def retraining(config: dict[str, Any]) -> Hours:
    """One seed of a cell's evaluation phase, of the size of DARTS's."""
    how, data = config["retrain"], config["data"]["name"]
    large = data == "imagenet"
    size = macs("DARTS_V2", IMAGENET if large else CIFAR, 1000 if large else 10, how["channels"], how["cells"])
    steps = how["epochs"] * math.ceil(IMAGES[data] / how["batch_size"])
    return Hours.of(EVALUATION, steps, how["cells"], how["batch_size"] * size)


def rows() -> Iterator[tuple[str, Hours]]:
    """Each experiment in words, with its hours."""
    names = ("egnas_cifar10", "egnas_imagenet", "egnas_nasbench201", "retrain_cifar10", "retrain_imagenet")
    names += ("darts_cifar10", "pc_darts_cifar10", "medarts_cifar10", "tsenas_cifar10")
    configs = {name: compose([f"+experiment={name}"]).config for name in names}
    search = egnas(configs["egnas_cifar10"], 25_000, 32 * 32)
    part = configs["egnas_imagenet"]["data"]["search_training"] * IMAGES["imagenet"]
    yield "search, `egnas_cifar10`", search
    yield "three fitnesses, three seeds, `egnas_fitness_cifar10`", search * 9
    yield "sixteen fitness weights, `egnas_fitness_grid_cifar10`", search * 16
    yield "six populations, three seeds, `egnas_population_cifar10`", populations(configs["egnas_cifar10"])
    yield "search, `egnas_nasbench201`", looked_up(configs["egnas_nasbench201"])
    yield "search, `egnas_imagenet`", egnas(configs["egnas_imagenet"], part, 28 * 28)
    yield "search, `darts_cifar10`", gradients(configs["darts_cifar10"], WHOLE)
    yield "search, `pc_darts_cifar10`", gradients(configs["pc_darts_cifar10"], PARTIAL)
    yield "search, `medarts_cifar10`", stages(configs["medarts_cifar10"])
    yield "search, `tsenas_cifar10`, without its supernet", chains(configs["tsenas_cifar10"])
    yield "one training, `retrain_cifar10`", retraining(configs["retrain_cifar10"])
    yield "one training, `retrain_imagenet`", retraining(configs["retrain_imagenet"])


def rounded(hours: float) -> str:
    """To two digits."""
    return "not timed" if math.isnan(hours) else f"{float(f'{hours:.2g}'):g}"


def main() -> None:
    parser(__doc__).parse_args()
    about = (
        "**Extrapolated, not measured.** Hours on one NVIDIA H200 in fp32. Four steps were timed on one (torch "
        "2.11.0+cu130, medians of ten; eager and as a CUDA graph): of a supernet of 16 channels and 8 cells with K=4 "
        f"and 256 images {PARTIAL.eager} and {PARTIAL.graph} ms, its forward pass {SCORED.eager} and {SCORED.graph} "
        f"ms, with K=1 and 64 images {WHOLE.eager} and {WHOLE.graph} ms; of DARTS_V2 with 36 channels, 20 cells and 96 "
        f"images {EVALUATION.eager} and {EVALUATION.graph} ms. Reading images, Lightning's loop, the control and tests "
        "are left out."
    )
    lines = ["| what | hours, eager | hours, captured |", "| --- | ---: | ---: |"]
    lines += [f"| {what} | {rounded(hours.eager)} | {rounded(hours.graph)} |" for what, hours in rows()]
    write("gpu_hours", "GPU hours of the papers' sizes", about, lines)


if __name__ == "__main__":
    main()
