"""What the papers' sizes would cost on a GPU: extrapolated from steps that were timed once, not measured.

    python benchmarks/gpu_hours.py

The numbers of steps come from the experiments. Each step takes the time of a timed one, in proportion to its cells; a
captured step also in proportion to its work if that is more than the timed one's, and an eager step takes at least as
long as a captured one. Reading and augmenting images, Lightning's loop, the control and tests are left out, and so is
the supernet of TS-ENAS. Writes `benchmarks/results/gpu_hours.md`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from nasforge import network_size
from nasforge.config.configuration import compose
from nasforge_plugins.space.darts import DARTS
from reporting import parser, write

CONF = Path(__file__).parents[1] / "conf/experiment"
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


def candidates(config: dict[str, Any]) -> Hours:
    """Random search: so many networks of the space of DARTS, each trained from scratch."""
    training = config["estimator"]["training"]
    images = int(training["images"] or (1 - training["held_out"]) * IMAGES[config["data"]["name"]])
    steps = training["epochs"] * math.ceil(images / config["data"]["batch_size"])
    return Hours.of(EVALUATION, config["budget"]["evaluations"] * steps, training["cells"], 0)


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


def sweep(name: str) -> Iterator[dict[str, Any]]:
    """The configuration of each job of a sweep that an experiment declares."""
    values = yaml.safe_load((CONF / f"{name}.yaml").read_text())["hydra"]["sweeper"]["params"]
    words = [f"+experiment={name}", *(f"{key}={value}" for key, value in values.items())]
    for batch in BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(words), None):
        yield from (compose(job).config for job in batch)


def small(config: dict[str, Any]) -> Hours:
    """A search of EG-NAS on CIFAR."""
    return egnas(config, IMAGES["cifar10"] / 2, 32 * 32)


def large(config: dict[str, Any]) -> Hours:
    """A search of EG-NAS on a part of ImageNet, whose maps have 28 x 28 pixels after the stem."""
    return egnas(config, config["data"]["search_training"] * IMAGES["imagenet"], 28 * 28)


ROWS: Mapping[str, Callable[[dict[str, Any]], Hours]] = {
    "egnas_cifar10": small,
    "egnas_fitness_cifar10": small,
    "egnas_fitness_grid_cifar10": small,
    "egnas_population_cifar10": small,
    "egnas_imagenet": large,
    "egnas_nasbench201": looked_up,
    "darts_cifar10": lambda config: gradients(config, WHOLE),
    "pc_darts_cifar10": lambda config: gradients(config, PARTIAL),
    "medarts_cifar10": stages,
    "random_search_images_cifar10": candidates,
    "random_search_resolution_cifar10": candidates,
    "tsenas_cifar10": chains,
    "retrain_cifar10": retraining,
    "retrain_imagenet": retraining,
}
"""The hours of an experiment's search, or of one training of a recipe."""


def rows() -> Iterator[str]:
    """Each experiment with the number of its searches and their hours."""
    for name, hours_of in ROWS.items():
        sweeps = "sweeper:" in (CONF / f"{name}.yaml").read_text()
        configs = list(sweep(name)) if sweeps else [compose([f"+experiment={name}"]).config]
        hours = sum(map(hours_of, configs), Hours())
        yield f"| `{name}` | {len(configs)} | {rounded(hours.eager)} | {rounded(hours.graph)} |"


def rounded(hours: float) -> str:
    """To two digits."""
    return "not timed" if math.isnan(hours) else f"{float(f'{hours:.2g}'):g}"


def main() -> None:
    parser(__doc__).parse_args()
    training = retraining(compose(["+experiment=retrain_imagenet"]).config)
    about = (
        "**Extrapolated, not measured.** Hours on one NVIDIA H200 in fp32. Four steps were timed on one (torch "
        "2.11.0+cu130, medians of ten; eager and as a CUDA graph): of a supernet of 16 channels and 8 cells with K=4 "
        f"and 256 images {PARTIAL.eager} and {PARTIAL.graph} ms, its forward pass {SCORED.eager} and {SCORED.graph} "
        f"ms, with K=1 and 64 images {WHOLE.eager} and {WHOLE.graph} ms; of DARTS_V2 with 36 channels, 20 cells and 96 "
        f"images {EVALUATION.eager} and {EVALUATION.graph} ms. A search on NAS-Bench-201 is extrapolated from the 16 "
        "seconds of a whole fit, of 3 epochs of 10,000 images. Reading images, Lightning's loop, the control and tests "
        "are left out, and so is the supernet of TS-ENAS. A training on ImageNet must read "
        f"{250 * IMAGES['imagenet'] / 3600 / training.eager:,.0f} images a second to take no longer."
    )
    lines = ["| experiment | searches or trainings | hours, eager | hours, captured |", "| --- | ---: | ---: | ---: |"]
    lines += rows()
    write("gpu_hours", "GPU hours of the papers' sizes", about, lines)


if __name__ == "__main__":
    main()
