"""Kill searches with SIGKILL and SIGABRT, resume them, and compare the results with those of undisturbed runs.

    python benchmarks/kill_and_resume.py --kills 100 [--searches egnas random_search nsga2]

Every run is a separate process, forked from a server that has imported everything but computed nothing. Some kills
happen at a named place, such as halfway through a line of the journal, the others after a random time.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reporting import parser, write

PRELOAD = [
    "nasforge.experiment.experiment",
    "nasforge_plugins.strategy.egnas",
    "nasforge_plugins.strategy.nsga2",
    "nasforge_plugins.space.darts",
    "nasforge_plugins.estimator.training",
]
PLACES = {  # name: (module, class, function); the process dies at its n-th call
    "supernet fit": ("nasforge.training.modules", "FitModule", "on_train_batch_end"),
    "ES step": ("nasforge_plugins.strategy.egnas.algorithm", "EvolvedAlphas", "_judge"),
    "checkpoint": ("nasforge.training.fit", "_EpochCheckpoint", "on_train_epoch_end"),
    "weights": ("nasforge.run.fits", "Fits", "_commit"),
    "journal line": ("nasforge.journal.journal", "Journal", "write"),
    "control": ("nasforge.run.estimates", "Estimates", "_write"),
    "retraining": ("nasforge.experiment.retraining", "", "_tested"),
    "result": ("nasforge.experiment.experiment", "", "finish"),
    "report": ("nasforge.experiment.outcome", "", "write_report"),
}
OTHERS = {
    "store": ("nasforge.run.run", "Run", "store"),
    "candidate": ("nasforge_plugins.estimator.training", "Training", "estimate"),
}
"""Places that the search of `words` does not pass."""


def images(path: Path) -> None:
    """Write 150 of scikit-learn's digits to an `.npz`."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = (digits.images[:150] * (255 / 16)).round().astype(np.uint8)
    np.savez(path, train_images=pixels, train_labels=digits.target[:150], classes=np.array(list("0123456789")))


def words(data: Path) -> list[str]:
    """A search of a few seconds with every step of a run."""
    supernet = ["space.channels=4", "space.cells=2", "space.partial_channels=2"]
    return [*supernet, "strategy.epochs=3", "strategy.warmup_epochs=1", "strategy.population=3", *_common(data)]


def _common(data: Path) -> list[str]:
    return [
        "data=arrays",
        f"data.path={data}",
        "data.batch_size=16",
        "retrain.epochs=2",
        "retrain.seeds=1",
        "retrain.random=1",
        "retrain.channels=4",
        "retrain.cells=2",
        "executor.threads=1",
    ]


def _candidates(data: Path, *own: str) -> list[str]:
    """A search that trains a dozen candidates or fewer."""
    estimator = ["estimator.training.epochs=1", "estimator.training.channels=4", "estimator.training.cells=2"]
    return [*own, *estimator, *_common(data)]


SEARCHES: dict[str, tuple[Callable[[Path], list[str]], Sequence[str]]] = {  # name: (words, places that it passes)
    "egnas": (words, list(PLACES)),
    "random_search": (
        lambda data: _candidates(data, "strategy=random_search", "strategy.batch=3", "budget.evaluations=6"),
        ["candidate", "candidate", "control", "journal line", "checkpoint", "weights", "retraining", "result"],
    ),
    "nsga2": (
        lambda data: _candidates(
            data, "strategy=nsga2", "strategy.population=4", "budget.evaluations=8", "executor.workers=2"
        ),
        ["control", "journal line", "checkpoint", "weights", "retraining", "result"],
    ),
}


def start(
    folder: Path,
    data: Path,
    place: str = "",
    call: int = 1,
    command: Sequence[str] = (),
    number: int = signal.SIGKILL,
) -> multiprocessing.Process:
    """Begin or resume the search in `folder`, in a process that dies at the `call`-th call of `place`.

    The search is that of `words(data)`, or another `command`; signal `number` kills it.
    """
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    arguments = (folder, command or words(data), place, call, number)
    process: multiprocessing.Process = context.Process(target=_run, args=arguments)
    process.start()
    return process


def finish(folder: Path, data: Path, command: Sequence[str] = ()) -> dict[str, bytes]:
    """Run to the end, and return the files that must not depend on interruptions."""
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


def _run(folder: Path, command: Sequence[str], place: str, call: int, number: int) -> None:
    from nasforge.config.configuration import compose
    from nasforge.experiment import experiment

    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    if place:
        _arm(place, call, number)
    if (folder / "journal.jsonl").exists():
        experiment.resume(folder)
    else:
        experiment.search(compose(list(command)).config, folder)


def _arm(place: str, call: int, number: int = signal.SIGKILL) -> None:
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
            os.kill(os.getpid(), number)
        return original(*args, **kwargs)

    setattr(owner, name, deadly)


def campaign(root: Path, search: str, kills: int, rng: random.Random) -> tuple[bool, str]:
    """Kill one search `kills` times; return whether all runs ended equal, and a row of the table."""
    compose, places = SEARCHES[search]
    data = root / "images.npz"
    command = compose(data)
    finish(root / f"{search}-warm", data, command)
    began = time.perf_counter()
    expected = finish(root / f"{search}-undisturbed", data, command)
    seconds = time.perf_counter() - began
    equal = runs = 0
    counts: Counter[str] = Counter()
    struck: Counter[str] = Counter()
    while counts.total() < kills:
        runs += 1
        folder = root / f"{search}-{runs}"
        for _ in range(rng.randint(1, 4)):  # several kills of one run
            place = rng.choice([*places, "random moment", "random moment"])
            number = rng.choice([signal.SIGKILL, signal.SIGABRT])
            armed = "" if place == "random moment" else place
            call = rng.randint(1, rng.choice([1, 3, 12]))  # some places are called only once or twice
            process = start(folder, data, armed, call, command, number)
            process.join(rng.uniform(0.1, seconds) if place == "random moment" else None)
            if process.exitcode is None and process.pid:
                os.kill(process.pid, number)
            process.join()
            if process.exitcode == -number:
                counts[number.name] += 1
                struck[place] += 1
        same = finish(folder, data, command) == expected
        equal += same
        print(f"{search}: {counts.total()} kills, {equal} of {runs} runs equal", flush=True)
        if same:
            shutil.rmtree(folder)
    where = ", ".join(f"{place} {count}" for place, count in sorted(struck.items()))
    return equal == runs, f"| {search} | {equal} of {runs} | {counts['SIGKILL']} | {counts['SIGABRT']} | {where} |"


def main() -> None:
    command_line = parser(__doc__, seed=0)
    command_line.add_argument("--kills", type=int, default=100, help="of each search")
    command_line.add_argument("--searches", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    arguments = command_line.parse_args()
    with tempfile.TemporaryDirectory() as name:
        images(Path(name) / "images.npz")
        rng = random.Random(arguments.seed)
        ended = [campaign(Path(name), search, arguments.kills, rng) for search in arguments.searches]
    about = (
        f"torch {torch.__version__}, CPU. Runs were killed one to four times each and resumed; equal are those that "
        "left the undisturbed run's `result.json`, `architecture.json` and weights. `nsga2` has two workers."
    )
    columns = ["| search | equal runs | SIGKILL | SIGABRT | where they struck |", "| --- | --- | --- | --- | --- |"]
    write("kill_and_resume", "Killed and resumed", about, [*columns, *(row for _, row in ended)])
    if not all(sound for sound, _ in ended):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
