"""How well latencies are predicted from a few measurements: on devices that others measured, and on this CPU.

    python benchmarks/device_latency.py published [--seeds 10] [--samples 20]
    python benchmarks/device_latency.py measured --folder FOLDER [--rounds 20]

`published` leaves out one device at a time of HELP's tables (Lee et al. 2021): the latencies of random networks on it
are predicted from those of `samples` others, and from all networks' latencies on the devices that are left.
`measured` times networks of two spaces here with `nasforge measure-latency`, which an interrupted command continues.
They write `benchmarks/results/device_latency.md` and `benchmarks/results/own_latency.md`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from nasforge import Measurements, build
from nasforge.command import cli
from nasforge_plugins.estimator.latency.features import LatencyFeatures, indicators
from nasforge_plugins.estimator.latency.regression import Features, Regression
from reporting import parser, spread, write

DATA = Path(os.environ.get("NASFORGE_SHARED") or Path(__file__).parents[2] / "shared") / "data"
SUMS = ("pixel3", "raspi4", "fpga", "eyeriss")
ENOUGH = 200
"""Samples from which a sum over FBNet's layers, of rank 177, can be recovered."""
MANY = 4000
SOURCES = ["1080ti_1", "1080ti_32", "silver_4114", "silver_4210r", "samsung_a50", "pixel3", "essential_ph_1",
           "samsung_s7", "titanx_1", "titanx_32", "gold_6240"]  # fmt: skip
"""Devices from which HELP learned or chose its model, besides the largest batches of two GPUs."""
HELP = {
    "nasbench201": {"titan_rtx_256": 0.987, "gold_6226": 0.989, "pixel2": 0.802, "raspi4": 0.890, "eyeriss": 0.940,
                    "fpga": 0.985},
    "fbnet": {"raspi4": 0.887, "eyeriss": 0.943, "fpga": 0.892},
}  # fmt: skip
"""Published rank correlations of HELP from 10 samples: tables 3 and 2 of its README, commit 11970ec7."""
HELP_SAMPLES = 10
MEASURED, PREDICTED_FROM = 70, 20


class Devices(NamedTuple):
    """Latencies of a space's networks: `vectors` (networks, decisions), `latencies` (networks, devices)."""

    space: str
    vectors: np.ndarray
    names: list[str]
    latencies: np.ndarray

    @property
    def decisions(self) -> Features:
        return Features(indicators(self.vectors, (self.vectors.max(0) + 1).tolist()), quantities=False)

    def known(self, names: Sequence[str]) -> Features:
        return Features(self.latencies[:, [self.names.index(name) for name in names]], quantities=True)

    def family(self, name: str) -> set[str]:
        """The settings of the same device: its other batch sizes."""
        model, _, batch = name.rpartition("_")
        gpu = batch.isdecimal() and int(batch) in (1, 32, 64, 256) and f"{model}_32" in self.names
        return {other for other in self.names if gpu and other.rpartition("_")[0] == model} | {name}


def nasbench201() -> Devices:
    with np.load(DATA / "nasbench201.npz") as cells, np.load(DATA / "hwnasbench201.npz") as table:
        assert (cells["arch_str"] == table["arch_str"]).all()
        return Devices("nasbench201", cells["ops"].astype(int), table["devices"].tolist(), table["latency_ms"])


def help_table(space: str) -> Devices:
    with np.load(DATA / "atlas" / f"help_{space}.npz") as table:
        names = [key.removeprefix("latency_") for key in table.files if key.startswith("latency_")]
        latencies = np.column_stack([table[f"latency_{name}"].astype(float) for name in names])
        return Devices(space, table["arch"].astype(int), names, latencies)


def once_for_all() -> Devices:
    """Without the kernels and expansions of blocks that a depth leaves out, and with choices as indices."""
    table = help_table("ofa")
    vectors = table.vectors.copy()
    absent = np.tile(np.arange(4), 5)[None] >= np.repeat(vectors[:, 40:45], 4, axis=1)
    vectors[:, :20][absent] = vectors[:, 20:40][absent] = 0
    indices = [np.unique(column, return_inverse=True)[1] for column in vectors.T]
    return table._replace(vectors=np.column_stack(indices))


def correlation(groups: Sequence[Features], latencies: np.ndarray, samples: int, seed: int) -> float:
    """Spearman's correlation on all other networks of a regression on random ones."""
    known = np.random.default_rng(seed).choice(latencies.size, samples, replace=False)
    rest = np.setdiff1d(np.arange(latencies.size), known)
    regression = Regression.fit([taken(group, known) for group in groups], latencies[known])
    return float(spearmanr(regression.predict([taken(group, rest) for group in groups]), latencies[rest]).statistic)


def taken(group: Features, rows: np.ndarray) -> Features:
    return Features(group.values[rows], group.quantities)


