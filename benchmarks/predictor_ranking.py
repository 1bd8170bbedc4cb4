"""How the models of `estimator=predictor` rank NAS-Bench-201, and how often the truth is in their 90% intervals.

    python benchmarks/predictor_ranking.py [--seeds 3]

Writes `benchmarks/results/predictor_ranking.md`.
"""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau, norm

from nasforge import Context, build, find_table, rng_of
from nasforge.data import NoData
from reporting import parser, spread, write

os.environ.setdefault("NASFORGE_DATA", str(Path(__file__).parents[2] / "shared" / "data"))
MODELS = ("gp", "boosting", "forest", "mlp", "ridge")
TASKS = ("cifar10", "cifar100", "imagenet16_120")
SAMPLES = (100, 400)
OTHERS = 500
"""Random architectures to rank."""
SPACE = build("space", {"name": "nasbench201"})
CONTEXT = Context(SPACE, NoData(), "cpu", 1, seed=0)  # type: ignore[arg-type]


def ranked(samples: int, model: str, task: str, seed: int) -> tuple[float, float]:
    """Kendall's tau over the other architectures, and the share of them in their intervals."""
    options = {"name": "predictor", "model": model, "dataset": task, "samples": samples, "seed": seed}
    estimator, rng = build("estimator", options), rng_of("others", seed)
    others = list(dict.fromkeys(SPACE.sample(rng) for _ in range(OTHERS)))
    estimates = [estimate.metrics for estimate in estimator.estimate_many(others, CONTEXT)]
    predicted, deviations = (
        np.array([metrics[name] for metrics in estimates]) for name in ("accuracy", "accuracy_deviation")
    )
    table = find_table("nasbench201")
    (column,) = (column for column in table.of_dataset(task) if column.metric == "accuracy")
    true = table.values(column)[[table.row(SPACE.encode(architecture)) for architecture in others]]
    inside = np.abs(true - predicted) <= norm.ppf(0.95) * deviations
    return float(kendalltau(predicted, true).statistic), float(inside.mean())


def main() -> None:
    seeds = parser(__doc__, seeds=3).parse_args().seeds
    cases = list(itertools.product(SAMPLES, MODELS, TASKS, range(seeds)))
    with ProcessPoolExecutor(len(TASKS)) as processes:
        results = dict(zip(cases, processes.map(ranked, *zip(*cases, strict=True)), strict=True))
    lines = []
    for samples in SAMPLES:
        for column, title in enumerate(("Kendall's tau", "Share of true accuracies in the 90% interval")):
            lines += [f"{title}, {samples} examples:", "", f"| model | {' | '.join(TASKS)} |", "| --- |" + " --- |" * 3]
            for model in MODELS:
                cells = [
                    spread([results[samples, model, task, seed][column] for seed in range(seeds)]) for task in TASKS
                ]
                lines.append(f"| {model} | {' | '.join(cells)} |")
            lines.append("")
    about = (
        "12-epoch validation accuracies, predicted by `estimator=predictor` with default options from random examples, "
        f"for {OTHERS} other draws of cells, some of which may be examples; mean ± deviation over {seeds} seeds. "
        "White et al. (NeurIPS 2021) show such correlations in figures; no numbers of theirs are compared here."
    )
    write("predictor_ranking", "How predictors rank NAS-Bench-201", about, lines)


if __name__ == "__main__":
    main()
