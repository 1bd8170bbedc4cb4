"""Zero-cost proxies on NAS-Bench-201 and real CIFAR-10 images: against published proxy values, and true accuracies.

    python benchmarks/proxy_correlation.py published [--cells 112] [--seconds 280] [--folder runs/proxy_correlation]
    python benchmarks/proxy_correlation.py accuracy [--cells 1000] [--seconds 280] [--folder runs/proxy_accuracy]
    python benchmarks/proxy_correlation.py accuracy_of_slow [--cells 1000] [--seconds 280]

Cells are scored through `nasforge.run.Run`, so that after `--seconds` the same command goes on where it stopped; the
last one writes `benchmarks/results/proxy_correlation.md`, `proxy_accuracy.md` or `proxy_accuracy_of_slow.md`. The
images are `cifar10.npz` in `NASFORGE_DATA`, or are unpacked into the folder from the shared data, where the published
numbers lie too.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from nasforge.architecture import Architecture, Evaluation
from nasforge.journal.journal import Journal
from nasforge.registry.entry_points import build
from nasforge.run.resources import Budget, Machinery
from nasforge.run.run import Run
from nasforge_plugins.estimator.zero_cost import ZeroCost
from nasforge_plugins.estimator.zero_cost.proxies import PROXIES
from reporting import parser, write
from searches import SHARED, cifar10_root

SPACE = build("space", {"name": "nasbench201"})
COLUMNS = {name: name for name in PROXIES} | {"jacob_cov": "jacov", "naswot": "nwot", "macs": "flops"}
"""Our names -> those of the published values."""
GOALS = {
    "synflow": 0.95,
    "snip": 0.93,
    "grad_norm": 0.93,
    "fisher": 0.90,
    "jacob_cov": 0.88,
    "l2_norm": 0.88,
}
ON_ALL = {"grad_norm": 0.594, "snip": 0.596, "grasp": 0.514, "fisher": 0.360, "synflow": 0.737, "jacob_cov": 0.731}
"""Spearman with true accuracy on all 15,625 cells, CIFAR-10: the notebook of zero-cost-nas."""
SLOW = ("grasp", "gradient_image_correlation")
"""They take as long as all others together, and have a study of accuracies to themselves."""
TOGETHER = 4


@dataclass(frozen=True)
class Published:
    """What others computed of the cells, by row of the benchmark: NaN where nothing is known."""

    notations: list[str]
    first: dict[str, np.ndarray]
    second: dict[str, np.ndarray]
    zen: np.ndarray
    accuracy: np.ndarray

    @classmethod
    def read(cls) -> Published:
        with (
            np.load(SHARED / "data" / "nasbench201_zerocost.npz") as file,
            np.load(SHARED / "data" / "nasbench201.npz") as table,
        ):
            rows = len(file["arch_str"])
            names = [str(name) for name in file["proxy_names"]]

            def spread(which: str) -> dict[str, np.ndarray]:
                whole = np.full((rows, len(names)), np.nan)
                whole[file[f"set{which}_index"]] = file[f"set{which}_score"][0]
                return {ours: whole[:, names.index(own)] for ours, own in COLUMNS.items() if own in names}

            accuracy = table["cifar10_test_acc_200ep_mean"]
            return cls(file["arch_str"].tolist(), spread("A"), spread("B"), file["zen_score"][0], accuracy)

    @property
    def scores(self) -> set[str]:
        """Our names of the proxies that somebody published."""
        return {*self.first, "zen"}

    def rows(self, count: int) -> list[int]:
        """Cells that both sets hold, then those of set A, then others, in a seeded order."""
        order = np.random.default_rng(0).permutation(len(self.notations))
        in_a, in_b = (~np.isnan(sets["params"][order]) for sets in (self.first, self.second))
        group = np.where(in_a & in_b, 0, np.where(in_a, 1, 2))
        return [int(row) for row in order[np.argsort(group, kind="stable")][:count]]


def scored(
    folder: Path, proxies: Sequence[str], cells: list[Architecture], seconds: float
) -> tuple[list[Evaluation], float]:
    """Evaluations of all cells, and the seconds that all of them took; exits if there are more to come."""
    folder.mkdir(parents=True, exist_ok=True)
    data = build("data", {"name": "cifar10", "root": str(cifar10_root(folder)), "download": False}).for_search(0)
    estimator: ZeroCost = build("estimator", {"name": "zero_cost", "proxies": list(proxies)})
    estimator.check_data(data)
    began, found = time.perf_counter(), []
    with closing(Journal(folder)) as journal:
        run = Run(
            folder,
            journal,
            space=SPACE,
            data=data,
            estimators=[estimator],
            seed=0,
            budget=Budget(),
            machinery=Machinery(trainer={"accelerator": "cpu"}, threads=1),
        )
        for start in range(0, len(cells), TOGETHER):
            found += run.estimate(cells[start : start + TOGETHER])
            if time.perf_counter() - began > seconds and len(found) < len(cells):
                sys.exit(f"{len(found)} of {len(cells)} cells are scored; the same command goes on")
    return found, sum(evaluation.seconds for evaluation in found)


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Over the cells of which both are known."""
    known = ~(np.isnan(a) | np.isnan(b))
    return float(spearmanr(a[known], b[known]).statistic) if known.sum() > 2 else float("nan")


