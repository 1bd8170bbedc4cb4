"""Alter each file of a run in turn, and count how search, resume, retrain, report and compare react.

    python benchmarks/damaged_folders.py

An outcome is right if the command ends as with the intact folder, or with one sentence and exit status 2. It is wrong
if the command ends otherwise (exit status 1, a traceback, several lines), has another result, or executes anything.
Two runs are altered: one that has ended, and one that was killed in the second epoch of its supernet.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from nasforge.command import cli
from reporting import RESULTS, parser, write

HARMS = ("missing", "empty", "cut", "one bit", "another run's", "hostile")
COMMANDS = ("search", "resume", "retrain", "report", "compare")


class Payload:
    """A pickle that runs code, which no reader may load."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch executed",)


def hostile(path: Path) -> bytes:
    """Malicious content of the same file type."""
    if path.suffix in (".yaml", ".yml"):
        return b'seed: !!python/object/apply:os.system ["touch executed"]\n'
    if path.suffix in (".json", ".jsonl"):
        return b"[" * 100_000 + b"]" * 100_000 + b"\n"
    file = io.BytesIO()
    torch.save(Payload(), file)
    return file.getvalue()


def harmed(path: Path, harm: str, other: Path) -> bool:
    """Alter `path`, and return whether that was possible; `other` is the same file of another run."""
    content = path.read_bytes()
    if harm == "missing":
        path.unlink()
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "cut":
        path.write_bytes(content[: 2 * len(content) // 3])
    elif harm == "one bit" and content:
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif harm == "another run's":
        if not other.is_file():  # of another key, and so of another name
            other = next(iter(sorted(other.parent.glob(f"*{other.suffix}"))), other)
        if not other.is_file() or other.read_bytes() == content:
            return False
        shutil.copy(other, path)
    elif harm == "hostile":
        path.write_bytes(hostile(path))
    return path.exists() is (harm != "missing")


def images(path: Path) -> list[str]:
    """Command line of a search of one second, with every step of a run, on 48 real digits."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    three = digits.target < 3
    pixels, labels = (15 * digits.images[three][:48]).astype(np.uint8), digits.target[three][:48].astype(np.int64)
    np.savez(path, train_images=pixels, train_labels=labels, classes=np.array(["0", "1", "2"]))
    return [
        *("data=arrays", f"data.path={path}", "data.batch_size=16", "executor.threads=1", "trainer.accelerator=cpu"),
        *("strategy=darts", "space=nasbench201", "space.channels=2", "strategy.epochs=2"),
        *("retrain.epochs=1", "retrain.seeds=1", "retrain.random=1", "retrain.channels=1", "retrain.cells=1"),
    ]


def ran(*words: str) -> tuple[int, str]:
    """The exit status and standard error of a command in this process."""
    said, complaint = io.StringIO(), io.StringIO()
    before, shown = sys.argv[:], warnings.showwarning
    sys.argv[1:] = []
    os.environ["HYDRA_FULL_ERROR"] = "0"  # a search sets it, for the processes that it starts
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaint):
            try:
                status = cli.run(words)
            except SystemExit as ending:
                status = int(ending.code or 0)
    finally:
        sys.argv[:], warnings.showwarning = before, shown
    return status, complaint.getvalue()


def words_of(command: str, run: Path, words: list[str]) -> list[str]:
    """The arguments of a command that reads the folder."""
    if command == "search":
        return [*words, f"hydra.run.dir={run}"]
    if command == "retrain":
        return ["retrain", str(run), "retrain.random=0"]
    return [command, str(run), *([f"out={run.parent / 'comparison'}"] if command == "compare" else [])]


def outcome(command: str, run: Path, words: list[str], expected: tuple[int, bytes]) -> str:
    """The outcome in a few words; a wrong one begins with WRONG."""
    status, complaint = ran(*words_of(command, run, words))
    lines = [line for line in complaint.splitlines() if line.startswith("nasforge: ") and "warning:" not in line]
    if any(Path(folder, "executed").exists() for folder in (".", run, run.parent)):
        return "WRONG: executed"
    if status == 2 and len(lines) == 1 and "Traceback" not in complaint and "fault of nasforge" not in complaint:
        return "one sentence"
    if status != 0:
        return f"WRONG: status {status}, {complaint.strip().splitlines()[-1:]}"
    if expected[0] != 0:
        return "the same result" if command == "search" else "WRONG: status 0"
    return "the same result" if result_of(command, run) == expected[1] else "WRONG: another result"


def result_of(command: str, run: Path) -> bytes:
    """What must not depend on the harm."""
    if command == "retrain":
        return b"".join(sorted(path.read_bytes() for path in run.glob("retrain-*/result.json")))
    if command == "compare":
        return (run.parent / "comparison" / "comparison.csv").read_bytes()
    path = run / "result.json"
    return path.read_bytes() if path.exists() else b""


def altered(run: Path, other: Path, place: Path, files: Sequence[str]) -> Iterator[tuple[str, str, Path]]:
    """(file, harm, copy of the run with that harm)."""
    for file in sorted(path.relative_to(run) for path in run.rglob("*") if path.is_file()):
        if (
            file.suffix in (".svg", ".png", ".html")
            or file.name == ".lock"
            or not any(part in str(file) for part in files)
        ):
            continue
        for harm in HARMS:
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(run, place / "run")
            if harmed(place / "run" / file, harm, other / file):
                yield str(file), harm, place / "run"


def begun(folder: Path, words: list[str]) -> Path:
    """A run that was stopped in the second epoch of its supernet."""
    from nasforge.training import modules

    original, calls = modules.FitModule.on_train_epoch_start, [0]

    def deadly(module: modules.FitModule) -> None:
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        original(module)

    modules.FitModule.on_train_epoch_start = deadly  # type: ignore[method-assign]
    try:
        ran(*words, f"hydra.run.dir={folder}")
    finally:
        modules.FitModule.on_train_epoch_start = original  # type: ignore[method-assign]
    assert list(folder.rglob("*.ckpt"))
    return folder


Row = tuple[str, str, str, str, str]
"""Run, file, harm, command, outcome."""


def campaign(
    root: Path, files: Sequence[str] = ("",), commands: Sequence[str] = COMMANDS, every: int = 1
) -> Iterator[Row]:
    """Every n-th alteration of files whose path contains one of `files`."""
    number = 0
    os.chdir(root)
    words = images(root / "images.npz")
    assert ran(*words, f"hydra.run.dir={root / 'ended'}")[0] == 0
    assert ran(*words, "seed=1", f"hydra.run.dir={root / 'other'}")[0] == 0
    begun(root / "begun", words)
    begun(root / "other begun", [*words, "seed=1"])
    for name, other in (("ended", root / "other"), ("begun", root / "other begun")):
        expected = {}
        for command in commands:
            shutil.rmtree(root / "whole", ignore_errors=True)
            whole = Path(shutil.copytree(root / name, root / "whole" / "run"))
            status, _ = ran(*words_of(command, whole, words))
            if status == 0 or command == "search":
                expected[command] = status, result_of(command, whole) if status == 0 else b""
        for command, known in expected.items():
            for file, harm, run in altered(root / name, other, root / "altered", files):
                number += 1
                if number % every == 0:
                    yield name, file, harm, command, outcome(command, run, words, known)


def main() -> None:
    command_line = parser(__doc__, every=1)
    command_line.add_argument("--files", nargs="*", default=[""], help="only files whose path contains one of these")
    command_line.add_argument("--commands", nargs="*", default=COMMANDS, choices=COMMANDS)
    arguments = command_line.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for row in campaign(Path(place), arguments.files, arguments.commands, arguments.every):
            rows.append(row)
            if row[-1].startswith("WRONG"):
                print(json.dumps(row), flush=True)
        os.chdir(RESULTS.parent)
    wrong = [row for row in rows if row[-1].startswith("WRONG")]
    table = Counter((run, command, said) for run, _, _, command, said in rows if not said.startswith("WRONG"))
    counts = [f"{len(rows)} alterations, {len(wrong)} wrong outcomes."]
    lines = [f"| {run} | {command} | {said} | {count} |" for (run, command, said), count in sorted(table.items())]
    print("\n".join([*counts, *lines]))
    if arguments.files == [""] and tuple(arguments.commands) == COMMANDS and not wrong:
        about = (
            f"torch {torch.__version__}, CPU. {counts[0]} {', '.join(HARMS)}: each file of a run but its pictures, for "
            "a run that has ended and one that was stopped in the second epoch of its supernet. Nothing was executed."
        )
        columns = ["| run | command | outcome | how often |", "| --- | --- | --- | --- |"]
        write("damaged_folders", "Damaged folders", about, [*columns, *lines])
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
