"""How a run's process died that could not say so itself: read by the next start, and by a process that outlives it.

Also the program of that process, which waits for the end of the one that started it: so this file imports nothing but
the standard library.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

RECORD = ".doing"
"""The file in a run's folder that says what it is at; it is there as long as a process works on the run."""
STACK = "fault.txt"
"""The file for the Python stack at a fault of native code."""


class Death(NamedTuple):
    """What is known of it.

    Attributes:
        place: names what the process was at, to be told from other places; empty where nothing could be blamed.
        what: the same for people: "in epoch 3 of 10 of fit 'supernet'".
        how: the fault of native code ("Aborted", "Segmentation fault"); empty for a signal that nothing can answer.
    """

    place: str
    what: str
    how: str


def last_death(folder: Path, alive: str = "") -> Death | None:
    """How the process died that last worked on the run in `folder`; None if it ended in order.

    Args:
        alive: the name of a process that has written there and lives.
    """
    try:
        written = (folder / RECORD).read_bytes()
    except OSError:
        return None
    try:
        process, place, what = map(str, json.loads(written.splitlines()[0]))
    except (ValueError, TypeError, IndexError, RecursionError):  # nothing else survives a power cut
        process, place, what = "", "", "at a place that is not recorded"
    return None if process == alive and alive else Death(place, what[:500], _fault(folder / STACK))


def _fault(stack: Path) -> str:
    """Of native code, as Python's fault handler names it in the first line that it writes."""
    try:
        first = stack.read_text(errors="replace").partition("\n")[0]
    except OSError:
        return ""
    return first.removeprefix("Fatal Python error: ")


def cause(death: Death, stack: str) -> str:
    """In words; `stack` is the name of the file with the stack."""
    if death.how:
        return f"{death.how}, a fault of native code; {stack} in its folder has the stack"
    return "killed from outside; the system does so where memory runs out"


def main(folder: str, again: str) -> None:
    """Wait for the end of the process that holds the other end of standard input; say how it died, if it did."""
    in_order = sys.stdin.buffer.read()
    death = None if in_order else last_death(Path(folder))
    if death:
        said = f"this run died {death.what} ({cause(death, STACK)}); go on with: {again}"
        print(f"nasforge: {said}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