@dataclass
class Left:
    """Correlations by device, one for each seed, with all settings of the device left out, and with one left out."""

    device: dict[str, list[float]]
    setting: dict[str, list[float]]

    @classmethod
    def of(cls, table: Devices, samples: int, seeds: int) -> Left:
        def each(left_out: Callable[[str], set[str]]) -> dict[str, list[float]]:
            return {name: list(runs(name, left_out(name))) for name in table.names}

        def runs(name: str, left_out: set[str]) -> Iterator[float]:
            groups = [table.known([other for other in table.names if other not in left_out]), table.decisions]
            truth = table.latencies[:, table.names.index(name)]
            return (correlation(groups, truth, samples, seed) for seed in range(seeds))

        return cls(each(table.family), each(lambda name: {name}))


def over_seeds(correlations: dict[str, list[float]], but: Sequence[str] = ()) -> list[float]:
    """The mean over devices, for each seed."""
    return np.mean([values for name, values in correlations.items() if name not in but], axis=0).tolist()


def worst(correlations: dict[str, list[float]]) -> str:
    name = min(correlations, key=lambda device: np.mean(correlations[device]))
    return f"{name} {spread(correlations[name], decimals=3)}"


def summary(tables: dict[str, Left]) -> Iterator[str]:
    yield "| networks | settings | device left out | worst | setting left out | worst |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for space, left in tables.items():
        yield (
            f"| {space} | {len(left.device)} | **{spread(over_seeds(left.device), decimals=4)}** | "
            f"{worst(left.device)} | {spread(over_seeds(left.setting), decimals=4)} | {worst(left.setting)} |"
        )
    both = [tables["nasbench201"].device, tables["fbnet"].device]
    mean = np.mean([over_seeds(correlations) for correlations in both], axis=0).tolist()
    yield f"| nasbench201 and fbnet | {sum(map(len, both))} | **{spread(mean, decimals=4)}** | | | |"


def sums(fbnet: Devices, left: Left) -> Iterator[str]:
    decisions = fbnet.decisions
    errors = {}
    for name in SUMS:
        truth = fbnet.latencies[:, fbnet.names.index(name)]
        known = np.random.default_rng(0).choice(truth.size, ENOUGH, replace=False)
        errors[name] = float(
            np.abs(Regression.fit([taken(decisions, known)], truth[known]).predict([decisions]) / truth - 1).max()
        )
    yield (
        f"FBNet's {', '.join(SUMS)} are exact sums over layers, so look-up tables and not measurements: from "
        f"{ENOUGH} networks and without any known device, all 5,000 are recovered with a largest relative error of "
        f"{max(errors.values()):.0e}, which is the rounding of the table's 32-bit numbers. Their "
        f"mean here is {spread(over_seeds({name: left.device[name] for name in SUMS}), decimals=4)}; that of "
        f"the other {len(left.device) - len(SUMS)} settings, which were measured, "
        f"{spread(over_seeds(left.device, SUMS), decimals=4)}."
    )


def against_help(tables: Sequence[Devices], seeds: int) -> Iterator[str]:
    yield "| networks | device | HELP, published | here |"
    yield "| --- | --- | --- | --- |"
    for table in tables:
        largest = [name for name in table.names if name.startswith(("1080ti_", "titanx_")) and name not in SOURCES]
        groups = [table.known([*SOURCES, *largest]), table.decisions]
        ours = []
        for name, published in HELP[table.space].items():
            truth = table.latencies[:, table.names.index(name)]
            ours.append([correlation(groups, truth, HELP_SAMPLES, seed) for seed in range(seeds)])
            yield f"| {table.space} | {name} | {published:.3f} | {spread(ours[-1], decimals=3)} |"
        mean = np.mean(list(HELP[table.space].values()))
        yield f"| {table.space} | mean | **{mean:.3f}** | **{spread(np.mean(ours, axis=0).tolist(), decimals=3)}** |"


def by_device(table: Devices, left: Left, seeds: int) -> Iterator[str]:
    yield (
        f"| {table.space} | device left out | setting left out | no known device | {MANY:,} networks, no known device |"
    )
    yield "| --- | --- | --- | --- | --- |"
    for name in sorted(table.names, key=lambda name: np.mean(left.device[name])):
        truth = table.latencies[:, table.names.index(name)]
        alone = [correlation([table.decisions], truth, PREDICTED_FROM, seed) for seed in range(seeds)]
        yield (
            f"| {name} | {spread(left.device[name], decimals=3)} | {spread(left.setting[name], decimals=3)} | "
            f"{spread(alone, decimals=3)} | {ridge(table.decisions.values, truth):.3f} |"
        )


def ridge(decisions: np.ndarray, truth: np.ndarray) -> float:
    """The correlation of a linear model of the decisions, fitted to many networks: about what noise leaves."""
    rows = np.random.default_rng(0).permutation(truth.size)
    known, rest = rows[:MANY], rows[MANY:]
    centered = decisions - decisions[known].mean(0)
    penalized = centered[known].T @ centered[known] + np.eye(decisions.shape[1])
    weights = np.linalg.solve(penalized, centered[known].T @ (truth[known] - truth[known].mean()))
    return float(spearmanr(centered[rest] @ weights, truth[rest]).statistic)


