"""What a GPU makes of nasforge, beside plain references in the same run: one command that ends in eight minutes.

    python benchmarks/gpu.py [--minutes 8]
    python benchmarks/gpu.py --device cpu --small

Run from the root of a checkout with nasforge installed. The second form shows on a CPU that everything runs, in a small
size and without graphs, and writes nothing. Outputs and gradients are compared before they are timed. Without CIFAR-10
in `NASFORGE_DATA`, the commands read noise. Writes `benchmarks/results/gpu.md`.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

import gpu_commands
from gpu_rows import ROWS, Row
from gpu_steps import EAGER_INSTEAD, SMALL, Sizes
from gpu_timing import Timing
from reporting import device_of, parser, write

FOR_COMMANDS = 0.6
"""The share of the time that rows leave to the commands."""
ABOUT = """\
{where}. Space `darts` with C=16 and 8 cells where nothing else is said, 32x32 pixels, fp32 with torch's defaults. \
Maps of our supernet are in channels_last order, and all others in NCHW order, where nothing else is said. \
Medians of interleaved calls. The ratio is the time of the row's first version \
divided by the version's own, in this run. Kernels and their busy time are torch's profiler's. Waits are operators \
of a call that make the CPU wait for the GPU."""
EXTRAPOLATED = """\
**Extrapolated, not measured**: the command with one epoch, and the difference between two epochs and one for each \
further epoch. Every epoch counts as one without warm-up, which takes longest."""


def measured(sizes: Sizes, device: torch.device, deadline: float) -> tuple[dict[str, dict[str, Timing]], list[str]]:
    """The timings of each row that the time allows, and what went wrong."""
    known, failures = {}, []
    for row in ROWS:
        if time.monotonic() > deadline:
            failures.append(f"{row.name}: the time was used up")
            continue
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.filterwarnings("always", f".*{EAGER_INSTEAD}")
                known[row.name] = row.measure(sizes, device)
            failures += [
                f"{row.name}: {warning.message}" for warning in caught if EAGER_INSTEAD in str(warning.message)
            ]
        except (AssertionError, RuntimeError) as error:  # the machine is lent once: the other rows must not be lost
            failures.append(
                f"{row.name}: {type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}"
            )
        print(row.name, known.get(row.name, failures[-1:]), flush=True)
        gc.collect()
        torch.cuda.empty_cache()
    return known, failures


def rows_table(known: Mapping[str, Mapping[str, Timing]]) -> list[str]:
    lines = [
        "| row | version | ms | ratio | goal | kernels | busy, ms | waits |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for row in ROWS:
        for version in row.versions:
            cells = [row.name, version, *_cells(row, version, known.get(row.name, {}))]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _cells(row: Row, version: str, timings: Mapping[str, Timing]) -> list[str]:
    goal, nothing = row.goals.get(version, ""), "not measured"
    if version not in timings or row.versions[0] not in timings:
        return [nothing, nothing, goal, nothing, nothing, nothing]
    timing, reference = timings[version], timings[row.versions[0]]
    return [
        f"{1e3 * timing.seconds:.1f}",
        f"{reference.seconds / timing.seconds:.2f}",
        goal,
        nothing if timing.kernels is None else f"{timing.kernels:,}",
        nothing if timing.busy is None else f"{1e3 * timing.busy:.1f}",
        nothing if timing.waits is None else str(timing.waits),
    ]


def report(
    known: Mapping[str, Mapping[str, Timing]], seconds: Mapping[str, Sequence[float]], failures: Sequence[str]
) -> list[str]:
    """The lines of the tables."""
    return [
        *rows_table(known),
        "",
        "## Commands, from start to end",
        "",
        *gpu_commands.commands_table(seconds),
        "",
        "## Whole searches and trainings",
        "",
        EXTRAPOLATED,
        "",
        *gpu_commands.extrapolations(seconds),
        *(["", "## What went wrong", "", *(f"- {failure}" for failure in failures)] if failures else []),
    ]


def main() -> None:
    options = parser(__doc__, device="cuda", minutes=8.0, threads=2)
    options.add_argument("--small", action="store_true")
    arguments = options.parse_args()
    title = "A GPU, beside plain references"
    if arguments.device == "cuda" and not torch.cuda.is_available():
        write("gpu", title, "Not measured: no GPU was at hand.", report({}, {}, []))
        return
    device, where = device_of(arguments.device, arguments.threads)
    start, allowed = time.monotonic(), 60 * arguments.minutes
    sizes = SMALL if arguments.small else Sizes()
    known, failures = measured(sizes, device, start + (1 - FOR_COMMANDS) * allowed)
    with tempfile.TemporaryDirectory() as folder:
        seconds, failed = gpu_commands.measured(Path(folder), arguments.small, start + allowed)
    lines = report(known, seconds, failures + failed)
    about = ABOUT.format(where=f"{where}, torch {torch.__version__}, Python {sys.version.split()[0]}")
    if device.type == "cuda" and not arguments.small:
        write("gpu", title, about, lines)
    else:
        print("\n".join(lines))
    if failures + failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