def shown(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def column(found: Sequence[Evaluation], proxy: str) -> np.ndarray:
    """A proxy's values with the better ones above; a candidate that failed has none."""
    sign = 1.0 if PROXIES[proxy].direction == "max" else -1.0
    return np.array([sign * evaluation.metrics.get(proxy, np.nan) for evaluation in found])


def against_published(published: Published, rows: list[int], found: list[Evaluation]) -> list[str]:
    text = [
        "| proxy | with set A | goal | | with set B | set A with set B | cells without a score |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for proxy in found[0].metrics:
        ours, flagged = column(found, proxy), sum(f"{proxy} is its worst" in evaluation.reason for evaluation in found)
        a = published.first[proxy][rows] if proxy != "zen" else published.zen[rows]
        b = published.second[proxy][rows] if proxy != "zen" else np.full(len(rows), np.nan)
        reached = spearman(ours, a)
        goal = GOALS.get(proxy)
        verdict = "" if goal is None else "reached" if reached >= goal else "**missed**"
        cells = [
            f"**{shown(reached)}**",
            shown(goal or np.nan),
            verdict,
            shown(spearman(ours, b)),
            shown(spearman(a, b)),
        ]
        text.append(f"| {proxy} | {' | '.join(cells)} | {flagged or ''} |")
    return text


def against_accuracy(published: Published, rows: list[int], found: list[Evaluation]) -> list[str]:
    truth = published.accuracy[rows]
    of_a = ~np.isnan(published.first["params"][rows])
    text = [
        f"| proxy | all {len(rows):,} cells | published, all 15,625 | the {of_a.sum()} of set A | published values "
        "there | difference | cells without a score |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for proxy in found[0].metrics:
        ours, flagged = column(found, proxy), sum(f"{proxy} is its worst" in evaluation.reason for evaluation in found)
        theirs = published.zen if proxy == "zen" else published.first.get(proxy, np.full(len(published.zen), np.nan))
        here, there = spearman(ours[of_a], truth[of_a]), spearman(theirs[rows][of_a], truth[of_a])
        whole = ON_ALL.get(proxy, np.nan)
        if proxy == "zen":
            whole = spearman(published.zen, published.accuracy)
        elif proxy in ("params", "macs"):
            whole = np.nan
        cells = [f"**{shown(spearman(ours, truth))}**", shown(whole), shown(here), shown(there)]
        gap = "" if np.isnan(there) else f"{here - there:+.3f}"
        text.append(f"| {proxy} | {' | '.join(cells)} | {gap} | {flagged or ''} |")
    return text


def main() -> None:
    command_line = parser(__doc__, seconds=280.0)
    command_line.add_argument("study", choices=("published", "accuracy", "accuracy_of_slow"))
    command_line.add_argument("--cells", type=int)
    command_line.add_argument("--folder", type=Path)
    options = command_line.parse_args()
    to_published = options.study == "published"
    count = options.cells or (112 if to_published else 1000)
    name = "proxy_correlation" if to_published else f"proxy_{options.study}"
    published = Published.read()
    rows = published.rows(count)
    slow = options.study == "accuracy_of_slow"
    proxies = [proxy for proxy in PROXIES if (proxy in published.scores if to_published else (proxy in SLOW) == slow)]
    cells = [SPACE.read(published.notations[row]) for row in rows]
    found, seconds = scored(options.folder or Path("runs") / name, proxies, cells, options.seconds)
    failed = [evaluation for evaluation in found if not evaluation.ok]
    options_used: dict[str, Any] = dict(build("estimator", {"name": "zero_cost", "proxies": proxies}).options)
    options_used.pop("proxies")
    about = (
        f"{len(rows):,} cells of NAS-Bench-201, CIFAR-10 images, torch {torch.__version__}, one thread of a CPU, "
        f"{seconds / len(rows):.1f} s a cell for {len(proxies)} proxies; {len(failed)} evaluations failed. Spearman "
        "rank correlations; the sign of what is minimized is turned. Options: "
        + ", ".join(f"{key} {value}" for key, value in options_used.items())
        + "."
    )
    compared = (against_published if to_published else against_accuracy)(published, rows, found)
    lines = [*(_PUBLISHED if to_published else _ACCURACY), "", *compared]
    title = "Zero-cost proxies against " + ("published values" if to_published else "true accuracy")
    write(name, title, about, lines)


_PUBLISHED = [
    "Sets A and B are two published repetitions (NASLib's, `nasbench201_zerocost.npz`) with other initial weights and "
    "images; how they agree with each other on these cells is the noise that nobody can do better than. Zen is beside "
    "NASLib's complete file of Zen scores.",
]
_ACCURACY = [
    "True accuracy: mean test accuracy after 200 epochs. Published on all cells: the notebook of zero-cost-nas (for "
    "zen: computed here from NASLib's complete file). On set A ours stand beside the published values' own correlation "
    "with the same accuracies.",
]


if __name__ == "__main__":
    main()
