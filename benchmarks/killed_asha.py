"""Kill an asynchronous ASHA with four workers with SIGKILL, resume it, and compare with what its journal's order says.

    python benchmarks/killed_asha.py --kills 20

Each kill comes after one to three more arrivals and a random time. What has arrived before a kill must arrive in the
same order after it. In the end, one process follows that order from the first request, without any estimate or
checkpoint of the killed run, and must write the same files.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kill_and_resume import images
from reporting import parser, write


def words(data: Path, evaluations: int) -> list[str]:
    """A search that trains small networks on few images."""
    return [
        "strategy=asha",
        "space=nasbench201",
        "data=arrays",
        f"data.path={data}",
        "data.batch_size=32",
        *(f"estimator.training.{word}" for word in ("epochs=9", "channels=4", "cells=1")),
        f"budget.evaluations={evaluations}",
        "retrain.seeds=0",
        "executor.workers=4",
        "executor.threads=1",
    ]


def nasforge(*command: str) -> subprocess.Popen[bytes]:
    """Start a command."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-m", "nasforge", *command], **silent)


def arrivals(folder: Path) -> list[tuple[int, int]]:
    """What the journal has of arrivals: (request, requests so far), in order; a torn last line does not count."""
    known = []
    journal = folder / "journal.jsonl"
    for line in journal.read_text().split("\n")[:-1] if journal.exists() else ():
        content = json.loads(line)
        if content["kind"] == "arrival":
            known.append((content["request"], content["requests"]))
    return known


def killed(process: subprocess.Popen[bytes], folder: Path, rng: random.Random) -> list[tuple[int, int]] | None:
    """Kill a search after some more arrivals and return all arrivals; None if it ended before."""
    enough = len(arrivals(folder)) + rng.randint(1, 3)
    while len(arrivals(folder)) < enough:
        if process.poll() is not None:
            return None
        time.sleep(0.02)
    time.sleep(rng.uniform(0, 0.5))
    process.kill()
    process.wait()
    return arrivals(folder)


def followed(folder: Path, target: Path) -> None:
    """Search in one process in the order of a journal, with nothing else of it."""
    target.mkdir()
    lines = (folder / "journal.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["kind"] in ("begin", "arrival")]
    (target / "journal.jsonl").write_text("".join(kept))
    if nasforge("resume", str(target), "executor.workers=1").wait():
        raise SystemExit(f"the search in {target} failed")


def outcome(folder: Path) -> tuple[object, object]:
    """The result without what to type next, and the evaluations."""
    result = json.loads((folder / "result.json").read_text())
    return {**result, "next": []}, json.loads((folder / "evaluations.json").read_text())


def main(kills: int, evaluations: int) -> None:
    """Kill, resume, follow and compare."""
    rng, before = random.Random(0), []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        images(data := Path(place) / "digits.npz")
        process = nasforge(*words(data, evaluations), f"hydra.run.dir={folder}")
        while len(before) < kills and (known := killed(process, folder, rng)) is not None:
            before.append(known)
            print(f"kill {len(before)} after {len(known)} arrivals", flush=True)
            process = nasforge("resume", str(folder))
        if process.wait():
            raise SystemExit("a resumed search failed")
        order = arrivals(folder)
        kept = sum(order[: len(known)] == known for known in before)
        followed(folder, target := Path(place) / "followed")
        same = outcome(folder) == outcome(target)
    displaced = sum(request != place for place, (request, _) in enumerate(order))
    write(
        "killed_asha",
        "A killed asynchronous search",
        f"ASHA with four worker processes and {evaluations} evaluations of real training, killed with SIGKILL "
        f"{len(before)} times; {displaced} of {len(order)} evaluations arrived at another place than requested.",
        [
            f"- kills after which all earlier arrivals kept their order: {kept} of {len(before)}",
            f"- one process that follows the journal's order writes the same result and evaluations: "
            f"{'yes' if same else 'NO'}",
        ],
    )


if __name__ == "__main__":
    given = parser(__doc__, kills=20, evaluations=50).parse_args()
    main(given.kills, given.evaluations)
