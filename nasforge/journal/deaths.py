"""Find out how a run's process died if it could not report that itself.

The next start of the run reads this, and so does a watcher process, which waits for the end of the run's process. This
file is also the watcher's program, so it imports only the standard library.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

RECORD = ".doing"
"""The file in a run's folder that says what the run is doing; it exists while a process works on the run."""
STACK = "fault.txt"
"""The file for the Python stack when native code crashes."""


class Death(NamedTuple):
    """What is known about the death of a process.

    Attributes:
        place: identifies what the process was doing; empty if nothing can be blamed.
        what: the same for people: "in epoch 3 of 10 of fit 'supernet'".
        how: the crash of native code ("Aborted", "Segmentation fault"); empty for a signal that cannot be caught.
    """

    place: str
    what: str
    how: str


def last_death(folder: Path, alive: str = "") -> Death | None:
    """Return how the last process that worked on the run in `folder` died; None if it ended in order.

    Args:
        alive: identifies a process that is still alive, whose note is no death.
    """
    try:
        written = (folder / RECORD).read_bytes()
    except OSError:
        return None
    try:
        process, place, what = map(str, json.loads(written.splitlines()[0]))
    except (ValueError, TypeError, IndexError, RecursionError):  # the note is empty or torn after a power cut
        process, place, what = "", "", "at a place that is not recorded"
    return None if process == alive and alive else Death(place, what[:500], _fault(folder / STACK))


def _fault(stack: Path) -> str:
    """Return the name of a crash of native code, from the first line that Python's fault handler writes."""
    try:
        first = stack.read_text(errors="replace").partition("\n")[0]
    except OSError:
        return ""
    return first.removeprefix("Fatal Python error: ")


def cause(death: Death, stack: str) -> str:
    """Describe the cause; `stack` is the name of the file with the stack."""
    if death.how:
        return f"{death.how}, a crash of native code; {stack} in its folder has the stack"
    return "killed from outside, as the system does when memory runs out"


def main(folder: str, again: str) -> None:
    """Wait until the process at the other end of standard input ends; print how it died unless it ended in order."""
    in_order = sys.stdin.buffer.read()
    death = None if in_order else last_death(Path(folder))
    if death:
        message = f"this run died {death.what} ({cause(death, STACK)}); continue with: {again}"
        print(f"nasforge: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
