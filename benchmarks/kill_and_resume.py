"""Kill a search with SIGKILL at random moments, resume it, and compare the result with an undisturbed run's.

    python benchmarks/kill_and_resume.py --kills 100

Every run is a process of its own, forked from a server that has imported everything but computed nothing. Some kills
strike at a named place (half-way through a line of the journal, say), the others after a random time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

RESULTS = Path(__file__).parent / "results" / "kill_and_resume.md"
PRELOAD = ["nasforge.experiment", "nasforge_plugins.strategy.egnas", "nasforge_plugins.space.darts"]
PLACES = {  # name: (module, class, function) whose n-th call is the last thing that happens
    "supernet fit": ("nasforge.training", "FitModule", "on_train_batch_end"),
    "ES step": ("nasforge_plugins.strategy.egnas.module", "EvolvedAlphas", "_judge"),
    "checkpoint": ("nasforge.lightning_fit", "_EpochCheckpoint", "on_train_epoch_end"),
    "weights": ("nasforge.fitting", "Fits", "_commit"),
    "journal line": ("nasforge.journal", "Journal", "write"),
    "control": ("nasforge.estimates", "Estimates", "_write"),
    "retraining": ("nasforge.retraining", "", "_test_accuracy"),
    "result": ("nasforge.experiment", "", "finish"),
    "report": ("nasforge.outcome", "", "write_report"),
}
OTHERS = {"store": ("nasforge.run", "Run", "store")}
"""Places that the search of `words` does not pass."""


def images(path: Path) -> None:
    """150 of scikit-learn's digits as one's own `.npz`."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = (digits.images[:150] * (255 / 16)).round().astype(np.uint8)
    np.savez(path, train_images=pixels, train_labels=digits.target[:150], classes=np.array(list("0123456789")))


def words(data: Path) -> list[str]:
    """A search of a few seconds in which everything happens."""
    return [
        "data=arrays",
        f"data.path={data}",
        "data.batch_size=16",
        "space.channels=4",
        "space.cells=2",
        "space.partial_channels=2",
        "strategy.epochs=3",
        "strategy.warmup_epochs=1",
        "strategy.population=3",
        "retrain.epochs=2",
        "retrain.seeds=1",
        "retrain.random=1",
        "retrain.channels=4",
        "retrain.cells=2",
        "executor.threads=1",
    ]


def start(
    folder: Path, data: Path, place: str = "", call: int = 1, command: Sequence[str] = ()
) -> multiprocessing.Process:
    """Begin the search in `folder`, or go on with it, in a process that dies at the `call`-th call of `place`.

    The search is that of `words(data)`, or of another `command`.
    """
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    process: multiprocessing.Process = context.Process(target=_run, args=(folder, command or words(data), place, call))
    process.start()
    return process


def finish(folder: Path, data: Path, command: Sequence[str] = ()) -> dict[str, bytes]:
    """Run to the end, and return what must not depend on how it got there."""
    process = start(folder, data, command=command)
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"the run in {folder} ended with status {process.exitcode}")
    names = [
        "result.json",
        "architecture.json",
        *sorted(str(f.relative_to(folder)) for f in folder.rglob("*.safetensors")),
    ]
    return {name: (folder / name).read_bytes() for name in names}


def _run(folder: Path, command: Sequence[str], place: str, call: int) -> None:
    from nasforge import experiment
    from nasforge.configuration import compose

    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    if place:
        _arm(place, call)
    if (folder / "journal.jsonl").exists():
        experiment.resume(folder)
    else:
        experiment.search(compose(list(command)).config, folder)


def _arm(place: str, call: int) -> None:
    """Let the `call`-th call of a place kill this process; in the journal, after half a line."""
    import importlib

    module, owner_name, name = {**PLACES, **OTHERS}[place]
    owner: Any = importlib.import_module(module)
    owner = getattr(owner, owner_name) if owner_name else owner
    original, calls = getattr(owner, name), [0]

    def deadly(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == call:
            if place == "journal line":
                args[0]._file.write('{"checksum": "0123456789abcdef", "kind": "fi')
                args[0]._file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, name, deadly)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        images(root / "images.npz")
        finish(root / "warm", root / "images.npz")
        began = time.perf_counter()
        expected = finish(root / "undisturbed", root / "images.npz")
        seconds = time.perf_counter() - began
        equal = kills = runs = 0
        counts: dict[str, int] = {}
        while kills < arguments.kills:
            runs += 1
            folder = root / f"run-{runs}"
            for _ in range(rng.randint(1, 4)):  # several kills of one run, as a bad night would have it
                place = rng.choice([*PLACES, "random moment", "random moment"])
                process = start(
                    folder, root / "images.npz", "" if place == "random moment" else place, rng.randint(1, 12)
                )
                process.join(rng.uniform(0.1, seconds) if place == "random moment" else None)
                process.kill()
                process.join()
                if process.exitcode == -signal.SIGKILL:
                    kills += 1
                    counts[place] = counts.get(place, 0) + 1
            equal += finish(folder, root / "images.npz") == expected
            print(f"{kills} kills, {runs} runs, {equal} equal", flush=True)
    places = ", ".join(f"{place} {count}" for place, count in sorted(counts.items()))
    said = f"{equal} of {runs} runs, killed {kills} times in all ({places}), ended equal to the undisturbed run"
    print(f"\n{said}")
    command = f"python benchmarks/kill_and_resume.py --kills {arguments.kills} --seed {arguments.seed}"
    RESULTS.write_text(f"# Killed and resumed\n\n`{command}`\n\ntorch {torch.__version__}, CPU: {said}.\n")
    if equal != runs:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