def published(seeds: int, samples: int) -> None:
    tables = {table.space: table for table in (nasbench201(), help_table("fbnet"), once_for_all())}
    left = {space: Left.of(table, samples, seeds) for space, table in tables.items()}
    about = (
        f"Spearman's correlation between predicted and true latencies of all networks but the {samples} random "
        f"ones that were "
        f"measured on the new device; mean ± deviation over {seeds} samples. With a device left out, so are its "
        f"other batch sizes; "
        "with a setting left out, they are known. Devices of HELP (NeurIPS 2021) and HW-NAS-Bench (ICLR 2021), "
        "whose numbers nobody here measured."
    )
    lines = [
        *summary(left),
        "",
        *sums(tables["fbnet"], left["fbnet"]),
        "",
        f"## With HELP's devices and its {HELP_SAMPLES} samples",
        "",
        "The same devices are known as those from which HELP was trained and chosen. HELP's samples are ten "
        "fixed networks; here they are random.",
        "",
        *against_help([tables["nasbench201"], tables["fbnet"]], seeds),
        "",
        "## Each setting",
        "",
    ]
    for space, table in tables.items():
        lines += [*by_device(table, left[space], seeds), ""]
    write("device_latency", "Latencies of devices that others measured", about, lines)


def measured(folder: Path, rounds: int, seeds: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"| space | clock | latencies, ms | a network's middle half | two halves of the rounds | noise allows | "
        f"Spearman, {MEASURED - PREDICTED_FROM} others | relative error, median | 90 % below |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for space in ("nasbench201", "mobilenet"):
        for clock in ("wall", "processor"):
            path = folder / f"{space}_{clock}.json"
            words = (f"space={space}", f"samples={MEASURED}", f"rounds={rounds}", f"clock={clock}", f"out={path}")
            if status := cli.run(["measure-latency", *words]):
                sys.exit(status)
            measurements = Measurements.read(path)
            lines.append(_row(space, clock, measurements, seeds))
    machine = measurements.machine
    about = (
        f"{MEASURED} random networks of each space, one image of 32 pixels and one thread, {rounds} rounds in "
        f"turn, on {machine['device']} "
        f"with torch {machine['torch']}; two processors, which other programs were using. From {PREDICTED_FROM} "
        f"of them the latencies of the other "
        f"{MEASURED - PREDICTED_FROM} are predicted from the work of their layers, without known devices; mean "
        f"± deviation over {seeds} divisions. "
        "Because of noise, even the true latencies would correlate with the measured ones only as far as two "
        "halves of the rounds say (Spearman-Brown). Wall time includes the turns of other "
        "programs; processor time does not."
    )
    write(
        "own_latency",
        "Latencies measured on this processor, and predictions of others",
        about,
        [*lines, "", "On a GPU (`device=cuda`): not measured: no GPU here."],
    )


def _row(space: str, clock: str, measurements: Measurements, seeds: int) -> str:
    groups = LatencyFeatures(build("space", measurements.space), measurements, None)(measurements.architectures)
    truth, correlations, errors = measurements.latencies, [], []
    for seed in range(seeds):
        rows = np.random.default_rng(seed).permutation(truth.size)
        known, rest = rows[:PREDICTED_FROM], rows[PREDICTED_FROM:]
        regression = Regression.fit([taken(group, known) for group in groups], truth[known])
        predictions = regression.predict([taken(group, rest) for group in groups])
        correlations.append(float(spearmanr(predictions, truth[rest]).statistic))
        errors.append(np.abs(predictions / truth[rest] - 1))
    medians, most = ([float(np.quantile(each, share)) for each in errors] for share in (0.5, 0.9))
    return (
        f"| {space} | {clock} | {truth.min():.2f} to {truth.max():.2f} | {np.median(measurements.spread):.1%} | "
        f"{measurements.reliability:.3f} | {_noise_allows(measurements.reliability):.3f} | "
        f"**{spread(correlations, decimals=3)}** | {spread(medians, 100, 1)} % | "
        f"{spread(most, 100, 1)} % |"
    )


def _noise_allows(halves: float) -> float:
    """The correlation of all rounds' medians with the truth, from that of two halves of the rounds (Spearman-Brown)."""
    return float(np.sqrt(2 * halves / (1 + halves)))


if __name__ == "__main__":
    command = parser(__doc__, seeds=10, samples=PREDICTED_FROM, rounds=20, folder="device_latency")
    command.add_argument("what", choices=("published", "measured"))
    arguments = command.parse_args()
    if arguments.what == "published":
        published(arguments.seeds, arguments.samples)
    else:
        measured(Path(arguments.folder), arguments.rounds, arguments.seeds)
