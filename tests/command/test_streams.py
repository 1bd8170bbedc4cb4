"""What the command prints to may go away, be full, know no more than ASCII, or not be there: its work goes on."""

import os
import subprocess
import sys

import pytest

from nasforge.command import streams

PRINTS = """
import sys
from nasforge.command.streams import lasting
lasting()
print("mean 1 ± 2, 3×3 → ß")
for _ in range(10_000):
    print("a line")
print("done", file=sys.stderr)
"""


def printing(to, **environment):
    """How a process that prints much ends: its status and what it complained of."""
    shell = f"{sys.executable} -c '{PRINTS}' {to}"
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True, env={**os.environ, **environment}
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize("to", ["| head -n 1 > /dev/null", ">&-", "> /dev/null"])
def test_work_goes_on_when_nobody_reads(to):
    assert printing(to) == (0, "", "done\n")


def test_a_full_disk_is_told_of_once():
    status, _, complaint = printing("> /dev/full")
    assert status == 1
    assert complaint.count("No space left on device") == 1


def test_signs_that_the_encoding_lacks_have_plain_forms():
    _, said, _ = printing("| head -n 1", PYTHONIOENCODING="ascii")
    assert said == "mean 1 +- 2, 3x3 -> ?\n"
    _, said, _ = printing("| head -n 1", PYTHONIOENCODING="utf-8")
    assert said == "mean 1 ± 2, 3×3 → ß\n"


def test_plain_forms_are_ascii():
    assert "".join(streams.PLAIN.values()).isascii()
