"""Training from scratch by the recipe of DARTS and by a recipe of today, for as many epochs.

    python benchmarks/retraining_recipes.py [--epochs 30] [--seeds 2] [--runs runs/retraining_recipes]

DARTS_V2 on scikit-learn's digits, at the default small size. A finished training is read, an interrupted one resumed.
Writes `benchmarks/results/retraining_recipes.md`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from nasforge.command import cli
from reporting import parser, spread, write

RECIPES = {"retrain.batch_size=128": "default", "+experiment=retrain_modern": "modern"}
"""What is added to the command, and the name of the run's folder."""


def accuracies(folder: Path, words: Sequence[str]) -> list[float]:
    """The test accuracy of each seed, after `nasforge retrain` with these words."""
    if not (folder / "result.json").exists():
        started = (folder / "journal.jsonl").exists()
        command = ["resume", str(folder)] if started else ["retrain", *words, f"hydra.run.dir={folder}"]
        if status := cli.run(command):
            raise SystemExit(status)
    result = json.loads((folder / "result.json").read_text())
    (trained,) = result["retrain"]["rows"]
    return [float(accuracy) for accuracy in trained["test_accuracy"]]


def main() -> None:
    options = parser(__doc__, epochs=30, seeds=2, runs=Path("runs") / "retraining_recipes").parse_args()
    common = ["architecture=DARTS_V2", "data=digits", f"retrain.seeds={options.seeds}", "retrain.random=0"]
    common += ["executor.threads=1", f"retrain.epochs={options.epochs}"]
    lines = ["| options | test accuracy, % |", "| --- | ---: |"]
    for recipe, name in RECIPES.items():
        measured = accuracies(options.runs.resolve() / name, [*common, recipe])
        lines.append(f"| `{recipe}` | {spread(measured, 100)} |")
    about = (
        f"`nasforge retrain {' '.join(common)}` and the options of a row; without any, the recipe is that of DARTS. "
        f"Each network is tested once, after its last epoch. Mean ± sample deviation over {options.seeds} seeds."
    )
    write("retraining_recipes", f"Two recipes for {options.epochs} epochs of training from scratch", about, lines)


if __name__ == "__main__":
    main()
