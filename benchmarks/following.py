"""How far `nasforge report --follow` is behind the journal of a run of many candidates.

    python benchmarks/following.py [--candidates 10000] [--lines 10] [--pause 2.0]

The journal is that of a random search on the table of NAS-Bench-201. It first holds `candidates` of them. Then a
process that holds the run's lock, as a search does, appends a line after each pause, and this one looks at the page
until it counts one candidate more. Seconds depend on what else the machine does, so the processor time of a page is
stated beside them, and compared with that of reading the whole journal as plain JSON.

Writes `benchmarks/results/following.md`.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nasforge
from nasforge.experiment.following import EVERY
from nasforge.journal.deaths import RECORD
from nasforge.journal.journal import Journal
from nasforge.journal.run_folder import RunFolder
from reporting import parser, write

os.environ.setdefault("NASFORGE_DATA", str(Path(__file__).parents[2] / "shared" / "data"))


def searched(folder: Path, candidates: int, lines: int) -> list[bytes]:
    """Search in `folder`; leave the run as it was after that many candidates, and return the next lines."""
    choice: dict[str, Any] = {"estimator": "tabular", "retrain": {"seeds": 0}, "quiet": True}
    budget = {"evaluations": 2 * (candidates + lines)}  # many repeat an earlier one
    nasforge.search("random_search", "nasbench201", run_dir=folder, budget=budget, **choice)
    files = RunFolder(folder)
    written = files.journal.read_bytes().splitlines(keepends=True)
    estimates = [number for number, line in enumerate(written) if json.loads(line)["kind"] == "estimate"]
    if len(estimates) < candidates + lines:
        raise SystemExit(f"the search met only {len(estimates)} distinct candidates; choose fewer --candidates")
    files.journal.write_bytes(b"".join(written[: estimates[candidates]]))
    for path in (files.result, files.report, files.evaluations):
        path.unlink()
    (folder / RECORD).write_text(json.dumps(["benchmark", "search", "appending lines"]))
    return [written[number] for number in estimates[candidates : candidates + lines]]


def plain_seconds(journal: Path) -> float:
    """Processor time of parsing every line of the journal."""
    began = time.process_time()
    for line in journal.read_bytes().splitlines():
        json.loads(line)
    return time.process_time() - began


def processor_seconds(process: int) -> float:
    """Processor time that a process has taken so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def follower(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command that follows the run; it takes one thread."""
    command = [sys.executable, "-m", "nasforge", "report", str(folder), "--follow"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        try:
            yield process
        finally:
            process.terminate()


def wait_for(report: Path, candidates: int) -> None:
    """Return as soon as the page counts that many candidates."""
    shown = re.compile(rf"\b{candidates:,} candidates")
    until = time.monotonic() + 120
    while not (report.exists() and shown.search(report.read_text(encoding="utf-8"))):
        if time.monotonic() > until:
            raise SystemExit(f"the page does not show {candidates:,} candidates after two minutes")
        time.sleep(0.01)


def main() -> None:
    options = parser(__doc__, candidates=10_000, lines=10, pause=2.0).parse_args()
    behind, taken, plain = [], [], []
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "run"
        lines = searched(folder, options.candidates, options.lines)
        files = RunFolder(folder)
        lock = Journal(folder)
        with follower(folder) as process, files.journal.open("ab", buffering=0) as journal:
            wait_for(files.report, options.candidates)
            for number, line in enumerate(lines, start=1):
                time.sleep(options.pause)
                plain.append(plain_seconds(files.journal))
                began, before = time.perf_counter(), processor_seconds(process.pid)
                journal.write(line)
                wait_for(files.report, options.candidates + number)
                behind.append(time.perf_counter() - began)
                taken.append(processor_seconds(process.pid) - before)
        lock.close()
    about = (
        f"A journal of {options.candidates:,} candidates, to which {options.lines} lines are appended, one after each "
        f"{options.pause:g} seconds. A page is behind from the moment when the line is in the journal until the page "
        f"that counts it is in place. This machine has {os.cpu_count()} processors, for which "
        f"{os.getloadavg()[0]:.0f} processes waited on average in the last minute."
    )
    ratios = [page / read for page, read in zip(taken, plain, strict=True)]
    rows = {
        "seconds behind the journal": behind,
        f"the same on an idle machine, at most: {EVERY} s and two pages": [EVERY + 2 * page for page in taken],
        "processor seconds of a page": taken,
        "processor time of a page, reading the whole journal as plain JSON = 1": ratios,
    }
    table = ["| | median | least | most |", "| --- | --- | --- | --- |"]
    for name, values in rows.items():
        numbers = statistics.median(values), min(values), max(values)
        table.append(f"| {name} | {' | '.join(f'{number:.2f}' for number in numbers)} |")
    write("following", "Following a run of many candidates", about, table)


if __name__ == "__main__":
    main()
